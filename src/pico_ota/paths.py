"""How long and how deep a path of a device can be, as ota/paths.py has it there."""

from __future__ import annotations

MAX_PATH = 255  # bytes
MAX_DEPTH = 16


def is_escaped(path: str) -> bool:
    """Whether *path* is how a device lists a name that is no text.

    Each byte of it that no request can spell stands as U+F000 and its value.
    """
    return any("\uf000" <= char <= "\uf0ff" for char in path)
