"""Where roll-outs are kept: on our own server, or in a small file beside a foreign one."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import PicoOtaError
from . import folder
from .api import BusyError, Http
from .rollout import Rollout


class Store:
    """Kept by our server, in its folder."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self, name: str | None = None) -> list[Rollout]:
        """The oldest first; with *name* only the one called so."""
        asked = {"id": name} if name else {}
        found = self._http.json("GET", "/fleet/rollouts", params=asked)
        return _sorted(found, self._http.url)

    def save(self, rollout: Rollout) -> None:
        """Replace what the server keeps, if that is what *rollout* was made of."""
        document = rollout.to_json() | {"revision": rollout.revision + 1}
        path = f"/fleet/rollouts/{rollout.id}"
        if self._http.ask("PUT", path, fine=(412,), json=document).status_code == 412:
            raise BusyError(rollout.id)
        rollout.revision += 1


class FileStore:
    """Kept in a file for each server, in the state folder of this user."""

    def __init__(self, url: str) -> None:
        base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._path = Path(base) / "pico-ota" / f"rollouts-{name}.json"
        self._url = url

    def all(self, name: str | None = None) -> list[Rollout]:
        """The oldest first; with *name* only the one called so."""
        found = _sorted(self._documents(), str(self._path))
        return [one for one in found if name in (None, one.id)]

    def _documents(self) -> list[Any]:
        try:
            return list(json.loads(self._path.read_bytes())["rollouts"])
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):
            raise _damaged(str(self._path)) from None

    def save(self, rollout: Rollout) -> None:
        """Replace what the file keeps, if that is what *rollout* was made of."""
        with self._alone():
            documents = self._documents()
            before = [one for one in documents if one.get("id") == rollout.id]
            if [one.get("revision") for one in before] not in ([], [rollout.revision]):
                raise BusyError(rollout.id)
            rollout.revision += 1
            others = [one for one in documents if one.get("id") != rollout.id]
            kept = {"server": self._url, "rollouts": [*others, rollout.to_json()]}
            folder.write(self._path, kept)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _sorted(documents: list[Any], where: str) -> list[Rollout]:
    try:
        found = [Rollout.from_json(one) for one in documents]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(where) from None
    return sorted(found, key=lambda rollout: (rollout.created, rollout.id))


def _damaged(where: str) -> PicoOtaError:
    return PicoOtaError(
        f"{where}: a roll-out that is kept there cannot be read. It is damaged, or of another "
        "version of this command; move the file away to start without it."
    )
