"""`sys` as the board has it: platform, machine and file format of rp2, the engine's version."""

import sys as _host
from collections import namedtuple
from micropython import const

import _chip
from _numbers import _BOARD

__name__ = "sys"
platform = "rp2"
maxsize = const(0x7FFFFFFF)  # as with 32-bit words
argv = []
_machine, _build = (
    ("Raspberry Pi Pico W with RP2040", "RPI_PICO_W"),
    ("Raspberry Pi Pico 2 W with RP2350", "RPI_PICO2_W"),
)[_chip.W[_BOARD]]
_mpy = 0x1F06 if _chip.W[_BOARD] else 0x1306  # 6.3; armv7emsp is 7 << 10, armv6m 4 << 10
implementation = namedtuple("implementation", ("name", "version", "_machine", "_mpy", "_build"))(
    "micropython", _host.implementation.version, _machine, _mpy, _build
)
del namedtuple, _machine, _build, _mpy, _chip


def __getattr__(name):
    # Of the host's module, what the board has too.
    if name in ("atexit", "exc_info", "executable"):
        raise AttributeError(name)
    return getattr(_host, name)


def _banner():
    return "%s; %s (simulated)" % (_host.version.split("; ")[-1], implementation._machine)
