"""`network` for bench/heap32: a station that joins at once."""

STA_IF = 0
_name = "PicoW"


def hostname(name=None):
    global _name
    if name is None:
        return _name
    _name = name


def country(code=None):
    return "XX"


class WLAN:
    IF_STA = 0
    PM_NONE = 16

    def __init__(self, interface=0):
        self._joined = False

    def active(self, on=None):
        return True

    def config(self, param=None, **settings):
        return "home"

    def connect(self, ssid, key=None):
        self._joined = True

    def disconnect(self):
        self._joined = False

    def status(self, param=None):
        return -52 if param else 3 if self._joined else 0

    def isconnected(self):
        return self._joined

    def ifconfig(self):
        return ("192.168.1.7", "255.255.255.0", "192.168.1.1", "192.168.1.1")

    def ipconfig(self, param):
        return self.ifconfig()[:2]
