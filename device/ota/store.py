"""One file replaced at once: written aside, checked, renamed over the old one."""

import asyncio
import hashlib
import os
from binascii import hexlify
from micropython import const

from ota import flash, load
from ota.errors import Refused
from ota.paths import PRIVATE

_INCOMING = PRIVATE + "/incoming"
# Blocks that littlefs may need beside the data: a pair to split the folder into, and one more.
_SPARE_BLOCKS = const(3)
_EEXIST = const(17)
_ENOSPC = const(28)


def no_space(need, free):
    """Return the Refused for *need* bytes where *free* are left."""
    return Refused(507, "no_space/file", need, free, need=need, free=free)


def check_target(path):
    """Raise Refused(409) where *path* cannot be a file: a folder, or below a file."""
    if flash.kind(path) == "folder":
        raise Refused(409, "is_directory/target", path)
    check_parents(path)


def check_parents(path):
    """Raise Refused(409) when something above *path* is a file."""
    at = path.find("/", 1)
    while at > 0:
        parent = path[:at]
        kind = flash.kind(parent)
        if kind is None:
            return
        if kind == "file":
            raise not_directory(parent)
        at = path.find("/", at + 1)


def not_found(path):
    """Return the Refused for a *path* with nothing at it."""
    return Refused(404, "not_found/file", path)


def not_directory(path):
    """Return the Refused for a file at *path* where a folder was expected."""
    return Refused(409, "not_directory/target", path)


def check_space(size, path):
    """Raise Refused(507) when *size* bytes at *path* do not fit beside all that is there."""
    free, _, block = flash.space()
    need = (-(-size // block) + _SPARE_BLOCKS + 2 * _missing_folders(path)) * block
    if need > free:
        raise no_space(need, free)


def _missing_folders(path):
    at = path.find("/", 1)
    while at > 0 and flash.kind(path[:at]):
        at = path.find("/", at + 1)
    return path.count("/", at) if at > 0 else 0


async def digest(path, buf):
    """Return the SHA-256 (64 hex) of the live file, letting other tasks run in between."""
    step = None
    for step in flash.digest_steps(path, buf):
        await asyncio.sleep_ms(0)
    return step


def make_folders(path):
    """Make the folders above *path* that are missing. Raises OSError.

    The guard has a function like this and imports nothing of ours; to borrow its would cost 10 KB
    of heap for every upload.
    """
    at = path.find("/", 1)
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError as error:
            if error.errno != _EEXIST:
                raise
        at = path.find("/", at + 1)


async def copy(source, target, buf):
    """Make *target* a copy of the file *source*, in one step. Raises Refused(507)."""
    check_space(os.stat(source)[6], target)
    view = memoryview(buf)
    incoming = Incoming(target)
    try:
        with open(source, "rb") as file:
            while True:
                count = file.readinto(view)
                if not count:
                    break
                incoming.write(view[:count])
                await asyncio.sleep_ms(0)
        incoming.publish(None)
    finally:
        incoming.drop()


def remove_tree(top):
    """Remove *top* and all below it, without recursion; yield after each removal.

    The first entry is looked up anew each time: removing while a listing is under way makes
    littlefs skip names.
    """
    from ota import tree

    stack = [top]
    while stack:
        folder = stack[-1]
        for name, is_dir, _ in tree.entries(folder):
            path = tree.join(folder, name)
            if is_dir:
                stack.append(path)
            else:
                os.remove(path)
            break
        else:
            os.rmdir(stack.pop())
        yield None


class Incoming:
    """A file on its way. Use `write`, then `publish`; `drop` in any other case."""

    def __init__(self, path):
        self._path = path
        self._sha = hashlib.sha256()
        self.received = 0
        make_folders(_INCOMING)
        self._file = open(_INCOMING, "wb")

    def write(self, view):
        """Add the bytes of memoryview *view*. Raises Refused(507) when the flash is full."""
        self._sha.update(view)
        try:
            self._file.write(view)
        except OSError as error:
            raise self._full(error)
        self.received += len(view)

    def publish(self, expected):
        """Make the file live in one step and return its SHA-256 (64 hex).

        *expected* is the digest to compare with, or None. Raises Refused(422) when it differs, or
        when the board would not start with it.
        """
        found = hexlify(self._sha.digest()).decode()
        if expected is not None and found != expected:
            raise Refused(422, "digest_mismatch/body", expected=expected, found=found)
        # Renaming a file that is still open for writing would lose data without an error.
        file, self._file = self._file, None
        try:
            file.close()
        except OSError as error:
            raise self._full(error)
        if self._path == "/boot.py":
            load("start").check(self._path, _INCOMING)
        make_folders(self._path)
        os.rename(_INCOMING, self._path)
        return found

    def drop(self):
        """Forget the file; harmless after publish."""
        if self._file:
            try:
                self._file.close()
            except OSError:
                pass  # on a full flash closing fails too; what it would have kept is not wanted
            self._file = None
        if flash.kind(_INCOMING):
            os.remove(_INCOMING)

    def _full(self, error):
        if error.errno != _ENOSPC:
            return error
        return no_space(self.received, flash.space()[0])
