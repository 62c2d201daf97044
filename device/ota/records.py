"""What `ota/` borrows of the guard: its record, its plan, its way with files.

The guard (ota_boot.py) imports nothing of ours and owns all that recovery needs. After the start
it is let go, and an update needs a third of it again: it is loaded for that third, and the rest
dropped at once. Where it is loaded already, as in a trial, nothing of it is touched.
"""

import sys

_LOADED = "ota_boot" in sys.modules

import ota_boot as guard  # noqa: E402

# What the functions below use of each other.
_KEPT = (
    "_FIELDS",
    "_decode",
    "_plain",
    "_shorten",
    "crc32",
    "hashlib",
    "hexlify",
    "ignored",
    "json",
    "os",
)

DRAFT = guard.DRAFT
HISTORY = guard.HISTORY
HOME = guard.HOME
NEW = guard.NEW
OLD = guard.OLD
PLAN = guard.PLAN
STATE = guard.STATE
STATES = guard.STATES
TRIES = guard.TRIES
Damaged = guard.Damaged
collect = guard.collect
copy_steps = guard.copy_steps
digest = guard.digest
empty = guard.empty
exists = guard.exists
folders = guard.folders
history = guard.history
is_dir = guard.is_dir
lines = guard.lines
load = guard.load
plan_of = guard.plan_of
remove = guard.remove
save = guard.save
settle = guard.settle
turn_back = guard.turn_back


def ignored():
    """Return what load() found damaged and did not use, None when all was well."""
    return guard.ignored


def ignore(what):
    """Say *what* was found damaged and is not used."""
    guard.ignored = what


def _shrink():
    for name in dir(guard):
        if name[:2] != "__" and name not in _KEPT and name not in globals():
            delattr(guard, name)
    del sys.modules["ota_boot"]


# CPython, which only imports this, has more names than these: const() hides some on a board.
if not _LOADED and sys.implementation.name == "micropython":
    _shrink()
