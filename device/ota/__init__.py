"""What is in memory, and when: the modules of the updater are loaded in phases.

A request belongs to a phase: the modules that one kind of request needs. `use()` unloads what the
phase before has loaded and imports the next one. It is called by the router (ota/server.py), and
where an update goes from verifying to planning to taking files (ota/updates.py); inside of a
phase each module imports at its top what it needs.
"""

import gc
import sys

__version__ = "0.2.0"

#: The password of the specification, in use until somebody changes it.
DEFAULT_PASSWORD = "otapico"

#: The Chip (ota/chip.py) that knows why the board restarted; None where no guard ran.
chip = None
#: How many requests are being answered: a phase is only unloaded for the only one.
busy = 0

#: Where `pico-ota install` has put all modules into one file; mip installs each as its own.
PACK = "/ota/modules.pack"

# What stays until nobody is connected any more, and what stays even then.
_SERVING = " server connection request access digest errors "
_RESIDENT = " listener console chip fleet "
# Modules of the firmware that a file of the application may be called like (micropython-lib
# extends built-in modules that way). asyncio is not among them: there is one loop for all.
_EXTENSIBLE = (
    "binascii",
    "errno",
    "hashlib",
    "io",
    "json",
    "machine",
    "network",
    "os",
    "random",
    "re",
    "rp2",
    "select",
    "socket",
    "struct",
    "time",
    "vfs",
)

_phase = None
_first = ""  # what the phase needs with which the request began


def firmware(name):
    """Return the firmware's own module *name*, whatever file is called like it.

    Raises ImportError.
    """
    return _import(name)


def load(name):
    """Return the module *name* of this package. Raises ImportError, MemoryError."""
    full = "ota." + name
    if full not in sys.modules:
        # First what it imports: an import inside of an import takes 700 bytes of the C stack.
        for other in _imports(name):
            if "ota." + other not in sys.modules:
                _import("ota." + other)
    return _import(full)


def once(name, function, *args):
    """Return what *function* of the module *name* returns for *args*, loaded for this moment.

    Raises ImportError, MemoryError, and what *function* raises.
    """
    known = _loaded()
    try:
        return getattr(load(name), function)(*args)
    finally:  # half an import, when memory ran out, has to go as well
        _unload(known)


def use(name, goes_on=False):
    """Return the module *name*, the entry of a phase, after unloading that of another phase.

    Where a request *goes_on* from phase to phase, what its first one needs stays: it is still at
    work, and would be loaded a second time. None only ends the phase. Raises ImportError,
    MemoryError.
    """
    global _phase, _first
    if name != _phase:
        needed = "%s %s " % (name, " ".join(_imports(name))) if name else ""
        if not goes_on:
            _first = needed
        if busy <= 1:
            _unload_guard()
            _unload(_SERVING + _RESIDENT + _first + needed)
        _phase = name
    return name and load(name)


def unload():
    """Free every module of this package that is not resident; the next import loads it anew.

    Code that is still running keeps what it uses.
    """
    global _phase, _first
    _phase, _first = None, ""  # what is left where modules were would part the free heap in two
    _unload_guard()
    _unload(_RESIDENT)


def _loaded():
    """Return the names of the modules of this package that are loaded, as one text."""
    return " %s " % " ".join([full[4:] for full in sys.modules if full.startswith("ota.")])


def _unload(but):
    modules, package = sys.modules, sys.modules["ota"]
    for full in list(modules):
        # No slice of any other: each new text is looked up among all names there are.
        name = full[4:] if full.startswith("ota.") else None
        if name and " %s " % name not in but:
            # First nothing, since MicroPython leaves the value of a deleted entry where it was.
            modules[full] = None
            del modules[full]
            if hasattr(package, name):
                setattr(package, name, None)
                delattr(package, name)
    gc.collect()


