"""Rescue mode: Wi-Fi and the updater, no application. Begun by the guard in place of main.py.

An update server that the application asks is asked from here as well: it may have what mends it.

What it knows of the network and the service is in ota/settings.py.
"""

import asyncio
import time
from micropython import const

import ota
from ota import settings
from ota.record import TRIAL_S

_QUIET_S = const(15 * 60)  # unused for this long: try the application again
_ALONE_S = const(3 * 60)  # without a network for this long: open one of our own
_IN_USE_S = const(60)  # that one is not closed while somebody uses it
_AP_ADDRESS = "192.168.4.1"  # as the firmware has it, with a DHCP server
_WPA2 = const(0x00400004)  # with AES; the firmware has no name for it


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
    hosts = found.get("hosts", [])
    if found.get("ap"):
        wifi = _OwnAccessPoint(wifi, found["ap"])
        hosts.append(_AP_ADDRESS)
    service = OTAUpdateService(
        wifi,
        found["user"],
        found["key"],
        found["port"],
        name=found.get("name"),
        allowed_hosts=hosts,
        discoverable=not found.get("hidden"),
        trial_deadline_s=found.get("trial_s", TRIAL_S),
        public_key=found.get("public_key"),
        require_signed=found.get("signed"),
        min_version=found.get("min_version"),
        fleet=settings.fleet(),
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


class _OwnAccessPoint:
    """The station *wifi*, a WiFiManager, and an access point where it finds no network.

    WPA2 with the passphrase *word*. It goes off when the network is back and nobody uses it.
    """

    def __init__(self, wifi, word):
        self._wifi = wifi
        self._word = word
        self.hostname = wifi.hostname
        self.start = wifi.start
        #: The interface of the access point while it is on, else None.
        self.ap = None
        self._since = time.ticks_ms()

    def is_connected(self):
        """Tell whether anybody can reach the board, on either way."""
        return self.ap is not None or self._wifi.is_connected()

    @property
    def ip(self):
        """The address as text: in the network if there is one."""
        return self._wifi.ip or (self.ap and _AP_ADDRESS)

    @property
    def rssi(self):
        """Signal strength of the network in dBm, or None."""
        return self._wifi.rssi

    @property
    def log(self):
        """What becomes of the lines of both."""
        return self._wifi.log

    @log.setter
    def log(self, function):
        self._wifi.log = function

    def look(self, quiet):
        """Open or close the access point as needed; *quiet* says that nobody uses it now."""
        now = time.ticks_ms()
        if self._wifi.is_connected():
            self._since = now
            if self.ap is not None and quiet:
                self.ap.active(False)
                self.ap = None
                self.log("The network is back: the access point is off.")
        elif self.ap is None and time.ticks_diff(now, self._since) > _ALONE_S * 1000:
            self._since = now  # once more later, should it fail
            self._open()

    def _open(self):
        network = ota.firmware("network")
        ap = network.WLAN(network.AP_IF)
        name = ota.once("wifi_help", "host_name", None)
        try:
            ap.config(ssid=name, password=self._word, security=_WPA2)
            ap.active(True)
        except (OSError, ValueError) as error:
            self.log("No access point: %r" % error)
            return
        self.ap = ap
        self.log("No network: join the Wi-Fi %s, with the password of the updates." % name)


async def _serve(service):
    await service.start()
    seen, since = -1, 0
    fleet = service.fleet
    while True:
        if service.requests != seen or (fleet and fleet.state == "downloading"):
            seen, since = service.requests, time.ticks_ms()
        unused_ms = time.ticks_diff(time.ticks_ms(), since)
        if unused_ms > _QUIET_S * 1000:
            break
        if isinstance(service.wifi_service, _OwnAccessPoint):
            service.wifi_service.look(unused_ms > _IN_USE_S * 1000)
        await asyncio.sleep_ms(500)
    await service.stop()
