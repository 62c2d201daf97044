"""The plan: what an update does, one line a file, so that memory does not grow with it.

`/.ota/plan` is text. Each line ends in a newline and has five fields, parted by one space:

    <kind> <name> <size> <sha256> <path>

*kind* is one letter; a capital one means that the file lies directly in `/`, where what is
replaced is kept by copy, since nothing may ever be moved out of `/`:

    a A   a file that is added
    r R   a file that replaces one
    d D   a file that is deleted, also the `foo.py` that a `foo.mpy` retires, and the reverse
    m     a directory that is made; stands before the files in it
    x X   a directory that goes, with empty ones below it, since its last file is deleted
    =     a file of the manifest that is live already
    -     a file to be deleted that is not there

*name* is what the staged (`/.ota/new/<name>`) and the kept file (`/.ota/old/<name>`) are called:
the number of the entry in the manifest, from 000 (in name order, so that the directories that
littlefs chains run empty one after the other), "<number>p" for a file retired by that entry, "m"
or "x" and a number for directories. *size* and *sha256* (64 hex digits) are those of the new
file, "-" for d, m and x. *path* is the rest of the line and may contain spaces. The record holds
the digest of the whole file; a plan that does not match it is not used.
"""

import hashlib
from micropython import const

#: Where it is put together; the guard knows it under the same name.
DRAFT = "/.ota/draft"

_BYTES = const(1024)  # of bits at most; of a thousand paths, eight are looked up for nothing


def line(kind, name, size, sha, path):
    """Return one line of a plan as bytes."""
    return ("%s %s %s %s %s\n" % (kind, name, size, sha, path)).encode()


def in_root(path):
    """Return True for what lies directly in `/`."""
    return path.rfind("/") == 0


def parent(path):
    """Return the directory that *path* is in."""
    return path[: path.rfind("/")] or "/"


class Seen:
    """A set of paths in constant memory that may err by saying yes, never by saying no."""

    def __init__(self, count=_BYTES):
        """*count* is how many paths may come, if that is known."""
        self._bits = bytearray(min(_BYTES, 64 + 4 * count))

    def add(self, key):
        """Enter *key*, and return False if it surely was not in before."""
        before = True
        digest = hashlib.sha256(key.encode()).digest()
        for at in (0, 2, 4, 6):
            bit = (digest[at] << 8 | digest[at + 1]) % (len(self._bits) * 8)
            mask = 1 << (bit & 7)
            if not self._bits[bit >> 3] & mask:
                before = False
                self._bits[bit >> 3] |= mask
        return before

    def __contains__(self, key):
        digest = hashlib.sha256(key.encode()).digest()
        for at in (0, 2, 4, 6):
            bit = (digest[at] << 8 | digest[at + 1]) % (len(self._bits) * 8)
            if not self._bits[bit >> 3] & 1 << (bit & 7):
                return False
        return True


def find(plan, path, kinds):
    """Return the line of *path* in the file *plan* whose kind is in *kinds*, or None."""
    with open(plan, "rb") as file:
        for text in file:
            entry = text[:-1].decode().split(" ", 4)
            if entry[4] == path and entry[0] in kinds:
                return entry
    return None
