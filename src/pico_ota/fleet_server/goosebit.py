"""gooseBit as an update server for roll-outs.

gooseBit knows no stages. Each roll-out gets a feed of its own there, with itself as the only
thing in it, and a stage starts by moving its boards into that feed. So a board outside of the
started stages never sees the release, and a paused roll-out offers nothing older in its place.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import cached_property
from typing import Any
from urllib.parse import quote

from ..errors import RefusedError
from .access import Access
from .api import Archive, Board, BusyError, Http
from .kept import FileStore, Store
from .rollout import Outcome, Rollout, Seen

_AT_ONCE = 200  # boards in one request: each costs the server some writes


class GooseBit:
    """A gooseBit server, ours or another one.

    Raises:
        UnreachableError, CredentialsError: as the log-in ends.
    """

    def __init__(self, access: Access) -> None:
        self.url = access.url
        self._http = Http(access.url)
        form = {"username": access.user, "password": access.password}
        try:
            answer = self._http.json("POST", "/login", data=form)
            token = answer["access_token"]
        except BaseException:
            self._http.client.close()
            raise
        self._http.client.headers["Authorization"] = f"Bearer {token}"
        self._listed: dict[str, Board] | None = None  # by `seen`, for the `offer` after it

    def __enter__(self) -> GooseBit:
        return self

    def __exit__(self, *what: object) -> None:
        self._http.client.close()

    @cached_property
    def _ours(self) -> bool:
        """Whether `fleet serve` has started it."""
        return bool(self._http.ask("GET", "/fleet/", fine=(404,)).status_code != 404)

    @cached_property
    def _store(self) -> Store | FileStore:
        """Roll-outs are kept by our own server; beside a foreign one, on this computer."""
        return Store(self._http) if self._ours else FileStore(self.url)

    def boards(self) -> list[Board]:
        """All that it knows."""
        if self._ours:
            return [Board(**one) for one in self._http.json("GET", "/fleet/boards")]
        found = self._http.json("GET", "/api/v1/devices")["devices"]
        return sorted((board_of(one) for one in found), key=lambda board: board.id)

    def token(self, board: str, new: bool) -> str:
        """Make *board* known, and return what it logs in with; *new* replaces it."""
        known = self._http.json("GET", f"/api/v1/devices/{quote(board)}")
        if known.get("auth_token") and not new:
            return str(known["auth_token"])
        token = secrets.token_hex(16)
        self._http.ask("PUT", "/api/v1/devices", json={"devices": [board], "auth_token": token})
        return token

    def upload(self, release: Archive) -> bool:
        """Put the release there; False when it was there already."""
        if self._software(release) is not None:
            return False
        file = (release.path.name, release.data, "application/octet-stream")
        answer = self._http.ask("PUT", "/api/v1/software", fine=(409, 422), files={"file": file})
        if answer.status_code == 409:
            raise RefusedError(
                409,
                "version_taken",
                f"the server has another release {release.version} for these boards. Build this "
                "one with a new version.",
                {},
            )
        if answer.status_code == 422:
            raise RefusedError(
                422, "bad_release", f"the server cannot read {release.path.name}.", {}
            )
        return True

    def _software(self, release: Archive) -> int | None:
        sha1 = hashlib.sha1(release.data, usedforsecurity=False).hexdigest()
        for one in self._http.json("GET", "/api/v1/software")["software"]:
            if one["hash"] == sha1 and one["size"] == len(release.data):
                return int(one["id"])
        return None

    def open(self, rollout: Rollout, release: Archive) -> None:
        """Make the roll-out in a feed that no board is in."""
        self.upload(release)
        feed = f"pico-ota-{rollout.id}"
        for one in self._http.json("GET", "/api/v1/rollouts")["rollouts"]:
            if one["feed"] == feed:
                rollout.server = {"feed": feed, "rollout": one["id"]}
                return
        made = self._http.json(
            "PUT",
            "/api/v1/rollouts",
            json={"name": rollout.id, "feed": feed, "software_id": self._software(release)},
        )
        rollout.server = {"feed": feed, "rollout": made["id"]}

    def offer(self, rollout: Rollout) -> None:
        """Move the boards of all started stages into the feed, if they are not there yet."""
        feed = rollout.server["feed"]
        there = self._listed or {board.id: board for board in self.boards()}
        self._listed = None
        there = {board: there[board] for board in rollout.offered if board in there}
        for again in (False, True):
            # A board whose last update failed is offered nothing, unless it is forced.
            others = [board for board in there.values() if board.group != feed]
            moved = [board.id for board in others if board.failed is again]
            for start in range(0, len(moved), _AT_ONCE):
                change = {"devices": moved[start : start + _AT_ONCE], "feed": feed}
                change |= {"software": "rollout", "force_update": again}
                self._http.ask("PATCH", "/api/v1/devices", json=change)

    def seen(self, rollout: Rollout) -> dict[str, Seen]:
        """What became of the boards of the started stages."""
        listed = self._listed = {board.id: board for board in self.boards()}
        return {
            board: self._seen(rollout, listed[board])
            for board in rollout.offered
            if board in listed
        }

    def _seen(self, rollout: Rollout, board: Board) -> Seen:
        ours = board.group == rollout.server["feed"]
        if board.failed and ours and not board.details["force"]:
            known, reason = rollout.boards.get(board.id, (None, ""))
            if known != Outcome.FAILED:
                reason = self._reason(board.id)
            return Seen(Outcome.FAILED, reason, board.silent_s)
        if board.version == rollout.version and not board.busy:
            return Seen(Outcome.CONFIRMED, "", board.silent_s)
        return Seen(Outcome.BUSY if board.busy else Outcome.OFFERED, "", board.silent_s)

    def _reason(self, board: str) -> str:
        log = self._http.json("GET", f"/api/v1/devices/{quote(board)}/log").get("log") or ""
        lines = [line.strip() for line in log.splitlines() if line.strip()]
        return lines[-1][:500] if lines else "it gave no reason"

    def hold(self, rollout: Rollout) -> None:
        """Pause it: its feed holds nothing else, so its boards are offered nothing."""
        self._pause(rollout, True)

    def release(self, rollout: Rollout) -> None:
        """Offer it again."""
        self._pause(rollout, False)

    def _pause(self, rollout: Rollout, paused: bool) -> None:
        if number := rollout.server.get("rollout"):
            change = {"ids": [number], "paused": paused}
            self._http.ask("PATCH", "/api/v1/rollouts", json=change)

    def remove(self, rollout: Rollout) -> None:
        """Delete it on the server."""
        if number := rollout.server.get("rollout"):
            self._http.ask("DELETE", "/api/v1/rollouts", json={"ids": [number]})

    def rollouts(self, name: str | None = None) -> list[Rollout]:
        """All that are kept, the oldest first; with *name* only the one called so."""
        return self._store.all(name)

    def save(self, rollout: Rollout) -> None:
        """Keep *rollout*; raises `BusyError` when another command has changed it."""
        self._store.save(rollout)


def board_of(one: dict[str, Any]) -> Board:
    """The board that *one* tells of, in the form in which gooseBit's own interface lists it."""
    hardware = one.get("hardware") or {}
    state = str(one["last_state"]).lower()
    registered = state != "unknown" and hardware.get("model") != "default"
    return Board(
        id=one["id"],
        version=one["sw_version"],
        state=state,
        address=one.get("last_ip") or one.get("last_ipv4") or one.get("last_ipv6"),
        silent_s=one["last_seen"],
        model=hardware.get("model") if registered else None,
        revision=hardware.get("revision") if registered else None,
        busy=state == "running",
        failed=state == "error",
        group=one.get("feed"),
        details={"force": bool(one["force_update"])},
    )


__all__ = ["BusyError", "GooseBit"]
