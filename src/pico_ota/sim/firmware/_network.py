"""`network` as the board has it: a CYW43 with two interfaces. The supervisor is the radio."""

import time
from micropython import const

from _chip import W, area, poke
from _numbers import (
    _ADDRESS,
    _AP_ACTIVE,
    _AP_KEY_AT,
    _AP_KEY_LEN,
    _AP_SECURITY,
    _AP_SSID_AT,
    _AP_SSID_LEN,
    _COUNTRY,
    _GATEWAY,
    _HOST_AT,
    _HOST_LEN,
    _JOIN,
    _KEY_AT,
    _KEY_LEN,
    _MASK,
    _NAME_SERVER,
    _ORDERS,
    _ORDERS_SEEN,
    _PM,
    _RSSI,
    _SCAN_AT,
    _SCAN_LEN,
    _SSID_AT,
    _SSID_LEN,
    _STA_ACTIVE,
    _STATIC,
    _STATUS,
    _UNIQUE_ID,
)

__name__ = "network"
STA_IF = const(0)
AP_IF = const(1)
STAT_IDLE = const(0)
STAT_CONNECTING = const(1)
STAT_GOT_IP = const(3)
STAT_CONNECT_FAIL = const(-1)
STAT_NO_AP_FOUND = const(-2)
STAT_WRONG_PASSWORD = const(-3)
_EPERM = const(1)
_EINVAL = const(22)


def _store(at, length, text, limit):
    data = text.encode() if isinstance(text, str) else text
    if len(data) > limit:
        return False
    area(at, limit)[: len(data)] = data
    W[length] = len(data)
    return True


def _load(at, length):
    return bytes(area(at, 64)[: W[length]]).decode()


def hostname(name=None):
    """Return or set the host name. Raises ValueError above 32 bytes."""
    if name is None:
        return _load(_HOST_AT, _HOST_LEN)
    if not _store(_HOST_AT, _HOST_LEN, name, 32):
        raise ValueError


def country(code=None):
    """Return or set the country. Raises ValueError unless it has two letters."""
    if code is None:
        return chr(W[_COUNTRY] >> 8) + chr(W[_COUNTRY] & 255)
    if len(code) != 2:
        raise ValueError
    W[_COUNTRY] = ord(code[0]) << 8 | ord(code[1])


def _no_param(name):
    raise ValueError("unknown config param")


def _parse(text):
    """Return the IPv4 address *text* as a number. Raises ValueError."""
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isdigit() and int(part) < 256 for part in parts):
        raise ValueError("invalid arguments")
    number = 0
    for part in parts:
        number = number << 8 | int(part)
    return number


def _dotted(n):
    return "%d.%d.%d.%d" % (n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255)


def ipconfig(*args, **settings):
    """Return or set what holds for all interfaces: `dns` and `prefer`."""
    if args:
        if args[0] not in ("dns", "prefer"):
            _no_param(args[0])
        return _dotted(W[_NAME_SERVER] or 0x7F000001) if args[0] == "dns" else 4
    for name, value in settings.items():
        if name == "dns":
            W[_NAME_SERVER] = _parse(value)
        elif name != "prefer":
            _no_param(name)


def route():
    """Return the interfaces."""
    return [WLAN(0), WLAN(1)]


