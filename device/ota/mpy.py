"""Whether this firmware can load a `.mpy`, from the first bytes of it."""

import sys
from micropython import const

_HEAD_MPY = const(4)


def problem_here(head):
    """Return why a `.mpy` that starts with *head* cannot be loaded by this firmware, or None."""
    own = getattr(sys.implementation, "_mpy", None)
    if own is None:
        return None  # this firmware loads no .mpy at all, or is CPython
    return mpy_problem(head, own, 31 if sys.maxsize < 1 << 32 else 63)


def mpy_problem(head, own, small_int_bits):
    """Return why a `.mpy` that starts with *head* cannot be loaded here, or None.

    *own* is `sys.implementation._mpy`: version, sub-version and architecture of this firmware.
    """
    if len(head) < _HEAD_MPY or head[0] != 0x4D:
        return "it is no .mpy file"
    version, sub, arch = own & 0xFF, own >> 8 & 3, own >> 10 & 15
    its_arch = head[2] >> 2 & 15
    its_sub = head[2] & 3
    if head[1] != version or (its_arch and its_sub != sub):
        return "it has format %d.%d, this firmware loads %d.%d" % (head[1], its_sub, version, sub)
    # Thumb cores run the code of their smaller relatives: armv6m (4) up to armv7emdp (8).
    if its_arch and its_arch != arch and not 4 <= its_arch <= arch <= 8:
        return "it is for architecture %d, this board has %d" % (its_arch, arch)
    if head[3] > small_int_bits:
        return "it has integers of %d bits, this firmware %d" % (head[3], small_int_bits)
    return None
