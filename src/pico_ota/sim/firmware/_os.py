"""`os` as the board has it: `uname` and `sync` are there, the host's environment is not."""

import io
import os as _host
from sys import print_exception, stdout

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
    fields = "sysname nodename release version machine"
    machine = sys.implementation._machine
    return namedtuple("uname", fields)("rp2", "rp2", version, sys.version, machine)


_print = print
_write = stdout.buffer.write


class _Console(io.IOBase):
    # `sys.stdout` and `sys.stderr`, with `stream` as second end. Allocates nothing for bytes: the
    # heap may be full. `mode` is 1 where a line of a traceback has begun, 2 where it is one of the
    # simulator's own, which the board has not; both in the pieces that MicroPython prints.

    def write(self, data):
        if isinstance(data, str):
            data = data.encode()
        _write(data)
        if self.stream is not None and data:
            try:
                if self.mode == 1:
                    self.mode = 2 if data == b"<rom>" else 0
                    if not self.mode:
                        self.stream.write(b'  File "')
                if data == b'  File "':
                    self.mode = 1
                elif not self.mode:
                    self.stream.write(b"\r\n" if data == b"\n" else data)
                elif data[-1] == 10:
                    self.mode = 0
            except Exception:
                self.stream = None
                _print("dupterm: Exception in write() method, deactivating")
        return len(data)


_console = _Console()
_console.buffer, _console.stream, _console.mode = _console, None, 0


def dupterm(stream, index=0):
    """Copy the console to *stream* (an io.IOBase), None to stop; return the one before."""
    before, _console.stream = _console.stream, stream
    return before


def _say(*args, **options):
    options["file"] = options.get("file") or _console
    _print(*args, **options)


def _tell(error, file=None):
    print_exception(error, file or _console)
