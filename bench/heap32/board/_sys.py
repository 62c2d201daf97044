"""`sys` for bench/heap32: the build's own, but for the name of the board."""

import sys as _own
from collections import namedtuple

__name__ = "sys"
platform = "rp2"
implementation = namedtuple("implementation", ("name", "version", "_machine", "_mpy", "_build"))(
    "micropython",
    _own.implementation.version,
    "Raspberry Pi Pico W with RP2040",
    _own.implementation._mpy,
    "RPI_PICO_W",
)
del namedtuple


def __getattr__(name):
    return getattr(_own, name)
