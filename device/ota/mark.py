"""Leaves a word for the next start, without the guard in memory: with hardly any heap left.

The guard (ota_boot.py) says at the start where and which, in `ota.marks`: (memory, address,
{word: value}). Nothing here needs heap.
"""

from micropython import const

import ota

try:
    import machine
except ImportError:  # CPython, where this module is only imported
    machine = None

_DEATHS = const(0xFF00)


def leave(why):
    """Leave "restart", "exception" or "rescue" for the next start; nothing where no guard ran."""
    if ota.marks is None:
        return
    memory, at, values = ota.marks
    value, before = values[why], memory[at]
    if before >> 16 == value >> 16:
        value |= before & _DEATHS  # the guard's count of deaths stays
    memory[at] = value


def reset(why):
    """Restart the board at once, with the word *why* for the next start."""
    try:
        leave(why)
    finally:
        machine.reset()
