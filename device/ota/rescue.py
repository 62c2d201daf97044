"""Rescue mode: Wi-Fi and the updater, no application. Begun by the guard in place of main.py.

What it knows of the network and the service is in ota/settings.py.
"""

import asyncio
import time
from micropython import const

import ota
from ota import settings
from ota.record import TRIAL_S

_QUIET_S = const(15 * 60)  # unused for this long: try the application again


def begin(why):
    """Return a function and its argument: the call serves until nobody has used it for 15 minutes.

    *why* is said in the log and in `status`. Returns None when no network is known. The guard
    makes that call itself, and everything is loaded now: both save some of the C stack, which has
    to do for a whole update.
    """
    found = settings.load()
    if found is None:
        print("ota: rescue mode is not possible, no network is known yet")
        return None
    _open_console()
    ota.load("listener")  # now, since service_ota would do it in the middle of its own import
    # Ours, in `/`; and while this runs, nothing there hides a module of the firmware.
    from manager_wifi import WiFiManager
    from service_ota import OTAUpdateService

    wifi = WiFiManager(
        found["ssid"],
        found["password"],
        found.get("hostname"),
        found.get("country"),
        found.get("address"),
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
        trial_deadline_s=found.get("trial_s", TRIAL_S),
        public_key=found.get("public_key"),
        require_signed=found.get("signed"),
        min_version=found.get("min_version"),
        basic=found.get("basic", True),
    )
    service.mode = "rescue"
    service.notes.append("Rescue mode: %s" % why)
    service.log("Rescue mode: %s" % why)
    ota.load("startup")
    return asyncio.run_until_complete, asyncio.create_task(_serve(service))


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


async def _serve(service):
    await service.start()
    seen, since = -1, 0
    while True:
        if service.requests != seen:
            seen, since = service.requests, time.ticks_ms()
        if time.ticks_diff(time.ticks_ms(), since) > _QUIET_S * 1000:
            break
        await asyncio.sleep_ms(500)
    await service.stop()
