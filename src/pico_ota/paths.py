"""What a path of a device, and an update, can have at most: as the device has it."""

from __future__ import annotations

MAX_PATH = 255  # bytes
MAX_DEPTH = 16
MAX_ENTRIES = 1000  # files and deletions of an update
MAX_BYTES = 16 * 1024 * 1024  # of the files of an update


def is_escaped(path: str) -> bool:
    """Whether *path* is how a device lists a name that is no text.

    Each byte of it that no request can spell stands as U+F000 and its value.
    """
    return any("\uf000" <= char <= "\uf0ff" for char in path)
