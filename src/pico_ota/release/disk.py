"""Files of this computer whose size nobody has looked at yet."""

from __future__ import annotations

from pathlib import Path

from .errors import ReleaseError


def contents(path: Path, most: int, unreadable: str, too_large: ReleaseError) -> bytes:
    """Return the bytes of the file at *path*, *most* at most: it may have no end.

    Raises:
        ReleaseError: with the word *unreadable*; *too_large* where there is more.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ReleaseError(unreadable, f"Cannot read {path}: {error.strerror}.") from None
    if len(data) > most:
        raise too_large
    return data
