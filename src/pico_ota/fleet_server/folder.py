"""The folder of the embedded server: who may in, its database, its releases, its roll-outs."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import PicoOtaError, UsageError

USER = "admin"
_ADMIN = "admin.json"
_LONGEST = 65536


@dataclass(frozen=True)
class Admin:
    """What ``admin.json`` says: how to log in, and where the server listened last."""

    name: str
    password: str
    url: str | None = None


def write(path: Path, document: Any) -> None:
    """Put *document* at *path* as JSON, whole or not at all, for its owner alone.

    Raises:
        OSError: the folder is missing, full, or may not be written to.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def admin(folder: Path) -> Admin:
    """Read ``admin.json`` in *folder*.

    Raises:
        UsageError: there is none, or it cannot be read as one.
    """
    path = folder / _ADMIN
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LONGEST))
        return Admin(str(found["name"]), str(found["password"]), found.get("url"))
    except FileNotFoundError:
        raise UsageError(
            f"{path} is missing: 'pico-ota fleet serve --data {folder}' makes it. --data is the "
            "folder of the server."
        ) from None
    except PermissionError:
        raise UsageError(f"{path} may not be read by this user; it belongs to another.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"{path} is not what 'fleet serve' wrote: expected an object with name and password. "
            "Remove it and start the server again: it makes a new password."
        ) from None


class Folder:
    """The server's own view of its folder; one server at a time.

    Raises:
        UsageError: it cannot be made or written to, or a server works in it already.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name in ("artifacts", "copies", "rollouts"):
                (self.path / name).mkdir(exist_ok=True)
            self._lock = self._locked()
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot hold the server's files: {error.strerror}. Give another "
                "folder with --data."
            ) from None

    def _locked(self) -> IO[bytes]:
        file = (self.path / "lock").open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise UsageError(
                f"another server works in {self.path}. End it first, or give another --data."
            ) from None
        return file

    def admin(self, url: str) -> Admin:
        """The administrator; made with a random password the first time."""
        path = self.path / _ADMIN
        if path.exists():
            found = admin(self.path)
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                path.chmod(0o600)
        else:
            found = Admin(USER, secrets.token_urlsafe(18))
        made = Admin(found.name, found.password, url)
        write(path, {"name": made.name, "password": made.password, "url": made.url})
        return made

    def session_key(self) -> str:
        """What log-ins are signed with; kept, so that a restart logs nobody out."""
        path = self.path / "session.json"
        if not path.exists():
            write(path, {"key": secrets.token_urlsafe(48)})
        try:
            return str(json.loads(path.read_bytes())["key"])
        except (ValueError, KeyError, TypeError):
            raise PicoOtaError(
                f"{path} is damaged. Remove it and start again: everybody has to log in anew."
            ) from None
