"""Which paths a release may name: the rules of the device, which has them in ota/paths.py."""

from __future__ import annotations

from collections.abc import Collection

from .errors import ReleaseError

MAX_PATH = 255
MAX_DEPTH = 16
MAX_ENTRIES = 1000
PRIVATE = "/.ota"
_MOUNTED = "/.r"  # where the updater has its modules
_GUARDS = {"/ota_boot.py", "/ota_boot.mpy"}


def check_path(path: str) -> str:
    """Return *path*, an absolute path of a file on a device.

    Raises:
        ReleaseError: ``bad_path``: it could not be stored, or would mean another place;
            ``protected``: it belongs to the updater's own records.
    """
    if not path.startswith("/"):
        raise ReleaseError("bad_path", f"A path starts with '/', got {path[:40]!r}.")
    if len(path.encode()) > MAX_PATH:
        raise ReleaseError("bad_path", f"A path has at most {MAX_PATH} bytes: {path[:40]!r}….")
    names = path[1:].split("/")
    if len(names) > MAX_DEPTH:
        raise ReleaseError("bad_path", f"A path has at most {MAX_DEPTH} names: {path!r}.")
    for name in names:
        if name in ("", ".", ".."):
            raise ReleaseError("bad_path", f"Empty, '.' and '..' are no names, in {path!r}.")
        if any(char < " " or char in "\\\x7f" for char in name):
            raise ReleaseError(
                "bad_path", f"Control characters and backslash are no names, in {path!r}."
            )
    if "/" + names[0] in (PRIVATE, _MOUNTED):
        raise ReleaseError("protected", f"/{names[0]} is the updater's own: {path!r}.")
    if path.startswith("/ota_boot/"):
        raise ReleaseError(
            "protected", "A folder /ota_boot would be imported instead of the guard."
        )
    return path


def check_set(files: Collection[str], deletes: Collection[str]) -> None:
    """See that a device would take these paths together.

    Raises:
        ReleaseError: ``too_many``; ``both_forms``: a module as `.py` and as `.mpy`;
            ``protected``: the guard would be gone.
    """
    if len(files) + len(deletes) > MAX_ENTRIES:
        raise ReleaseError(
            "too_many",
            f"A release brings and deletes at most {MAX_ENTRIES} files together, here are "
            f"{len(files)} and {len(deletes)}.",
        )
    brought = set(files)
    for path in files:
        if path.endswith(".py") and path[:-3] + ".mpy" in brought:
            raise ReleaseError(
                "both_forms",
                f"{path} and {path[:-3]}.mpy are one module, MicroPython would only load the "
                ".py: release one.",
            )
    if set(deletes) >= _GUARDS and not _GUARDS & brought:
        raise ReleaseError("protected", "The guard, ota_boot, can be replaced but not deleted.")
