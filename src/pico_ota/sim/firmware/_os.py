"""`os` as the board has it: `uname` and `sync` are there, the host's environment is not."""

import os as _host
from sys import stdout

__name__ = "os"


def __getattr__(name):
    # Of the host's module, what the board has too.
    if name in ("getenv", "putenv", "unsetenv", "system", "VfsPosix", "VfsLfs1", "errno"):
        raise AttributeError(name)
    return getattr(_host, name)


def sync():
    """Do nothing: littlefs has no write-back cache to empty."""


def uname():
    """Return the same five fields as the rp2 port."""
    import sys
    from collections import namedtuple

    version = ".".join([str(n) for n in sys.implementation.version[:3]])
    fields = ("sysname", "nodename", "release", "version", "machine")
    machine = sys.implementation._machine
    return namedtuple("uname", fields)("rp2", "rp2", version, sys.version, machine)


_second = None  # the console's second end
_write = stdout.buffer.write


def dupterm(stream, index=0):
    """Copy the console to *stream* (an io.IOBase), None to stop; return the one before.

    Copied is what the firmware itself says: the traceback of a program that ended, the prompt.
    """
    global _second
    before, _second = _second, stream
    return before


def _say(data):
    # Allocates nothing: the heap may be full.
    global _second
    _write(data)
    if _second is not None:
        try:
            _second.write(data)
        except Exception:
            _second = None
            print("dupterm: Exception in write() method, deactivating")
