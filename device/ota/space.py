"""How much flash a file takes on littlefs, and the check before the first byte."""

from micropython import const

from ota.errors import Refused
from ota.flash import kind, space

_INLINE = const(512)  # up to here a file lives inside its directory
_USABLE = const(4084)  # of a 4096-byte block, after the pointers that chain them

#: All costs are in sixteenths of a block, so that small files can be added up.
UNIT = const(16)
#: A directory is a pair of blocks.
DIRECTORY = const(32)
#: Room in directories for the name of one more file (measured: 40 bytes and its share of pages).
ENTRY = const(1)
#: Never planned away: directories that split and compact while files move between them.
RESERVE = const(96)


def cost(size):
    """Return what a file of *size* bytes takes, in sixteenths of a block.

    Inline files cost about 6 times their size, since a directory is a pair of blocks and hardly
    half full (measured, 300 files in one: 100 bytes 0.19 block, 300 bytes 0.47, 500 bytes 0.76).
    """
    if size <= _INLINE:
        return ENTRY + (size * 12 + _INLINE - 1) // _INLINE
    return (size + _USABLE - 1) // _USABLE * UNIT + ENTRY


def freed(size):
    """Return what removing such a file gives back at least."""
    return size // 4096 * UNIT


def check(need):
    """Raise Refused(507) unless *need* sixteenths of a block are free."""
    free, _, block = space()
    for folder in ("/.ota/new", "/.ota/old"):
        if kind(folder) != "folder":
            need += DIRECTORY
    need = (need + 15) // 16 * block
    if free < need:
        raise Refused(507, "no_space/update", need, free, need=need, free=free)
