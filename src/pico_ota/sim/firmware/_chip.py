"""The board's registers and wires, as the stand-ins see them.

The supervisor maps one small file into this process: `W` are its 32-bit registers, `L` its 64-bit
ones. Reading `W` allocates nothing, reading `L` would (a long integer): `L` is only written.
"""

import _thread

import uctypes
from _numbers import _ALARM, _HALT, _LONGS_AT

W = L = flash = wire = None
busy = bytearray(1)  # 1 while a flash operation runs: the hardware takes no interrupt then
_address = 0
_lock = _thread.allocate_lock()


def attach(address, flash_fd, wire_fd):
    """Find the registers at *address*, flash chip and interrupt wire at their descriptors."""
    global W, L, flash, wire, _address
    _address = address
    W = uctypes.struct(address, {"w": (uctypes.ARRAY | 0, uctypes.UINT32 | 128)}).w
    L = uctypes.struct(address, {"l": (uctypes.ARRAY | _LONGS_AT, uctypes.UINT64 | 8)}).l
    flash = open(flash_fd, "r+b")
    wire = open(wire_fd, "r+b")


def area(offset, size):
    """Return a bytearray that lies in the register file, not on the heap."""
    return uctypes.bytearray_at(_address + offset, size)


def poke():
    """Tell the supervisor to look at the registers."""
    wire.write(b"!")


def halt(cause):
    """Stop for ever; the supervisor acts on *cause*. No application can catch or outlive this."""
    L[_ALARM] = 0
    W[_HALT] = cause
    poke()
    while True:
        # The second acquire blocks in C: no callback, no exception, until the process is killed.
        _lock.acquire()