class WLAN:
    """One of the two interfaces of the CYW43; `WLAN(0)` is always the same object."""

    IF_STA = const(0)
    IF_AP = const(1)
    PM_NONE = const(0x10)
    PM_PERFORMANCE = const(0xA11142)
    PM_POWERSAVE = const(0x11)
    SEC_OPEN = const(0)
    SEC_WPA_WPA2 = const(0x400006)
    SEC_WPA3 = const(0x1000004)
    SEC_WPA2_WPA3 = const(0x1400004)

    _both = []

    def __new__(cls, interface=0):
        if not cls._both:
            for i in (0, 1):
                new = object.__new__(cls)
                new._ap = i
                new._settings = {}
                cls._both.append(new)
        return cls._both[1 if interface else 0]

    def __init__(self, interface=0):
        pass

    def __repr__(self):
        status = self.status()
        word = {0: "down", 1: "join", 2: "join", 3: "up", -2: "nonet", -3: "badauth"}.get(
            status, "fail"
        )
        return "<CYW43 %s %s %s>" % ("AP" if self._ap else "STA", word, self.ifconfig()[0])

    def _order(self, join):
        W[_JOIN] = join
        W[_ORDERS] += 1
        poke()

    def active(self, on=None):
        """Return whether the interface is up, or switch it."""
        register = _AP_ACTIVE if self._ap else _STA_ACTIVE
        if on is None:
            return W[register] != 0
        if W[register] and not on and not self._ap:
            self._order(0)
            W[_STATIC] = W[_NAME_SERVER] = 0
        elif on and self._ap and not W[_AP_ACTIVE]:
            # What others see of it; as the firmware sets it up where nothing was said.
            _store(_AP_SSID_AT, _AP_SSID_LEN, self._query("ssid"), 32)
            key = self._settings.get("key", self._settings.get("password", "picoW123"))
            _store(_AP_KEY_AT, _AP_KEY_LEN, key, 64)
            W[_AP_SECURITY] = self._settings.get("security", 0x400004)
        W[register] = bool(on)

    def deinit(self):
        """Switch the radio off."""
        WLAN(1).active(False)
        WLAN(0).active(False)

    def connect(self, ssid, key=None, *, security=-1, bssid=None, channel=-1, auth=-1):
        """Begin to join *ssid*. Raises OSError when the interface is down."""
        if not W[_STA_ACTIVE]:
            raise OSError(_EPERM)
        if bssid is not None and len(bssid) != 6:
            raise ValueError
        if not _store(_SSID_AT, _SSID_LEN, ssid, 32) or not _store(
            _KEY_AT, _KEY_LEN, key or b"", 64
        ):
            raise OSError(_EINVAL)
        self._order(1)

    def disconnect(self):
        """Leave the network."""
        self._order(0)

    def isconnected(self):
        """Tell whether the interface is up and has an address."""
        return self.status() == 3

    def status(self, param=None):
        """Return the link status, or `rssi` of a station, `stations` of an access point."""
        if param is None:
            if self._ap:
                return 3 if W[_AP_ACTIVE] else 0
            if not W[_STA_ACTIVE]:
                return 0
            if W[_ORDERS] != W[_ORDERS_SEEN]:
                return W[_JOIN]
            status = W[_STATUS] - 16
            if status == 2 and W[_STATIC]:
                return 3
            return status
        if param == "rssi":
            if self._ap:
                raise ValueError("STA required")
            if not W[_STA_ACTIVE]:
                raise OSError(_EPERM)
            return W[_RSSI] - 256 if self.status() == 3 else 0
        if param == "stations":
            if not self._ap:
                raise ValueError("AP required")
            return []
        raise ValueError("unknown status param")

    def config(self, *args, **settings):
        """Return one setting, or set some. Raises ValueError for what a CYW43 does not know."""
        if not settings:
            if len(args) != 1:
                raise TypeError("must query one param")
            return self._query(args[0])
        if args:
            raise TypeError("can't specify pos and kw args")
        for name, value in settings.items():
            if name == "pm":
                W[_PM] = value
            elif name == "hostname":
                hostname(value)
            elif name in ("ssid", "essid"):
                self._settings["ssid"] = value
            elif name in (
                "channel",
                "security",
                "txpower",
                "key",
                "password",
                "antenna",
                "monitor",
                "trace",
            ):
                self._settings[name] = value
            else:
                _no_param(name)

    def _query(self, name):
        if name == "pm":
            return W[_PM]
        if name == "hostname":
            return hostname()
        if name == "mac":
            # Of the Raspberry Pi Foundation's range, the rest from the board's id.
            mac = bytearray(b"\x28\xcd\xc1")
            mac.extend(area(_UNIQUE_ID * 4 + 5, 3))
            mac[5] = mac[5] + self._ap & 255
            return bytes(mac)
        if name in ("ssid", "essid"):
            if self._ap:
                return self._settings.get(
                    "ssid", "PICO%02X%02X" % tuple(area(_UNIQUE_ID * 4 + 6, 2))
                )
            return _load(_SSID_AT, _SSID_LEN) if self.isconnected() else ""
        if name in ("channel", "security", "txpower", "antenna"):
            return self._settings.get(name, 31 if name == "txpower" else 0)
        _no_param(name)

    def _address(self):
        if self._ap:
            return "192.168.4.1" if W[_AP_ACTIVE] else "0.0.0.0"
        return _dotted(W[_STATIC] or (W[_ADDRESS] if self.isconnected() else 0))

    def ifconfig(self, settings=None):
        """Return or set (address, mask, gateway, name server); "dhcp" asks the router for them.

        An address that a program has set holds until the interface is switched off. That of an
        access point does not change.
        """
        if settings is None:
            address = self._address()
            if address == "0.0.0.0":
                return (address, address, address, "0.0.0.0")
            if self._ap or not W[_STATIC]:
                return (address, "255.255.255.0", address, address)
            return (address, _dotted(W[_MASK]), _dotted(W[_GATEWAY]), _dotted(W[_NAME_SERVER]))
        if self._ap:
            return None
        if settings == "dhcp":
            self._set_static(0)
            for _ in range(100):
                if self.isconnected():
                    return None
                time.sleep_ms(100)
            raise OSError("timeout waiting for DHCP to get IP address")
        if len(settings) != 4:
            raise ValueError("requested length 4 but object has length %d" % len(settings))
        address, mask, gateway, name_server = [_parse(text) for text in settings]
        self._set_static(address, mask)
        W[_GATEWAY], W[_NAME_SERVER] = gateway, name_server
        return None

    def _set_static(self, address, mask=0):
        # An interface that is off has no address; what is set is lost when it is switched on.
        if W[_STA_ACTIVE]:
            W[_STATIC], W[_MASK] = address, mask

    def ipconfig(self, *args, **settings):
        """Return or set one of `addr4`, `gw4`, `dhcp4`; return `has_dhcp4`."""
        if args:
            if args[0] == "addr4":
                return self.ifconfig()[:2]
            if args[0] == "gw4":
                return self.ifconfig()[2]
            if args[0] == "dhcp4":
                return W[_STA_ACTIVE] != 0 and not W[_STATIC] and not self._ap
            if args[0] == "has_dhcp4":
                return self.isconnected() and not W[_STATIC] and not self._ap
            if args[0] == "addr6":
                return []
            raise ValueError("unknown config param")
        for name, value in settings.items():
            if name not in ("addr4", "gw4", "dhcp4", "autoconf6"):
                _no_param(name)
            if self._ap:
                continue
            if name == "addr4":
                address, mask = value
                self._set_static(_parse(address), _parse(mask))
            elif name == "gw4":
                W[_GATEWAY] = _parse(value)
            elif name == "dhcp4" and value:
                self._set_static(0)

    def scan(self, passive=False, ssid=None, bssid=None):
        """Return [(ssid, bssid, channel, RSSI, security, seen)]. Raises OSError when off."""
        if not W[_STA_ACTIVE]:
            raise OSError("STA must be active")
        import binascii
        import json

        found = json.loads(bytes(area(_SCAN_AT, W[_SCAN_LEN])))
        return [(n[0].encode(), binascii.unhexlify(n[1]), n[2], n[3], n[4], 1) for n in found]
