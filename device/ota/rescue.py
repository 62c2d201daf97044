"""Rescue mode: Wi-Fi and the updater, no application. Begun by the guard in place of main.py.

What it needs to be reachable is one JSON object in SETTINGS, at most 512 bytes so that littlefs
rewrites it with one page: what the service was constructed with at its first start, and at its
last good one. The password of the Wi-Fi stands there as in the application, that of updates as its
SHA-256; no request can read the file.
"""

import asyncio
import json
import time
from micropython import const

import ota
from ota.console import SETTINGS
from ota.record import HOME, TRIAL_S, clear, make_parents

_KEY_FILE = HOME + "/public.json"
_MAX_BYTES = const(512)
_QUIET_S = const(15 * 60)  # unused for this long: try the application again


def settings_of(service):
    """Return the settings of *service* as a dict, None when its network is unknown.

    A bare network.WLAN does not give its key away: such a service says it with rescue_network.
    """
    wifi = service.wifi_service
    network = service.rescue_network
    if network is None:
        network = (getattr(wifi, "ssid", None), getattr(wifi, "password", None))
    if not network[0] or network[1] is None:
        return None
    found = {"ssid": network[0], "password": network[1]}
    extras = ota.once("wifi_help", "extras_of", wifi)
    found["hostname"], found["country"], found["address"] = extras
    found["user"] = service.auth[0]
    found["key"] = "sha256:" + ota.once("access", "secret_of", *service.auth)
    if not service.basic:
        found["basic"] = False
    found["signed"], found["min_version"] = service.require_signed, service.min_version
    found["public_key"] = service.public_key
    found["port"], found["trial_s"] = service.wanted_port, service.trial_deadline_s
    found["name"] = service.name
    # What most leave as it is: the file is short.
    if service.allowed_hosts:
        found["hosts"] = list(service.allowed_hosts)
    if service.host != "0.0.0.0":
        found["host"] = service.host
    if not service.discoverable:
        found["hidden"] = True
    return found


def load():
    """Return the saved settings, None when there are none or they are damaged."""
    try:
        with open(SETTINGS) as source:
            found = json.loads(source.read(_MAX_BYTES))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("ssid") else None


def save(found):
    """Write the settings *found*, unless they are None or there already. Raises OSError."""
    if found is None:
        return
    make_parents(SETTINGS)
    key = found["public_key"]
    if key is not None and not isinstance(key, str):
        # A key is longer than a file that is rewritten with one page, and hardly ever changes.
        _write(_KEY_FILE, json.dumps(key))
        found["public_key"] = _KEY_FILE
    some = {name: value for name, value in found.items() if value is not None}
    text = json.dumps(some, separators=(",", ":"))
    if len(text) > _MAX_BYTES:
        raise OSError(27)  # EFBIG: cannot be read back
    _write(SETTINGS, text)


def _write(path, text):
    try:
        with open(path) as source:
            if source.read() == text:
                return
    except OSError:
        clear(path)  # a folder, made by other hands
    with open(path, "w") as target:
        target.write(text)


def begin(why):
    """Return a function and its argument: the call serves until nobody has used it for 15 minutes.

    *why* is said in the log and in `status`. Returns None when no network is known. The guard
    makes that call itself, and everything is loaded now: both save some of the C stack, which has
    to do for a whole update.
    """
    found = load()
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
    ota.load("trial")
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
