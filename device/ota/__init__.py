"""The rooms behind `service_ota`: one subject each, loaded only when needed."""

import gc
import os
import sys

__version__ = "0.1.0"

#: The password of the specification, in use until somebody changes it.
DEFAULT_PASSWORD = "otapico"

#: Where and how to leave a word for the guard's next start, see ota/mark.py; None without guard.
marks = None

#: Staged files that are open, see ota/staging.py. They are kept here, where they outlive that
#: module: a second handle on a file that is open would put the older content back when the first
#: one is closed.
writers = {}
#: (plan, id) of the update that is being staged, None when nobody has looked; see ota/session.py.
staged = None

_RESIDENT = ("listener", "log")


#: Where all modules are in one file, see src/pico_ota/rooms.py; mip installs each as its own.
PACK = "/ota/rooms.pack"


_FILE = (0x8000, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class _Rooms:
    """A file system of the modules in PACK: only to import from."""

    def mount(self, readonly, mkfs):
        pass

    def ilistdir(self, path):
        return iter(())  # os.listdir("/") shows a mount: who goes through all finds it empty

    def stat(self, path):
        if path == "/":
            return (0x4000,) + _FILE[1:]
        if not path.endswith(".mpy"):
            raise OSError(2)
        try:
            _open(path).close()
        except MemoryError:
            pass  # an import would take it for a missing file; it opens it next, which says so
        return _FILE

    def open(self, path, mode):
        return _open(path)

    def __getattr__(self, name):
        raise OSError(30)  # EROFS: chdir, statvfs, remove and what else a file system may do


def _open(path):
    """Return the file PACK where the module *path* begins. Raises OSError."""
    wanted = b"%s " % path[1:]
    file = open(PACK, "rb")
    for line in file:
        if line.startswith(wanted):
            file.seek(int(line.split(b" ")[1]))
            return file
        if line == b"\n":
            break
    file.close()
    raise OSError(2)


def load(*names):
    """Import the modules *names* of this package, in this order, and return the last.

    An import inside of an import takes 700 bytes of C stack (ports/rp2: 7936 in all), and a
    request is answered deep down: so each one comes after what it imports itself.
    """
    module = None
    for name in names:
        module = __import__("ota." + name, None, None, ("__name__",))
    return module


def call(names, function, *args):
    """Import the modules *names*, and return what *function* of the last returns for *args*.

    In a frame of its own, since a frame keeps alive what was last on its stack: a coroutine that
    called a function itself would hold the whole module after let_go().
    """
    return getattr(load(*names), function)(*args)


def let_go(*names):
    """Free the modules *names* of this package; without names, all but the resident ones.

    The next import loads them anew. Code that is still running keeps what it uses.
    """
    package = sys.modules["ota"]
    for full in list(sys.modules):
        if not full.startswith("ota."):
            continue
        name = full[4:]
        if name in names or (not names and name not in _RESIDENT):
            del sys.modules[full]
            if hasattr(package, name):
                delattr(package, name)
    if not names:
        close_writers()
        let_guard_go()
    gc.collect()


def let_guard_go():
    """Free the guard, unless it supervises a trial: its work is done at the start."""
    guard = sys.modules.get("ota_boot")
    if guard is not None and guard.supervisor is None:
        del sys.modules["ota_boot"]
        import __main__  # which boot.py and main.py share; it is not in sys.modules

        if getattr(__main__, "ota_boot", None) is guard:
            del __main__.ota_boot


def close_writers():
    """Close what is left open of staged files, so that nothing of it is lost."""
    global staged
    staged = None
    while writers:
        writers.popitem()[1].abandon()


if isinstance(__path__, str) and __path__[0] != "/":  # CPython has a list
    __path__ = "/" + __path__  # an application may change the directory
try:
    import vfs

    if __file__.endswith(".mpy"):  # a source comes with sources: the pack is of another release
        os.stat(PACK)
    else:
        raise OSError(2)
    __path__ = "/.r"  # short, since each import keeps it; see ota/paths.py
    vfs.mount(_Rooms(), __path__)
    del vfs
except (ImportError, OSError):
    pass  # each is a file of its own (or this is CPython), or it is mounted since the first time
del os
