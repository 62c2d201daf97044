"""The process of the simulated board: prepares a POSIX process, then becomes MicroPython.

Run as `python -I -S child.py PARAMETERS`, with a JSON object in one argument: it starts in some
50 ms, because nothing outside of the standard library is imported but MicroPython itself.
"""

import ctypes
import json
import mmap
import os
import resource
import signal
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Never returns while the board lives."""
    given = json.loads(sys.argv[1])
    _die_with_parent(given["parent"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a program that crashes leaves no file
    # An alarm only has to end a blocking system call: then MicroPython looks for callbacks. Those
    # that can be restarted must be: the garbage collector waits for a semaphore and does not look
    # at what it got. poll(), select() and nanosleep() end all the same, sockets see _socket.py.
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the supervisor
    registers = mmap.mmap(given["registers"], 0)
    # Private, so that ctypes may have it: it wants something that can be written.
    rom = mmap.mmap(given["rom"], 0, mmap.MAP_PRIVATE)
    code = (
        "import sys, uctypes, vfs; "
        f"vfs.mount(vfs.VfsRom(uctypes.bytearray_at({_address(rom)}, {len(rom)})), '/rom'); "
        "sys.path[:] = ['/rom']; import _chip; "
        f"_chip.attach({_address(registers)}, {given['flash']}, {given['wire']}); "
        "import _rom; _rom.start()"
    )
    options = ["-X", f"heapsize={given['heap']}"] if given["heap"] else []
    spec = spec_from_file_location(
        "micropython_run",
        given["engine"],
        loader=ExtensionFileLoader("micropython_run", given["engine"]),
    )
    assert spec is not None
    assert spec.loader is not None
    engine = module_from_spec(spec)
    spec.loader.exec_module(engine)
    sys.exit(engine.run_main(["micropython", *options, "-c", code]))


def _address(mapping: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


def _die_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was quicker
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
