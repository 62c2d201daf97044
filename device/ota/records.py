"""What `ota/` borrows of the guard: its record, its plan, its way with files.

The guard (ota_boot.py) imports nothing of ours and owns all that recovery needs. After the start
it is let go, and an update needs a part of it again: it is loaded for that part, and the rest
dropped at once. Where it is loaded already, as in a trial, nothing of it is touched.
"""

import sys


def borrow(*names):
    """Return the guard, without anything but *names*. Raises MemoryError."""
    known = "ota_boot" in sys.modules
    import ota_boot as guard

    # CPython, which only imports this, has more names than these: const() hides some on a board.
    if not known and sys.implementation.name == "micropython":
        for name in dir(guard):
            if name[:2] != "__" and name not in names:
                delattr(guard, name)
        del sys.modules["ota_boot"]
    return guard


# Named as the guard names them; those with an underscore are what the others use of it.
_guard = borrow(
    "DRAFT",
    "Damaged",
    "HISTORY",
    "HOME",
    "NEW",
    "OLD",
    "PLAN",
    "STATE",
    "STATES",
    "_FIELDS",
    "_decode",
    "_shorten",
    "collect",
    "copy_steps",
    "crc32",
    "digest",
    "empty",
    "exists",
    "folders",
    "hashlib",
    "hexlify",
    "ignored",
    "is_dir",
    "json",
    "lines",
    "load",
    "os",
    "plan_of",
    "remove",
    "save",
)
DRAFT = _guard.DRAFT
HISTORY = _guard.HISTORY
HOME = _guard.HOME
NEW = _guard.NEW
OLD = _guard.OLD
PLAN = _guard.PLAN
STATE = _guard.STATE
Damaged = _guard.Damaged
collect = _guard.collect
copy_steps = _guard.copy_steps
digest = _guard.digest
empty = _guard.empty
exists = _guard.exists
folders = _guard.folders
is_dir = _guard.is_dir
lines = _guard.lines
load = _guard.load
plan_of = _guard.plan_of
remove = _guard.remove
save = _guard.save


def ignored():
    """Return what load() found damaged and did not use, None when all was well."""
    return _guard.ignored


def ignore(what):
    """Say *what* was found damaged and is not used."""
    _guard.ignored = what
