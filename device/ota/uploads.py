"""One write at a time: two uploads share one buffer, one private file and one slow flash."""

import asyncio
import time
from micropython import const

from ota.body import CHUNK
from ota.errors import Refused

_WAIT_MS = const(10000)
_POLL_MS = const(50)


class Uploads:
    """Hands out turns. *on_progress* is None or a function of (path, received, size)."""

    def __init__(self, on_progress=None):
        #: {"path", "received", "size"} of the write under way, or None.
        self.current = None
        #: Files on their way out, see ota/reader.py.
        self.readers = []
        self._on_progress = on_progress
        self._buffer = None

    @property
    def buffer(self):
        """The one buffer, of whoever has the turn. Raises MemoryError."""
        if self._buffer is None:
            self._buffer = bytearray(CHUNK)
        return self._buffer

    def free_buffer(self):
        """Let the buffer go: what comes next needs the room for something else."""
        self._buffer = None

    def replaced(self, path):
        """Take note that the file or folder *path* was replaced or removed."""
        for reader in self.readers:
            if reader.path == path or reader.path.startswith(path + "/"):
                reader.stale = True

    def turn(self, path, size):
        """Return the turn to write *size* bytes to *path*, for `async with`.

        Entering waits for the one before, at most 10 s. Raises Refused: 409 when that one writes
        the same path, 503 when it takes longer.
        """
        return Turn(self, path, size, self._on_progress)


class Turn:
    """The right to write, from `async with` to its end."""

    def __init__(self, uploads, path, size, on_progress):
        self._uploads = uploads
        self._entry = {"path": path, "received": 0, "size": size}
        self._on_progress = on_progress

    async def __aenter__(self):
        until = time.ticks_add(time.ticks_ms(), _WAIT_MS)
        uploads = self._uploads
        while uploads.current is not None:
            if uploads.current["path"] == self._entry["path"]:
                raise Refused(409, "busy/path", self._entry["path"], retry_after=2)
            if time.ticks_diff(until, time.ticks_ms()) < 0:
                raise Refused(503, "busy/upload", retry_after=5)
            await asyncio.sleep_ms(_POLL_MS)
        uploads.current = self._entry
        return self

    async def __aexit__(self, kind, error, trace):
        self._uploads.current = None

    def counting(self, write):
        """Return *write* (a function of a memoryview) that also counts what was written."""
        entry, on_progress = self._entry, self._on_progress

        def counted(view):
            write(view)
            entry["received"] += len(view)
            if on_progress:
                try:
                    on_progress(entry["path"], entry["received"], entry["size"])
                except Exception as error:  # the application's: no reason to refuse the file
                    print("ota: on_progress raised %r" % error)

        return counted
