"""Reading the live file system: digests, free space, what is where. Nothing here writes."""

import hashlib
import os
from binascii import hexlify
from micropython import const

_CHUNK = const(1024)  # the cache size of VfsLfs2 on rp2: larger reads gain nothing
_DIR = const(0x4000)


def digest_steps(path, buf=None):
    """Hash the file at *path*: yield None after each chunk, and its SHA-256 (64 hex) at the end.

    *buf* is a bytearray to read into. Raises OSError when the file cannot be read.
    """
    with open(path, "rb") as source:
        yield from hash_steps(source, buf)


def hash_steps(source, buf=None):
    """Hash what is left of the open file *source*; see digest_steps()."""
    sha = hashlib.sha256()
    view = memoryview(buf if buf is not None else bytearray(_CHUNK))
    while True:
        count = source.readinto(view)
        if not count:
            break
        sha.update(view[:count])
        yield None
    yield hexlify(sha.digest()).decode()


def digest(path, buf=None):
    """Return the SHA-256 of the file at *path* as 64 hex digits; see digest_steps()."""
    step = None
    for step in digest_steps(path, buf):
        pass
    return step


def space():
    """Return (free, total, block) of the file system at `/`, all in bytes.

    littlefs can report a negative or wrapped-around free count when full: that reads as 0.
    """
    stat = os.statvfs("/")
    block, blocks, free = stat[0], stat[2], stat[3]
    if free < 0 or free > blocks:
        free = 0
    return free * block, blocks * block, block


def kind(path):
    """Return "file", "folder", or None when there is nothing at *path*."""
    try:
        return "folder" if os.stat(path)[0] & _DIR else "file"
    except OSError:
        return None


def companion(path):
    """Return the other form of a module, `.py` or `.mpy`, or None for other files."""
    if path.endswith(".mpy"):
        return path[:-3] + "py"
    if path.endswith(".py"):
        return path[:-2] + "mpy"
    return None
