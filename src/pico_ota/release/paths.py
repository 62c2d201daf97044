"""Which paths a release may name: the rules of the device, which has them in ota/paths.py."""

from __future__ import annotations

from .errors import ReleaseError

MAX_PATH = 255
MAX_DEPTH = 16
PRIVATE = "/.ota"


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
        raise ReleaseError("bad_path", f"A path has at most {MAX_DEPTH} folders: {path!r}.")
    for name in names:
        if name in ("", ".", ".."):
            raise ReleaseError("bad_path", f"Empty, '.' and '..' are no names, in {path!r}.")
        if any(char < " " or char in "\\\x7f" for char in name):
            raise ReleaseError(
                "bad_path", f"Control characters and backslash are no names, in {path!r}."
            )
    if path == PRIVATE or path.startswith(PRIVATE + "/"):
        raise ReleaseError("protected", f"{PRIVATE} holds the updater's own records: {path!r}.")
    return path
