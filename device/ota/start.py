"""What the board starts with, `boot.py` and the guard: would a new one start?"""

import os
import sys
from micropython import const

from ota.errors import Refused

_MAX_START = const(32768)  # it is read and compiled whole
_TRIED = "/.g"
_FILE = (0x8000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
# What a start takes of the guard, and the service first of all.
_GUARD_HAS = ("run", "load", "save", "restart", "supervisor")


def check(path, content):
    """Raise Refused(422) if *content* would not start as *path*, one of paths.STARTS.

    *content* is the path of the file that is to be *path*. A boot.py that cannot be compiled would
    not even call the guard, and a guard that cannot be imported would undo nothing.
    """
    if os.stat(content)[6] > _MAX_START:
        raise Refused(422, "boot_too_large", path, _MAX_START)
    try:
        if path == "/boot.py":
            _check_boot(path, content)
        else:
            _check_guard(path, content)
    except Refused:
        raise
    except Exception as error:
        if isinstance(error, MemoryError):
            raise
        raise Refused(422, "boot_syntax", path, error)


def _check_boot(path, content):
    with open(content) as file:
        text = file.read()
    if not guard_first(text.replace("\r", "\n").split("\n")):  # both end a line
        raise Refused(422, "boot_without_guard")
    compile(text, path, "exec")


def _check_guard(path, content):
    """Import what is to be the guard: importing it does nothing yet."""
    import vfs

    vfs.mount(_Tried(path[path.rfind(".") :], content), _TRIED)
    sys.path.insert(0, _TRIED)
    try:
        guard = __import__("ota_boot_tried")
        for name in _GUARD_HAS:
            getattr(guard, name)
        guard.load()
    finally:
        sys.path.remove(_TRIED)
        sys.modules.pop("ota_boot_tried", None)
        vfs.umount(_TRIED)


class _Tried:
    """A file system with one module, a staged file under another name."""

    def __init__(self, kind, content):
        self._kind = kind
        self._content = content

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def stat(self, path):
        if path != "/ota_boot_tried" + self._kind:
            raise OSError(2)
        return _FILE

    def open(self, path, mode):
        return open(self._content, mode)


def guard_first(text):
    """Return True if *text*, a line iterator over boot.py, calls the guard before all else."""
    wanted = ["import ota_boot", "ota_boot.run()"]
    for line in text:
        code = line.split("#", 1)[0].replace(";", " ; ").split()
        while code:
            if code[0] == ";":
                code.pop(0)
                continue
            words = wanted[0].split()
            if code[: len(words)] != words:
                return False
            code = code[len(words) :]
            if code and code[0] != ";":
                return False
            wanted.pop(0)
            if not wanted:
                return True
    return False
