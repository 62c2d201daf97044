"""The rooms behind `service_ota`: one subject each, loaded only when needed."""

import gc
import sys

__version__ = "0.1.0"

#: The password of the specification, in use until somebody changes it.
DEFAULT_PASSWORD = "otapico"

#: Where and how to leave a word for the guard's next start, see ota/mark.py; None without guard.
marks = None

_RESIDENT = ("listener", "log")


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
        _let_guard_go()
    gc.collect()


def _let_guard_go():
    guard = sys.modules.get("ota_boot")
    # Its work is done at the start; only the supervision of a trial lives on in it.
    if guard is None or guard.supervisor is not None:
        return
    for writer in list(guard.writers.values()):
        writer.abandon()  # else its file would be closed, or closed over another, at any time
    del sys.modules["ota_boot"]
    import __main__  # which boot.py and main.py share; MicroPython has it not in sys.modules

    if getattr(__main__, "ota_boot", None) is guard:
        del __main__.ota_boot