def _unload_guard():
    guard = sys.modules.get("ota_boot")
    # The guard has done its work at the start, unless it supervises a trial.
    if guard is not None and guard.supervisor is None:
        sys.modules["ota_boot"] = None
        del sys.modules["ota_boot"]
        import __main__  # which boot.py and main.py share; it is not in sys.modules

        if getattr(__main__, "ota_boot", None) is guard:
            __main__.ota_boot = None
            del __main__.ota_boot


def _import(name):
    """Import *name* while only the firmware's own modules can be found beside ours."""
    path, modules = sys.path[:], sys.modules
    hidden = []
    for other in _EXTENSIBLE:
        # The firmware's own are not files.
        if hasattr(modules.get(other), "__file__"):
            hidden.append((other, modules.pop(other)))
    sys.path[:] = (".frozen",)
    try:
        return __import__(name, None, None, ("__name__",))
    except Exception:
        # Half a module has gone from there already, but stays alive in its place; see _unload().
        modules[name] = None
        del modules[name]
        raise
    finally:
        sys.path[:] = path
        for other, module in hidden:
            modules[other] = module


_PACKED = "/.r"  # short, since each import keeps it; see ota/paths.py
_FILE = (0x8000, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class _Pack:
    """A file system of the modules in PACK: only to import from."""

    _found = None, None  # what stat() has opened, since an import opens it next

    def mount(self, readonly, mkfs):
        pass

    def ilistdir(self, path):
        return iter(())  # os.listdir("/") shows a mount, and a walk of everything finds it empty

    def stat(self, path):
        if path == "/":
            return (0x4000,) + _FILE[1:]
        if not path.endswith(".mpy"):
            raise OSError(2)
        # Each import takes more than a kilobyte for a moment: where that of the last one was, so
        # that the modules do not lie apart with such holes between them.
        gc.collect()
        try:
            self._found = path, _open(path)
        except MemoryError:
            pass  # an import would take it for a missing file; it opens it next, which says so
        return _FILE

    def open(self, path, mode):
        found, file = self._found
        self._found = None, None
        return file if found == path else _open(path)

    def __getattr__(self, name):
        raise OSError(30)  # EROFS: chdir, statvfs, remove and what else a file system may do


def _imports(name):
    """Return the modules that *name* imports, in their order: as PACK says, if there is one."""
    if __path__ != _PACKED:
        return ()
    try:
        file, line = _look_up("/%s.mpy" % name)
    except OSError:
        return ()  # the import says so
    file.close()
    return line.decode().split()[3:]


def _open(path):
    """Return the file PACK where the module *path* begins. Raises OSError."""
    file, line = _look_up(path)
    file.seek(int(line.split(b" ")[1]))
    return file


def _look_up(path):
    """Return the file PACK and its line for a module; see src/pico_ota/pack.py. Raises OSError."""
    wanted = b"\n%s " % path[1:]
    file = open(PACK, "rb")
    text = b"\n"
    while True:
        # In pieces, since readline() asks littlefs for byte after byte.
        piece = file.read(256)
        text += piece
        last = text.find(b"\n\n")
        at = text.find(wanted) if last < 0 else text.find(wanted, 0, last + 1)
        end = text.find(b"\n", at + 1)
        if 0 <= at < end:
            return file, text[at + 1 : end]
        if last >= 0 or not piece:
            break
        text = text[text.rfind(b"\n") :]
    file.close()
    raise OSError(2)


def _mount():
    """Have the modules found in PACK, where there is one."""
    global __path__
    if __path__[0] != "/":
        __path__ = "/" + __path__  # an application may change the directory
    if not __file__.endswith(".mpy"):
        return  # a source comes with sources: a pack would be of another release
    try:
        firmware("os").stat(PACK)
        mount = firmware("vfs").mount
    except (ImportError, OSError):
        return
    __path__ = _PACKED
    try:
        mount(_Pack(), __path__)
    except OSError:
        pass  # it is there since the first time


_mount()
