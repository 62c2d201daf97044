"""`/api/v1/…`: what the device does, its log, a restart, a new password."""

import gc
import sys

from microdot import Response

from ota import DEFAULT_PASSWORD, address, arrivals, checks, flash, transaction
from ota.access import credentials_digest
from ota.errors import Refused


def handlers(service, web):
    """Return the handlers of this module; see ota.web."""
    return System(service, web)


class System:
    """The handlers."""

    def __init__(self, service, web):
        self._service = service
        self._device = web.device

    async def status(self, request):
        """All that a page or a terminal shows of the device."""
        service, device = self._service, self._device
        free, total, block = flash.space()
        gc.collect()
        implementation = sys.implementation
        answer = {
            "boot_id": service.boot_id,
            "name": address.name(service),
            "ip": address.ip(service.wifi_service),
            "mode": service.mode,
            "board": implementation._machine,
            "micropython": ".".join(str(part) for part in implementation.version[:3]),
            "mpy": implementation._mpy,
            "uptime_s": service.uptime_ms // 1000,
            "flash": {"total": total, "free": free, "block": block},
            "memory": {"free": gc.mem_free(), "used": gc.mem_alloc()},
            "wifi": {"rssi": _rssi(service.wifi_service)},
            "require_signed": service.require_signed,
            "default_password": self._default_password(),
            "upload": device.uploads.current,
            "warnings": self._warnings(),
        }
        answer.update(_update_status())
        return answer

    async def log(self, request):
        """The lines from number `since` on, as JSON or as text."""
        log = self._service.log
        since = request.args.get("since", "0")
        if not since.isdigit() or len(since) > 9:
            raise Refused(400, "bad_request/since", since[:20])
        lines = log.since(int(since))
        if "text/plain" in request.headers.get("accept", ""):
            text = "".join(line + "\n" for line in lines)
            return Response(text, 200, {"Content-Type": "text/plain; charset=utf-8"})
        return {"next": log.next, "lines": lines}

    async def reboot(self, request):
        """Restart after the answer is on its way."""
        mode = (await request.g.body.json()).get("mode", "normal")
        return self._device.restart(mode), 202

    async def password(self, request):
        """Set a new password; it is asked for from the next request on."""
        password = (await request.g.body.json()).get("password")
        user = self._service.auth[0]
        try:
            checks.credentials(user, password)
        except ValueError as error:
            raise Refused(400, "bad_password", str(error))
        self._device.change_credentials(credentials_digest(user, password))
        self._service.log("The password was changed.")
        return Response(b"", 204)

    def _default_password(self):
        """Return True until the password of the specification has been changed."""
        return self._device.digest == credentials_digest(self._service.auth[0], DEFAULT_PASSWORD)

    def _warnings(self):
        """Return what a person should know, as a list of sentences."""
        found = list(self._service.notes)
        if self._default_password():
            found.append("The default password is in use. Choose another one.")
        return found


def _rssi(wifi):
    """Return the signal strength in dBm, or None when the Wi-Fi object cannot tell."""
    try:
        return wifi.rssi if hasattr(wifi, "rssi") else wifi.status("rssi")
    except (AttributeError, OSError, ValueError, TypeError):
        return None


def _update_status():
    status = transaction.status()
    guard = sys.modules.get("ota_boot")
    if status["trial"] and guard and guard.supervisor:
        status["trial"]["remaining_s"] = guard.supervisor.left_s
    session, version = status.pop("id"), status.pop("next")
    status["update"] = None
    if status["state"] == "staging":
        count = total = here = 0
        for _, size, received, _ in arrivals.files():
            count += 1
            total += size
            here += received
        status["update"] = {
            "id": session,
            "version": version,
            "files": count,
            "bytes": total,
            "received": here,
        }
    return status
