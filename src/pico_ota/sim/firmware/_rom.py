"""What the board does before the application: stand-ins, `_boot.py`, boot.py, main.py, prompt."""

import builtins
import gc
import os
import sys
import time
import vfs

import _chip
from _numbers import _BOOT, _MAIN, _PROMPT, _SOFT_RESET, _STAGE

import __main__


def _install():
    # The stand-ins take the names of the board's modules; nothing of the host stays reachable.
    modules = sys.modules
    names = "machine network rp2 socket os sys".split(" ")  # noqa: SIM905 - a tuple would stay
    for name in names:
        modules[name] = __import__("_" + name)
        if hasattr(modules[name], "__file__"):
            del modules[name].__file__  # what is built into the firmware has none
    global _console
    ours = modules["os"]
    builtins.print = ours._say
    _console = ours._console
    modules["sys"].print_exception = ours._tell
    modules["sys"].stdout = modules["sys"].stderr = _console
    for name in names + ["chip", "rom", "flash"]:
        modules.pop("_" + name, None)
    modules["_rp2"] = modules["rp2"]  # the part of it that the board has in C
    for name in list(__main__.__dict__):
        if name != "__name__":
            del __main__.__dict__[name]


def _mount(flash):
    # The frozen _boot.py of the rp2 port, its reformatting of an unreadable flash included.
    vfs.umount("/rom")
    vfs.umount("/")
    try:
        fs = vfs.VfsLfs2(flash, progsize=256)
    except:  # noqa: E722
        vfs.VfsLfs2.mkfs(flash, progsize=256)
        fs = vfs.VfsLfs2(flash, progsize=256)
    vfs.mount(fs, "/")
    os.chdir("/")


def _run(path):
    # As pyexec_file_if_exists: false when it raised; SystemExit restarts MicroPython.
    try:
        os.stat(path)
    except OSError:
        return True
    try:
        __main__.__dict__["__file__"] = path
        execfile(path, __main__.__dict__)  # noqa: F821
    except SystemExit:
        _chip.halt(_SOFT_RESET)
    except BaseException as error:
        sys.print_exception(error, _console)
        return False
    return True


def start():
    """Boot; never returns."""
    global _install, _mount
    import _flash
    import _sys

    _install()
    sys.path[:] = ["", ".frozen", "/lib"]
    _mount(_flash.Flash())
    # Now, since there may be no memory left at the end.
    greeting = _sys._banner() + '\nType "help()" for more information.\n'
    banner, prompt = bytearray(greeting.encode()), bytearray(b">>> ")
    del _sys, _install, _mount, greeting  # the room is the application's
    gc.collect()
    _chip.W[_STAGE] = _BOOT
    if _run("boot.py"):
        _chip.W[_STAGE] = _MAIN
        _run("main.py")
    _chip.W[_STAGE] = _PROMPT
    _console.write(banner)
    _console.write(prompt)
    _chip.poke()
    while True:
        time.sleep(3600)  # interrupts and what they schedule still run
