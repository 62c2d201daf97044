"""Which paths an update may name, and which together: the rules of the device."""

from __future__ import annotations

from collections.abc import Collection

from ..paths import MAX_DEPTH, MAX_ENTRIES, MAX_PATH
from .errors import ReleaseError

PRIVATE = "/.ota"
_MOUNTED = "/.r"  # where the updater has its modules
_MODULES = ("ota_boot", "service_ota", "manager_wifi")
_GUARDS = {"/ota_boot.py", "/ota_boot.mpy"}


def check_names(path: str) -> list[str]:
    """Return the names in *path*, an absolute path of a file on a device.

    Raises:
        ReleaseError: ``bad_path``: it could not be stored, or would mean another place.
    """
    if not path.startswith("/"):
        raise ReleaseError("bad_path", f"A path has to start with '/', got {path[:40]!r}.")
    if len(path.encode()) > MAX_PATH:
        raise ReleaseError(
            "bad_path", f"A path can have at most {MAX_PATH} bytes: {path[:40]!r}…."
        )
    names = path[1:].split("/")
    if len(names) > MAX_DEPTH:
        raise ReleaseError("bad_path", f"A path can have at most {MAX_DEPTH} names: {path!r}.")
    for name in names:
        if name in ("", ".", ".."):
            raise ReleaseError(
                "bad_path", f"A path cannot hold an empty name, '.' or '..': {path!r}."
            )
        if any(char < " " or char in "\\\x7f" for char in name):
            raise ReleaseError(
                "bad_path", f"A path cannot hold control characters or a backslash: {path!r}."
            )
    return names


def check_path(path: str) -> str:
    """Return *path*, an absolute path of a file that is no record of the updater.

    Raises:
        ReleaseError: as `check_names`, or ``protected``.
    """
    top = "/" + check_names(path)[0]
    if top in (PRIVATE, _MOUNTED):
        raise ReleaseError("protected", f"{top} is the updater's own: {path!r}.")
    return path


def check_brought(path: str) -> str:
    """Return *path*, an absolute path that an update may put a file at.

    Raises:
        ReleaseError: as `check_path`; ``bad_path``, ``hidden`` and ``protected`` also for what
            would never run or never be found, or be found instead of the updater.
    """
    check_path(path)
    if path in ("/main.mpy", "/boot.mpy"):
        raise ReleaseError("bad_path", f"MicroPython does not run {path}: use the .py.")
    top, _, below = path[1:].partition("/")
    if below and (top == "boot.py" or top.split(".")[0] in _MODULES):
        raise ReleaseError(
            "protected", f"A folder /{top} would be found in place of what the board starts with."
        )
    if below and top == "main.py":
        raise ReleaseError(
            "not_directory", "/main.py is a file: there can be no folder of that name."
        )
    name = below.split("/")[0] if top == "lib" else top if top in ("ota.py", "ota.mpy") else ""
    module = name.removesuffix(".py").removesuffix(".mpy")
    if module in ("ota", *_MODULES):
        raise ReleaseError(
            "hidden",
            f"{path} would never be found: the updater's own module {module} is found first. "
            "Give it another name.",
        )
    return path


def check_package(files: Collection[str]) -> None:
    """See that *files* hold no application's own package ``ota``: that name is the updater's.

    Raises:
        ReleaseError: ``hidden``.
    """
    modules = [
        path for path in files if path.startswith("/ota/") and path.endswith((".py", "mpy"))
    ]
    if modules and not {"/ota/modules.pack", "/ota/errors.py", "/ota/errors.mpy"} & set(files):
        raise ReleaseError(
            "hidden",
            f"{modules[0]} is in the updater's own package ota, where modules of an application "
            "are not found. Give your package another name.",
        )


def check_counts(files: int, deletes: int) -> None:
    """See that an update does something, and not too much.

    Raises:
        ReleaseError: ``empty`` or ``too_many``.
    """
    if not files and not deletes:
        raise ReleaseError("empty", "There is nothing in it: no file, and none to delete.")
    if files + deletes > MAX_ENTRIES:
        raise ReleaseError(
            "too_many",
            f"An update brings and deletes at most {MAX_ENTRIES} files together, here are "
            f"{files} and {deletes}.",
        )


def check_place(path: str, before: Collection[str], deletes: Collection[str]) -> None:
    """See that a file at *path* fits to the files *before* it, sorted by path, and to *deletes*.

    Raises:
        ReleaseError: ``not_directory``: a file would be a folder as well; ``both_forms``: a
            module as `.py` and as `.mpy`; ``duplicate``: a file that is brought and deleted.
    """
    folder = path.rpartition("/")[0]
    while folder:
        if folder in before:
            raise ReleaseError("not_directory", f"{folder} is a file and a folder.")
        folder = folder.rpartition("/")[0]
    compiled = path.removesuffix(".py") + ".mpy"
    if path.endswith(".py") and compiled in before:
        raise ReleaseError(
            "both_forms",
            f"{path} and {compiled} are the same module, of which MicroPython would load the .py "
            "only: keep one of them.",
        )
    if path in deletes:
        raise ReleaseError("duplicate", f"{path} is both to be deleted and to be installed.")


def check_guard(files: Collection[str], deletes: Collection[str]) -> None:
    """See that the guard would still be there.

    Raises:
        ReleaseError: ``protected``.
    """
    if _GUARDS & set(deletes) and not _GUARDS & set(files):
        raise ReleaseError("protected", "The guard, ota_boot, can be replaced but not deleted.")
