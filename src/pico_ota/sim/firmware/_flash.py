"""The board's flash chip behind a littlefs block device, with a NOR flash's rules and costs.

Erasing sets a 4096-byte block to 0xFF, programming only clears bits. An erase and a program call
are one operation each. Nothing here allocates: on the board this is C, and works with a full heap.
"""

import time
from micropython import const

import _chip
from _chip import W, halt
from _numbers import (
    _BLANK_AT,
    _BLOCKS,
    _BYTES,
    _CUT_AT,
    _DIRTY,
    _ERASES,
    _OPS,
    _PAGE_AT,
    _POWER_CUT,
    _PROGRAMS,
    _TEAR_HALF,
    _TIMING,
)

_BLOCK = const(4096)
_PAGE = const(256)
_ERASE_US = const(45000)  # W25Q16JV, typical, per 4 KiB sector
_PROGRAM_US = const(400)  # typical, per 256-byte page

_file = _chip.flash
_blank = _chip.area(_BLANK_AT, _BLOCK)
_blank_page = _chip.area(_BLANK_AT, _PAGE)
_page = _chip.area(_PAGE_AT, _PAGE)
_busy = _chip.busy
_owed_us = 0


def _charge(us):
    # Small costs are saved up: a sleep takes some 60 us longer than asked, paid back next time.
    global _owed_us
    _owed_us += us
    if _owed_us >= 1000:
        start = time.ticks_us()
        end = time.ticks_add(start, _owed_us)
        left = _owed_us
        while left > 0:  # an interrupt ends a sleep early
            time.sleep_us(left)
            left = time.ticks_diff(end, time.ticks_us())
        _owed_us = left


def _operation():
    # Counts one operation; true when the power fails in it.
    W[_OPS] += 1
    return W[_OPS] == W[_CUT_AT]


def _erase(block):
    # With the power cut half-way, the first half of it.
    W[_ERASES] += 1
    at = block * _BLOCK
    cut = _operation()
    if not cut or W[_TEAR_HALF]:
        _file.seek(at)
        if cut:
            for _ in range(_BLOCK // 2 // _PAGE):
                _file.write(_blank_page)
        else:
            _file.write(_blank)
    if cut:
        halt(_POWER_CUT)
    if W[_TIMING]:
        _charge(_ERASE_US)


def _program(at, data):
    # With the power cut half-way, the first half of it.
    size = len(data)
    W[_PROGRAMS] += 1
    if _operation():
        if W[_TEAR_HALF]:
            W[_BYTES] += size // 2
            _file.seek(at)
            _file.write(memoryview(data)[: size // 2])
        halt(_POWER_CUT)
    W[_BYTES] += size
    erased = True
    for here in range(at, at + size, _PAGE):
        _file.seek(here)
        _file.readinto(_page)
        if _page != _blank_page:
            erased = False
    if not erased:
        data = _fallen_bits(at, data)
    _file.seek(at)
    _file.write(data)
    if W[_TIMING]:
        _charge(size // _PAGE * _PROGRAM_US)


def _fallen_bits(at, data):
    # Programming over programmed bytes: bits can only fall. A bug of the caller, so reported.
    W[_DIRTY] += 1
    result = bytearray(len(data))
    _file.seek(at)
    _file.readinto(result)
    for i in range(len(data)):
        result[i] &= data[i]
    _chip.poke()
    return result


class Flash:
    """The part of the flash that holds the file system, as `rp2.Flash`."""

    def __init__(self, start=0, len=-1):
        size = W[_BLOCKS] * _BLOCK
        if len < 0:
            len = size - start
        if start % _BLOCK or len % _BLOCK or start < 0 or start + len > size:
            raise ValueError
        self._start = start
        self._blocks = len // _BLOCK

    # Callbacks may run at each jump of the byte code. While littlefs is inside of the driver they
    # would come back into littlefs, so the mark is set before the first jump.

    def readblocks(self, block, buf, offset=0):
        _busy[0] = 1
        _file.seek(self._at(block, offset))
        _file.readinto(buf)
        _busy[0] = 0

    def writeblocks(self, block, buf, offset=None):
        _busy[0] = 1
        at = self._at(block, offset or 0)
        if offset is None:
            for here in range(at, at + len(buf), _BLOCK):
                _erase(here // _BLOCK)
        _program(at, buf)
        _busy[0] = 0

    def ioctl(self, op, arg):
        _busy[0] = 1
        result = self._ioctl(op, arg)
        _busy[0] = 0
        return result

    def _ioctl(self, op, arg):
        if op == 4:  # number of blocks
            return self._blocks
        if op == 5:  # size of a block
            return _BLOCK
        if op == 6:  # erase
            _erase(self._at(arg, 0) // _BLOCK)
            return 0
        if op in (1, 2, 3):  # init, deinit, sync: writes are synchronous
            return 0
        return None

    def _at(self, block, offset):
        # The board does not check; a wrong number there reads or destroys the firmware.
        if not 0 <= block < self._blocks:
            _busy[0] = 0
            raise ValueError("pico-ota sim: block outside of the file system")
        return self._start + block * _BLOCK + offset
