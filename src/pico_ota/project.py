"""The project file ``pico-ota.toml``, found in the folder one works in or in any above it.

    host = "pico-kitchen.local"      # which device
    user = "admin"
    source = "app"                   # what `pico-ota push` sends when no path is given
    target = "/"                     # where on the device it goes
    version = "1.4.0"                # the version word of a push or build
    ignore = ["*.md", "tests/"]      # stays at home, beside the usual .git, __pycache__, ...
    protected = ["/data/"]           # never deleted by push --delete
    keep = ["config.json"]           # installed where missing, never overwritten, never deleted
    mpy = true                       # compile .py to .mpy
    key = "keys/private.pem"         # signs a build

Paths are relative to the folder of the file. Passwords do not belong in it: it is meant to be
committed.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UsageError

FILE_NAME = "pico-ota.toml"


@dataclass(frozen=True)
class Project:
    """What the project file says; the defaults where there is none."""

    path: Path | None = None
    host: str | None = None
    user: str | None = None
    source: Path | None = None
    target: str | None = None
    version: str | None = None
    ignore: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    mpy: bool = False
    key: Path | None = None

    @property
    def folder(self) -> Path | None:
        """The folder of the project."""
        return self.path.parent if self.path is not None else None

    @property
    def own_source(self) -> Path | None:
        """`source`, which is somewhere in the project.

        Raises:
            UsageError: it is elsewhere.
        """
        return self._inside("source", self.source)

    @property
    def own_key(self) -> Path | None:
        """`key`, which is somewhere in the project.

        Raises:
            UsageError: it is elsewhere.
        """
        return self._inside("key", self.key)

    def _inside(self, name: str, path: Path | None) -> Path | None:
        # A project file may be a stranger's: it must not send, or sign with, what is not his.
        if path is None or self.folder is None:
            return path
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise UsageError(
                f"{self.path}: '{name}' leads out of the folder of this file, to {path}. "
                "Give it on the command line if that is meant."
            )
        return path


def find(start: Path | None = None) -> Path | None:
    """The nearest project file at or above *start* (the current folder)."""
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE_NAME).is_file():
            return candidate / FILE_NAME
    return None


def load(path: Path | None) -> Project:
    """Read *path*; None gives the defaults.

    Raises:
        UsageError: it is not TOML, has an unknown entry, or one of the wrong kind.
    """
    if path is None:
        return Project()
    try:
        # -sig: some editors put a byte order mark in front.
        entries = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}.") from error
    values: dict[str, Any] = {"path": path}
    for name, value in entries.items():
        values[name] = _checked(path, name, value)
    return Project(**values)


_KINDS: dict[str, type] = {
    "host": str,
    "user": str,
    "source": Path,
    "target": str,
    "version": str,
    "ignore": tuple,
    "protected": tuple,
    "keep": tuple,
    "mpy": bool,
    "key": Path,
}


def _checked(path: Path, name: str, value: object) -> object:
    if "password" in name.lower():
        raise UsageError(
            f"{path}: '{name}' does not belong in a project file, which gets committed. "
            "Set PICO_OTA_PASSWORD, use --password-file, or keep it in the keyring."
        )
    kind = _KINDS.get(name)
    if kind is None:
        known = ", ".join(_KINDS)
        raise UsageError(f"{path}: unknown entry '{name}'. Known are {known}.")
    if kind is tuple:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise UsageError(f"{path}: '{name}' is a list of texts, such as [\"*.md\"].")
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise UsageError(f"{path}: '{name}' is true or false, got {value!r}.")
    if not isinstance(value, str) or not value:
        raise UsageError(f"{path}: '{name}' is a text in quotes, got {value!r}.")
    return path.parent / value if kind is Path else value
