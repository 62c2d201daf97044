"""What `ota/` borrows of the guard for the end of an update: its outcome, and the way back."""

from ota.records import borrow

_guard = borrow(
    "HISTORY",
    "STATE",
    "TRIES",
    "_FIELDS",
    "_plain",
    "_shorten",
    "crc32",
    "history",
    "json",
    "save",
    "settle",
    "turn_back",
)
TRIES = _guard.TRIES
history = _guard.history
settle = _guard.settle
turn_back = _guard.turn_back
