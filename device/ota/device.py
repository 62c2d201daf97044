"""What all routes share: the service, the one writer at a time, who may come in, restarts."""

import asyncio
import time
from micropython import const

from ota import address, let_go, load
from ota.errors import Refused
from ota.uploads import Uploads

#: What lets a request in. A hungry one may let it go: it is loaded again for the next.
ENTRANCE = ("access", "request", "routes")

_LEASE_MS = const(120000)  # an update that nobody goes on with for longer may be pushed aside
_RESTART_MS = const(1000)  # time for the answer to leave before the reset cuts every connection


class Device:
    """The device as seen from outside. *service* is the OTAUpdateService."""

    def __init__(self, service):
        self.service = service
        self.uploads = Uploads(service.on_progress)
        self._constructed = load("access").credentials_digest(*service.auth)
        #: SHA-256 of the credentials that are asked for.
        self.digest = load("credentials").load(self._constructed)
        let_go("credentials")
        self._resetting = None

    def host_names(self):
        """Return the names that requests may be addressed to, without the port."""
        name = address.name(self.service)
        return (address.ip(self.service.wifi_service), name, name + ".local" if name else None)

    def change_credentials(self, digest):
        """Ask for the credentials of *digest* from now on. Raises OSError."""
        load("credentials").save(self._constructed, digest)
        self.digest = digest

    def renew_lease(self):
        """Let nobody else begin an update for a while."""
        self.service.lease = time.ticks_ms()

    def lease_over(self):
        """Return True when an update that was begun before may be pushed aside."""
        if self.service.lease is None:
            return True
        # Negative after six quiet days, when the counter has gone half round: long over.
        return not 0 <= time.ticks_diff(time.ticks_ms(), self.service.lease) < _LEASE_MS

    def restart(self, mode="normal"):
        """Restart in a second; return what the answer says.

        Raises Refused for another *mode*, and for rescue mode on an unknown network.
        """
        if mode not in ("normal", "rescue"):
            raise Refused(400, "bad_mode/other", mode)
        if mode == "rescue" and self.service.mode != "rescue":
            self._prepare_rescue()
        self.service.log("Restarting (%s)." % mode)
        self._resetting = asyncio.create_task(_reset_later(mode))
        return {"boot_id": self.service.boot_id, "restart_ms": _RESTART_MS}

    def _prepare_rescue(self):
        try:
            from ota import health

            health.prepare_rescue(self.service)
        except MemoryError:
            pass  # that is why it is asked for; what is known from before has to do


async def _reset_later(mode):
    await asyncio.sleep_ms(_RESTART_MS)
    from ota import mark

    mark.reset("rescue" if mode == "rescue" else "restart")
