"""`sys` as the board has it: platform, machine and file format of rp2, the engine's version."""
# ruff: noqa: F401 - what is imported is what `sys` exports

from collections import namedtuple
from micropython import const
from sys import (
    byteorder,
    exit,
    implementation,
    modules,
    path,
    print_exception,
    ps1,
    ps2,
    stderr,
    stdin,
    stdout,
    version,
    version_info,
)

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
# .mpy version 6.3; armv6m is 4 << 10, armv7emsp 7 << 10.
implementation = namedtuple("implementation", ("name", "version", "_machine", "_mpy", "_build"))(
    "micropython", implementation.version, _machine, (0x1306, 0x1F06)[_chip.W[_BOARD]], _build
)
del namedtuple, _machine, _build, _chip


def _banner():
    return "%s; %s (simulated)\n>>> " % (version.split("; ")[-1], implementation._machine)
