"""Reading the live file system: digests, room, what is where. Nothing here writes."""

import asyncio
import hashlib
import os
from binascii import hexlify
from micropython import const

from ota import names
from ota.errors import Refused

_CHUNK = const(1024)  # the cache size of VfsLfs2 on rp2: larger reads gain nothing
_DIR = const(0x4000)
_INLINE = const(512)  # up to here a file lives inside its directory
# Blocks that littlefs may need beside a file: a pair to split its folder into, and one more.
_SPARE_BLOCKS = const(3)
_USABLE = const(4084)  # of a 4096-byte block, after the pointers that chain them

#: All costs are in sixteenths of a block, so that small files can be added up.
UNIT = 16
#: A directory is a pair of blocks.
DIRECTORY = 32
#: Room in directories for the name of one more file (measured: 40 bytes and its share of pages).
ENTRY = 1
#: Never planned away: directories that split and compact while files move between them.
RESERVE = 96


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


async def digest(source, buf=None):
    """Return the SHA-256 (64 hex) of what is left of the open file *source*.

    Other tasks run in between. Raises OSError.
    """
    step = None
    for step in hash_steps(source, buf):
        await asyncio.sleep_ms(0)
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
        return "folder" if os.stat(names.real(path))[0] & _DIR else "file"
    except OSError:
        return None


def companion(path):
    """Return the other form of a module, `.py` or `.mpy`, or None for other files."""
    if path.endswith(".mpy"):
        return path[:-3] + "py"
    if path.endswith(".py"):
        return path[:-2] + "mpy"
    return None


def join(folder, name):
    """Return the path of *name* in *folder*."""
    return folder + name if folder == "/" else folder + "/" + name


def entries(folder):
    """Yield (name, is_dir, size) of *folder*; sizes of folders are 0.

    Names that no request can spell are those of names.shown().
    """
    if folder == "/":
        # What is mounted below it, such as an SD card, has three values in the listing of "/".
        found = os.ilistdir(folder)
        while True:
            try:
                entry = next(found)
            except UnicodeError:
                continue
            except StopIteration:
                break
            if len(entry) == 3:
                yield entry[0], True, 0
        folder = "/."  # of which there are bytes for bytes, as of any other: a name may be no text
    for entry in os.ilistdir(names.real(folder)):
        is_dir = entry[1] == _DIR
        yield names.shown(entry[0]), is_dir, 0 if is_dir or len(entry) < 4 else entry[3]


def no_space(need, free):
    """Return the Refused(507) for a file that does not fit."""
    return Refused(507, "no_space/file", need, free, need=need, free=free)


def check_space(size, path):
    """Raise Refused(507) when *size* bytes do not fit at *path* beside all that is there."""
    free, _, block = space()
    at = path.find("/", 1)
    while at > 0 and kind(path[:at]):
        at = path.find("/", at + 1)
    missing = path.count("/", at) if at > 0 else 0
    need = (-(-size // block) + _SPARE_BLOCKS + 2 * missing) * block
    if need > free:
        raise no_space(need, free)


def check_room(need):
    """Raise Refused(507) unless *need* sixteenths of a block of the flash are free."""
    free, _, block = space()
    need = (need + UNIT - 1) // UNIT * block
    if free < need:
        raise Refused(507, "no_space/update", need, free, need=need, free=free)


def walk(top):
    """Yield (path, size) of every file below *top*, without recursion."""
    pending = [top]
    while pending:
        folder = pending.pop()
        for name, is_dir, size in entries(folder):
            path = join(folder, name)
            if is_dir:
                pending.append(path)
            else:
                yield path, size


def cost(size):
    """Return what a file of *size* bytes takes, in sixteenths of a block.

    Inline files cost about 6 times their size, since a directory is a pair of blocks and hardly
    half full (measured, 300 files in one: 100 bytes 0.19 block, 300 bytes 0.47, 500 bytes 0.76).
    """
    if size <= _INLINE:
        return ENTRY + (size * 12 + _INLINE - 1) // _INLINE
    return (size + _USABLE - 1) // _USABLE * UNIT + ENTRY


def freed(size):
    """Return what removing such a file gives back at least, in sixteenths of a block."""
    return size // 4096 * UNIT


def found(path, wants_dir):
    """Return the kind of what is at *path*. Raises Refused: 404, and 409 for no folder."""
    here = kind(path)
    if here is None:
        raise Refused(404, "not_found/file", path)
    if wants_dir and here == "file":
        raise not_directory(path)
    return here


def not_directory(path):
    """Return the Refused for *path*, which is a file where a folder is meant."""
    return Refused(409, "not_directory/target", path)


def is_named(text, digest):
    """Return True when *text*, the value of If-Match or If-None-Match, names this state.

    *digest* is the SHA-256 of what is there (64 hex), None when there is nothing. Raises
    Refused(400) when *text* is empty.
    """
    if not text:
        raise Refused(400, "bad_header/tag")
    if digest is None:
        return False
    for tag in text.split(","):
        tag = tag.strip(" \t")
        if tag == "*" or (tag[2:] if tag[:2] == "W/" else tag).strip('"') == digest:
            return True
    return False
