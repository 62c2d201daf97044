"""A radio that a test can script: what each join will come to, and a list of what was called.

Status numbers, their life cycle and what fails without `active(True)` are those of
extmod/network_cyw43.c and cyw43_ctrl.c; times are two hundred times shorter.
"""

import time

STA_IF = 0
AP_IF = 1

#: What was called, in order: tuples of a name and its arguments.
calls = []
#: When each connect() was called, in ms.
times = []
#: What the next joins come to, in order; the last one stays. A status, or "silent", or "error".
joins = [3]
#: How long a join takes to come to something.
JOIN_MS = 10

_hostname = "PicoW"
_country = "XX"


def reset():
    """Power the radio off and forget everything."""
    global _hostname, _country, joins
    calls.clear()
    times.clear()
    joins = [3]
    _hostname = "PicoW"
    _country = "XX"
    station._power_off()


def hostname(name=None):
    global _hostname
    if name is None:
        return _hostname
    if len(name) > 32:
        raise ValueError()
    calls.append(("hostname", name))
    _hostname = name


def country(code=None):
    global _country
    if code is None:
        return _country
    if len(code) != 2:
        raise ValueError()
    calls.append(("country", code))
    _country = code


class Radio:
    """The one station interface."""

    def __init__(self):
        self._power_off()
        self.broken = False  # every call fails, as on a weak power supply

    def _power_off(self):
        self._active = False
        self._outcome = 0
        self._since = 0
        self._ssid = ""
        self.broken = False

    def drop(self):
        """The router is gone."""
        self._outcome = 0

    def _check(self):
        if self.broken:
            raise OSError(1)  # EPERM

    def active(self, on=None):
        if on is None:
            return self._active
        self._check()
        calls.append(("active", on))
        self._active = on
        if not on:
            self._outcome = 0

    def config(self, param=None, **settings):
        if param is not None:
            if param != "ssid":
                raise ValueError("unknown config param")
            return self._ssid
        self._check()
        if not self._active:
            raise OSError(1)
        calls.append(("config", settings))

    def connect(self, ssid, key=None):
        self._check()
        if not self._active:
            raise OSError(1)
        calls.append(("connect", ssid, key))
        times.append(time.ticks_ms())
        self._ssid = ssid
        self._outcome = joins.pop(0) if len(joins) > 1 else joins[0]
        self._since = time.ticks_ms()
        if self._outcome == "error":
            self._outcome = 0
            raise OSError(5)

    def disconnect(self):
        self._check()
        calls.append(("disconnect",))
        self._outcome = 0

    def status(self, param=None):
        if param == "rssi":
            self._check()
            return -52
        if self._outcome == "silent":
            return 1
        if self._outcome and time.ticks_diff(time.ticks_ms(), self._since) < JOIN_MS:
            return 1
        return self._outcome

    def isconnected(self):
        return self.status() == 3

    def ifconfig(self, settings):
        self._check()
        calls.append(("ifconfig", settings))

    def ipconfig(self, param):
        if param != "addr4":
            raise ValueError("unexpected key")
        return ("192.168.1.7", "255.255.255.0") if self.isconnected() else ("0.0.0.0",) * 2


class WLAN:
    """As the board's: the constructor always returns the same object."""

    IF_STA = 0
    IF_AP = 1
    PM_NONE = 16

    def __new__(cls, interface=0):
        if interface != 0:
            raise ValueError("the tests have no access point")
        return station


Radio.PM_NONE = WLAN.PM_NONE
station = Radio()
