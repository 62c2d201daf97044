"""Rescue mode: Wi-Fi and the updater, no application. Run by the guard in place of main.py."""

import asyncio
import time
from micropython import const

from ota import settings

_QUIET_S = const(15 * 60)  # unused for this long: try the application again


def run(why):
    """Serve until nobody has used it for 15 minutes, then return True.

    *why* is said in the log and in `status`. Returns False at once when no network is known.
    """
    found = settings.load()
    if found is None:
        print("ota: rescue mode is not possible, no network is known yet")
        return False
    _open_console()
    asyncio.run(_serve(found, why))
    return True


def _open_console():
    """Start USB, which the firmware does only after boot.py: Ctrl-C and mpremote get in."""
    try:
        from machine import USBDevice

        usb = USBDevice()
        usb.builtin_driver = USBDevice.BUILTIN_DEFAULT
        usb.active(True)
    except (ImportError, AttributeError, OSError, ValueError) as error:
        # The network is the way in that counts. A firmware of one's own may lack this one.
        print("ota: no USB console in rescue mode: %r" % error)


async def _serve(found, why):
    from manager_wifi import WiFiManager
    from service_ota import OTAUpdateService

    wifi = WiFiManager(
        found["ssid"], found["password"], found.get("hostname"), country=found.get("country")
    )
    service = OTAUpdateService(
        wifi,
        found["user"],
        found["key"],
        found["port"],
        host=found.get("host", "0.0.0.0"),
        name=found.get("name"),
        allowed_hosts=found.get("hosts", ()),
        discoverable=not found.get("hidden"),
        trial_deadline_s=found.get("trial_s", 180),
        public_key=found.get("public_key"),
        require_signed=found.get("signed"),
        min_version=found.get("min_version"),
    )
    service.mode = "rescue"
    service.notes.append("Rescue mode: %s" % why)
    service.log("Rescue mode: %s" % why)
    await service.start()
    await _until_quiet(service)
    await service.stop()


async def _until_quiet(service):
    seen, since = -1, 0
    while True:
        if service.requests != seen:
            seen, since = service.requests, time.ticks_ms()
        if time.ticks_diff(time.ticks_ms(), since) > _QUIET_S * 1000:
            return
        await asyncio.sleep_ms(500)
