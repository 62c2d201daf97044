"""Run one test function on MicroPython: `main()`; and what the functions share.

The flash is a file of the host behind a block device that allocates nothing: littlefs is also
called by the garbage collector, for files that nobody has closed, when nothing can be allocated.
"""

import asyncio
import os
import sys
import vfs

BLOCKS = 212
PERIOD = 1 << 30  # of ticks_ms() on a board, twelve days; here it is longer
_BLOCK = 4096


class Disk:
    """A Pico W's file system on a file of the host, which can be cut off in any operation."""

    def __init__(self, path):
        self._file = open(path, "w+b")
        self._blank = b"\xff" * _BLOCK
        for _ in range(BLOCKS):
            self._file.write(self._blank)
        self.operations = 0
        self.cut_at = -1

    def readblocks(self, block, buf, offset=0):
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=0):
        if self._count():
            self._file.seek(block * _BLOCK + offset)
            self._file.write(buf)

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return _BLOCK
        if op == 6 and self._count():
            self._file.seek(arg * _BLOCK)
            self._file.write(self._blank)
        return 0

    def _count(self):
        # After the cut nothing reaches the flash any more; who writes does not get to know.
        self.operations += 1
        return self.cut_at < 0 or self.operations < self.cut_at


class Clock:
    """Stands for the module time: that of a board with 32 bits."""

    now = 0

    @staticmethod
    def ticks_ms():
        return Clock.now % PERIOD

    @staticmethod
    def ticks_diff(end, start):
        return (end - start + PERIOD // 2) % PERIOD - PERIOD // 2


disk = None


def mount():
    """Mount the flash at `/`, as after a restart."""
    vfs.umount("/")
    vfs.mount(vfs.VfsLfs2(disk, progsize=256), "/")


def write(path, data):
    """Write a file with its parents."""
    at = path.find("/", 1)
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass
        at = path.find("/", at + 1)
    with open(path, "wb") as target:
        target.write(data)


def read(path):
    """Return the content of a file, None when there is none."""
    try:
        with open(path, "rb") as source:
            return source.read()
    except OSError:
        return None


def tree(top="/"):
    """Return {path: content} of all files."""
    found = {}
    pending = [top]
    while pending:
        folder = pending.pop()
        for entry in os.ilistdir(folder):
            path = (folder if folder != "/" else "") + "/" + entry[0]
            if path in ("/device", "/scripts"):
                continue
            if entry[1] == 0x4000:
                pending.append(path)
            else:
                found[path] = read(path)
    return found


def fill(leave=0):
    """Fill the flash until *leave* blocks are free."""
    with open("/filler", "wb") as target:
        block = b"f" * 4096
        while os.statvfs("/")[3] > leave:
            try:
                target.write(block)
                target.flush()
            except OSError:
                break


def raises(kind, function, *args):
    """Call *function* and return the exception of *kind* that it raises."""
    try:
        result = function(*args)
        if hasattr(result, "send"):
            result = asyncio.run(result)
    except kind as error:
        return error
    raise AssertionError("nothing was raised, it returned %r" % (result,))


def refused(status, word, function, *args):
    """Assert that *function* raises this Refused with a message; return it."""
    from ota.errors import Refused

    error = raises(Refused, function, *args)
    assert (error.status, error.word) == (status, word), (error.status, error.word, error.message)
    assert len(error.message) > 15, error.message
    return error


class Network:
    """Stands for the module network of a board that is not joined."""

    STA_IF = 0

    @staticmethod
    def WLAN(interface):
        return None

    @staticmethod
    def hostname():
        return None


def main(here, device, image, script, name):
    """Run the function *name* of *script*."""
    global disk
    disk = Disk(image)
    vfs.VfsLfs2.mkfs(disk, progsize=256)
    mount()
    vfs.mount(vfs.VfsPosix(here), "/scripts")
    vfs.mount(vfs.VfsPosix(device), "/device")
    os.chdir("/")
    sys.path[:] = ["", "/device", "/scripts", ".frozen"]
    sys.modules["network"] = Network
    disk.operations = 0
    result = getattr(__import__(script), name)()
    if hasattr(result, "send"):
        asyncio.run(result)
    print("passed")
