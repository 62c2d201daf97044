"""What requests that change something share: the buffer, the right to write, the restart.

What outlives such a request is kept by the service (service_ota.py), which also serves a fleet
client (ota/offer.py) while no server is loaded.
"""

import asyncio
import time
from micropython import const

import ota
from ota.errors import Refused

# Bytes read, hashed and written in one go: at most one flash erase (45 ms) holds up the loop.
_CHUNK = const(3072)
_LEASE_MS = const(120000)  # an update that nobody goes on with for longer may be pushed aside
_WAIT_MS = const(10000)
_POLL_MS = const(25)


def buffer(service):
    """Return the one buffer, of the one that has the write lock. Raises MemoryError."""
    if service.buffer is None:
        service.buffer = bytearray(_CHUNK)
    return service.buffer


class WriteLock:
    """The right to write *size* bytes to *path*, from `async with` to its end.

    Entering waits for the writer before, at most 10 s. It raises Refused: 409 when that one writes
    the same path, 503 when it takes longer.
    """

    def __init__(self, service, path, size):
        self._service = service
        self._entry = {"path": path, "received": 0, "size": size}

    async def __aenter__(self):
        service, path = self._service, self._entry["path"]
        until = time.ticks_add(time.ticks_ms(), _WAIT_MS)
        while service.upload is not None:
            if service.upload["path"] == path:
                raise Refused(409, "busy/path", path, retry_after=2)
            if time.ticks_diff(until, time.ticks_ms()) < 0:
                raise Refused(503, "busy/upload", retry_after=5)
            await asyncio.sleep_ms(_POLL_MS)
        service.upload = self._entry
        return self

    async def __aexit__(self, kind, error, trace):
        self._service.upload = None

    def counting(self, write):
        """Return *write* (a function of a memoryview) that also counts what was written."""
        entry, on_progress = self._entry, self._service.on_progress

        def add(view):
            write(view)
            entry["received"] += len(view)
            if on_progress:
                try:
                    on_progress(entry["path"], entry["received"], entry["size"])
                except Exception as error:  # the application's: no reason to refuse the file
                    print("ota: on_progress raised %r" % error)

        return add


def renew_lease(service):
    """Let nobody else begin an update for a while."""
    service.lease = time.ticks_ms()


def lease_over(service):
    """Return True when an update that was begun before may be pushed aside."""
    if service.lease is None:
        return True
    # Negative after six quiet days, when the counter has gone half round: long over.
    return not 0 <= time.ticks_diff(time.ticks_ms(), service.lease) < _LEASE_MS


def by_hand(service, path):
    """Take note that the file or folder *path* is about to be changed by hand.

    Only the first time since the start this writes. Raises OSError, MemoryError.
    """
    if not service.changed:
        _mark(service, (path,))
    service.changed = [name for name in service.changed if name != path][-2:] + [path]


def proof_s(service):
    """Return the seconds that what was changed without a trial has to prove itself."""
    return max(service.trial_deadline_s, service.confirm_after_s + 5)


def _mark(service, paths):
    ota.once("record", "mark", proof_s(service), paths)


def restart(service, mode="normal"):
    """Restart in a second; return what the answer says.

    Raises Refused for another *mode*, and for rescue mode on an unknown network; and MemoryError.
    """
    if mode not in ("normal", "rescue"):
        raise Refused(400, "bad_mode/other", mode)
    if mode == "rescue" and service.mode != "rescue":
        try:
            if not ota.once("settings", "prepare", service):
                raise Refused(409, "no_network")
        except MemoryError:
            pass  # that is why it is asked for; what is known from before has to do
    if len(service.changed) > 1:
        try:
            _mark(service, service.changed)  # now with the names of all
        except (MemoryError, OSError):
            pass  # one is there
    return service.restart_soon(mode)
