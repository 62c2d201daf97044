"""What the routes show of the device and do to it, in one place for all of them."""

import asyncio
import time
from micropython import const

from ota import DEFAULT_PASSWORD, address, let_go, mark
from ota.access import credentials_digest
from ota.errors import Refused

_RESTART_MS = const(1000)  # time for the answer to leave before the reset cuts every connection


class Device:
    """The device as seen from outside. *service* is the OTAUpdateService."""

    def __init__(self, service):
        self.service = service
        from ota import credentials

        self._constructed = credentials_digest(*service.auth)
        #: SHA-256 of the credentials that are asked for.
        self.digest = credentials.load(self._constructed)
        let_go("credentials")
        self._resetting = None

    @property
    def name(self):
        """The host name."""
        return address.name(self.service)

    @property
    def ip(self):
        """The address as text, or None."""
        return address.ip(self.service.wifi_service)

    def host_names(self):
        """Return the names that requests may be addressed to, without the port."""
        name = self.name
        return (self.ip, name, name + ".local" if name else None)

    @property
    def rssi(self):
        """Signal strength in dBm, or None when the Wi-Fi object cannot tell."""
        wifi = self.service.wifi_service
        try:
            return wifi.rssi if hasattr(wifi, "rssi") else wifi.status("rssi")
        except (AttributeError, OSError, ValueError, TypeError):
            return None

    @property
    def default_password(self):
        """True until the password of the specification has been changed."""
        return self.digest == credentials_digest(self.service.auth[0], DEFAULT_PASSWORD)

    @property
    def warnings(self):
        """What a person should know, as a list of sentences."""
        found = list(self.service.notes)
        if self.default_password:
            found.append("The default password is in use. Choose another one.")
        return found

    def set_password(self, password):
        """Ask for *password* from now on. Raises Refused when it is no usable one."""
        from ota import checks, credentials

        user = self.service.auth[0]
        try:
            checks.credentials(user, password)
        except ValueError as error:
            raise Refused(400, "bad_password", str(error))
        digest = credentials_digest(user, password)
        credentials.save(self._constructed, digest)
        self.digest = digest
        self.service.log("The password was changed.")

    def renew_lease(self, seconds):
        """Let nobody else begin an update for *seconds*."""
        self.service.lease = (time.ticks_ms(), seconds * 1000)

    def lease_over(self):
        """Return True when an update that was begun before may be pushed aside."""
        if self.service.lease is None:
            return True
        since, length = self.service.lease
        # Negative after six quiet days, when the counter has gone half round: long over.
        return not 0 <= time.ticks_diff(time.ticks_ms(), since) < length

    def restart(self, mode="normal"):
        """Restart in a second; return what the answer says.

        Raises Refused for another *mode*, and for rescue mode on an unknown network.
        """
        if mode not in ("normal", "rescue"):
            raise Refused(400, "bad_mode", "mode is 'normal' or 'rescue', got %r." % (mode,))
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
    mark.reset("rescue" if mode == "rescue" else "restart")
