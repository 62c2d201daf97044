"""Whether a release may be trusted: what a device decides, on the host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..paths import MAX_BYTES
from .disk import contents
from .errors import ReleaseError
from .keys import PublicKey, load_public_keys
from .reading import Device, Release, read
from .version import Version

_LARGEST = MAX_BYTES + (1 << 20)  # heads and names of all entries take less than 1 MiB


def verify(
    path: Path,
    key: Path | Sequence[Path | PublicKey] = (),
    *,
    board: str | None = None,
    micropython: str | None = None,
    floor: str | None = None,
) -> Release:
    """Check the archive at *path* as a device with *key* would.

    Args:
        path: the archive.
        key: ``public.json``, a certificate, or a key in PEM; or several of them, one of which must
            have signed. Without any, only the inner consistency is checked.
        board: the name of a board that it must be for.
        micropython: the version of MicroPython that must do.
        floor: the lowest version that is still accepted.

    Raises:
        ReleaseError: the reason, as its word and message.
    """
    keys: list[PublicKey] = []
    for item in [key] if isinstance(key, Path) else key:
        keys += [item] if isinstance(item, PublicKey) else load_public_keys(item)
    lowest = Version.parse(floor) if floor is not None else None
    return read(load(path), keys, Device(board=board, micropython=micropython, floor=lowest))


def load(path: Path) -> bytes:
    """Return the bytes of the archive at *path*.

    Raises:
        ReleaseError: ``unreadable``, or ``too_large`` to be one.
    """
    too_large = ReleaseError(
        "too_large", f"{path} has more than {_LARGEST >> 20} MiB: no release is that large."
    )
    return contents(path, _LARGEST, "unreadable", too_large)
