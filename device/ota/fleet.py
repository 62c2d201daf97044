"""Fleet: which update server this board asks, and when.

    from service_ota import Fleet, OTAUpdateService

    ota_service = OTAUpdateService(wifi, fleet=Fleet("http://server:8000", token="..."))

Of all that this takes only this small module stays in memory. What is asked, and done about the
answer, is in ota/ddi.py, which is loaded for as long as it takes.
"""

import asyncio
import sys
from micropython import const

import ota

time = ota.firmware("time")

_CHECK_MS = const(500)
_RETRY_S = const(60)


class Fleet:
    """The update server at *url*, `http://` or `https://`, which speaks DDI (gooseBit, hawkBit).

    *token* is this board's own (TargetToken), *gateway_token* one that many boards share. *id* is
    what the server calls the board, by default `pico-` and its serial number. *poll_s* seconds
    lie between two polls; None leaves that to the server. For https, *cafile* is the path of a
    certificate in DER form, that of the server or of who has signed it.

    Raises ValueError.
    """

    def __init__(
        self,
        url,
        token=None,
        id=None,
        tenant="DEFAULT",
        poll_s=None,
        *,
        gateway_token=None,
        cafile=None,
    ):
        self.url = url
        self.token = token
        self.id = id
        self.tenant = tenant
        self.poll_s = poll_s
        self.gateway_token = gateway_token
        self.cafile = cafile
        ota.once("wifi_help", "check_fleet", self)
        #: What it is doing, in a word, and what went wrong with the last poll, None when all was
        #: well.
        self.state = "waiting"
        self.error = None
        #: Version that the server offers, or None.
        self.offered = None
        #: `uptime_ms` of the service at the last answer of the server, and at the next poll.
        self.polled_ms = None
        self.next_ms = 0
        #: What ota/ddi.py has to know at the next poll.
        self.known = None
        #: ticks_ms until which the server has to act; None while it is our turn.
        self.deadline = None
        self._late = False
        self._task = None

    def start(self, service):
        """Ask in the background from now on."""
        self._task = asyncio.create_task(self._run(service))

    def stop(self):
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def watch(self):
        """End what takes the server too long; called every half second."""
        if self.deadline is not None and time.ticks_diff(time.ticks_ms(), self.deadline) > 0:
            self.interrupt()

    def interrupt(self):
        """End what is being waited for: the server is not to be had."""
        if self.deadline is not None:
            self.deadline = None
            self._late = True
            self._task.cancel()

    def was_late(self):
        """Return whether it was interrupt() that has cancelled the task, once."""
        late, self._late = self._late, False
        return late

    async def _run(self, service):
        while True:
            await asyncio.sleep_ms(_CHECK_MS)
            guard = sys.modules.get("ota_boot")
            # What is on trial has to prove itself first, with all the memory there is.
            proven = guard is None or guard.supervisor is None
            if proven and service.port is not None and service.uptime_ms >= self.next_ms:
                ota.busy += 1
                self.next_ms = service.uptime_ms + _RETRY_S * 1000
                try:
                    step = "ddi", None
                    while step:
                        step = await _step(service, self, *step)
                except Exception as error:
                    # A defect of ours, or no memory even for a poll; the next may be better.
                    if not isinstance(error, MemoryError):
                        sys.print_exception(error)
                    self.error = repr(error)
                finally:
                    self.deadline = None
                    ota.use(None)
                    ota.busy -= 1
                    service.tidy()


def _step(service, fleet, module, order):
    # In a frame of its own, which does not keep what it has loaded.
    return ota.use(module).step(service, fleet, order)
