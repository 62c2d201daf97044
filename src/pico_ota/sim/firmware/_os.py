"""`os` as the board has it: `uname` and `sync` are there, the host's environment is not."""

import io
import os as _host
from sys import print_exception as _print_exception
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
_print = print
_write = stdout.buffer.write


def dupterm(stream, index=0):
    """Copy the console to *stream* (an io.IOBase), None to stop; return the one before."""
    global _second
    before, _second = _second, stream
    return before


class _Console(io.IOBase):
    # `sys.stdout` and `sys.stderr`. Allocates nothing for bytes: the heap may be full.

    def write(self, data):
        global _second
        if isinstance(data, str):
            data = data.encode()
        _write(data)
        if _second is not None and data:
            try:
                _second.write(b"\r\n" if data == b"\n" else data)
            except Exception:
                _second = None
                _print("dupterm: Exception in write() method, deactivating")
        return len(data)


_console = _Console()
_console.buffer = _console


def _say(*args, sep=" ", end="\n", file=None):
    _print(*args, sep=sep, end=end, file=file or _console)


def _tell(error, file=None):
    _print_exception(error, file or _console)
