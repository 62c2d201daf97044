"""hawkBit as an update server for roll-outs.

Each stage that starts becomes a roll-out of hawkBit's own, with one group and an error condition
that ends it early. hawkBit would start a next group by itself, also one that our limit over all
stages or --pause-between forbids, so the next stage is started from here.

hawkBit goes on offering what a paused roll-out has started, so holding a roll-out back cancels
what its boards have not finished; a board that is installing refuses that, and finishes.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ..errors import PicoOtaError, RefusedError
from .access import Access
from .api import Archive, Board, Http
from .kept import FileStore
from .rollout import Outcome, Rollout, Seen

_API = "/rest/v1"
_NAME = "pico-ota"
_PAGE = 500
_PATIENCE_S = 120  # its scheduler prepares and starts roll-outs
_MOST_ASKED = 200  # boards whose attributes are asked one by one


class HawkBit:
    """A hawkBit server.

    Raises:
        UnreachableError, CredentialsError: as the first request ends.
    """

    def __init__(self, access: Access) -> None:
        self.url = access.url
        self._http = Http(access.url)
        self._http.client.auth = (access.user, access.password)
        self._store = FileStore(access.url)
        try:
            self._http.json("GET", f"{_API}/targets", params={"limit": 1})
        except BaseException:
            self._http.client.close()
            raise

    def __enter__(self) -> HawkBit:
        return self

    def __exit__(self, *what: object) -> None:
        self._http.client.close()

    def _all(self, path: str, **asked: Any) -> Iterator[dict[str, Any]]:
        """Every row of a listing, page by page."""
        offset = 0
        while True:
            page = self._http.json(
                "GET", f"{_API}/{path}", params={"limit": _PAGE, "offset": offset, **asked}
            )
            yield from page["content"]
            offset += len(page["content"])
            if not page["content"] or offset >= page["total"]:
                return

    def _one(self, path: str, query: str) -> dict[str, Any] | None:
        return next(self._all(path, q=query), None)

    def _post(self, path: str, document: Any = None) -> Any:
        answer = self._http.ask("POST", f"{_API}/{path}", json=document)
        return answer.json() if answer.content else None

    def boards(self) -> list[Board]:
        """All that it knows."""
        versions = {}
        for release in self._all("distributionsets", q=f"name=={_NAME}"):
            for target in self._all(f"distributionsets/{release['id']}/installedTargets"):
                versions[target["controllerId"]] = release["version"]
        found = list(self._all("targets", sort="controllerId:ASC"))
        told = {}
        if len(found) <= _MOST_ASKED:
            told = {one["controllerId"]: self._attributes(one) for one in found}
        return [_board(one, versions, told.get(one["controllerId"], {})) for one in found]

    def _attributes(self, target: Mapping[str, Any]) -> dict[str, Any]:
        path = f"{_API}/targets/{quote(target['controllerId'])}/attributes"
        answer = self._http.ask("GET", path)
        return dict(answer.json()) if answer.content else {}

    def token(self, board: str, new: bool) -> str:
        """Make *board* known, and return what it logs in with; *new* replaces it."""
        setting = "system/configs/authentication.targettoken.enabled"
        self._http.ask("PUT", f"{_API}/{setting}", json={"value": True})
        path = f"{_API}/targets/{quote(board)}"
        answer = self._http.ask("GET", path, fine=(404,))
        if answer.status_code == 404:
            made = self._post("targets", [{"controllerId": board, "name": board}])
            return str(made[0]["securityToken"])
        if new:
            token = secrets.token_hex(16)
            self._http.ask("PUT", path, json={"securityToken": token})
            return token
        return str(answer.json()["securityToken"])

    def upload(self, release: Archive) -> bool:
        """Put the release there; False when it was there already."""
        query = f"name=={_NAME};version=={release.version}"
        module = self._one("softwaremodules", query)
        new = module is None
        if module is None:
            wanted = {"name": _NAME, "version": release.version, "type": "application"}
            module = self._post("softwaremodules", [wanted])[0]
        artifacts = self._http.json("GET", f"{_API}/softwaremodules/{module['id']}/artifacts")
        if any(one["hashes"].get("sha256") != release.sha256 for one in artifacts):
            raise RefusedError(
                409,
                "version_taken",
                f"the server has another release {release.version}. Build this one with a new "
                "version.",
                {},
            )
        if not artifacts:
            file = (release.path.name, release.data, "application/octet-stream")
            path = f"{_API}/softwaremodules/{module['id']}/artifacts"
            self._http.ask("POST", path, files={"file": file})
            new = True
        if self._one("distributionsets", query) is None:
            wanted = {"name": _NAME, "version": release.version, "type": "app"}
            self._post("distributionsets", [wanted | {"modules": [{"id": module["id"]}]}])
        return new

    def open(self, rollout: Rollout, release: Archive) -> None:
        """Have the release there; each stage makes its own roll-out."""
        self.upload(release)
        found = self._one("distributionsets", f"name=={_NAME};version=={release.version}")
        assert found is not None
        rollout.server = {"set": found["id"], "waves": [], "made": 0}

    def offer(self, rollout: Rollout) -> None:
        """Give every started board without an outcome a place in a roll-out that runs."""
        waves = rollout.server["waves"]
        placed = {board for wave in waves for board in wave["boards"]}
        missing = [
            board
            for board in rollout.offered
            if board not in placed
            and rollout.outcome(board) in (Outcome.OFFERED, Outcome.BUSY, Outcome.WAITING)
        ]
        if missing:
            number = rollout.server["made"] + 1
            name = f"{rollout.id}.{number}"
            wave: dict[str, Any] = {"name": name, "boards": missing}
            wave["id"] = self._wave(rollout, name, missing)
            rollout.server["made"] = number
            waves.append(wave)
            self.save(rollout)

    def _wave(self, rollout: Rollout, name: str, boards: list[str]) -> int:
        """Make and start hawkBit's roll-out *name*; goes on with one that was left half made."""
        found = self._one("rollouts", f"name=={name}")
        if found is None:
            tag = self._one("targettags", f"name=={name}")
            tag = tag or self._post("targettags", [{"name": name}])[0]
            for start in range(0, len(boards), _PAGE):
                part = [{"controllerId": board} for board in boards[start : start + _PAGE]]
                self._post(f"targettags/{tag['id']}/assigned", part)
            # Of this group alone; the limit over all stages is kept from here. It pauses when
            # errors are more than this share.
            share = math.floor(100 * min(1.0, rollout.allowed / len(boards)))
            found = self._post(
                "rollouts",
                {
                    "name": name,
                    "distributionSetId": rollout.server["set"],
                    "targetFilterQuery": f"tag=={name}",
                    "amountGroups": 1,
                    "type": "forced",
                    "successCondition": {"condition": "THRESHOLD", "expression": "100"},
                    "errorCondition": {"condition": "THRESHOLD", "expression": str(share)},
                    "errorAction": {"action": "PAUSE", "expression": ""},
                },
            )
        number = int(found["id"])
        self._until(number, "creating")
        if self._state(number) == "ready":
            self._post(f"rollouts/{number}/start")
        # Until it runs, the boards still show the outcome of what they did before.
        self._until(number, "ready", "starting")
        return number

    def _state(self, number: int) -> str:
        return str(self._http.json("GET", f"{_API}/rollouts/{number}")["status"])

    def _until(self, number: int, *not_yet: str) -> None:
        end = time.monotonic() + _PATIENCE_S
        while self._state(number) in not_yet:
            if time.monotonic() > end:
                raise PicoOtaError(
                    f"hawkBit did not start its roll-out {number} within {_PATIENCE_S} s. The "
                    "same command goes on with it."
                )
            time.sleep(0.5)

    def seen(self, rollout: Rollout) -> dict[str, Seen]:
        """What became of the boards of the started stages."""
        now = time.time()
        path = f"distributionsets/{rollout.server['set']}"
        has = {one["controllerId"] for one in self._all(f"{path}/installedTargets")}
        given = {one["controllerId"] for one in self._all(f"{path}/assignedTargets")}
        placed = {board for wave in rollout.server["waves"] for board in wave["boards"]}
        found = {}
        for one in self._all("targets"):
            board = one["controllerId"]
            if rollout.outcome(board) == Outcome.WAITING:
                continue
            silent_s = _silent(one, now)
            outcome, reason = Outcome.OFFERED, ""
            if board in has:
                outcome = Outcome.CONFIRMED
            elif board in placed and one["updateStatus"] == "error":
                # What it has failed at is not assigned to it any more.
                outcome = Outcome.FAILED
                known, reason = rollout.boards.get(board, (None, ""))
                if known != Outcome.FAILED:
                    reason = self._reason(board)
            elif board in given and board in placed:
                outcome = Outcome.BUSY
            found[board] = Seen(outcome, reason, silent_s)
        return found

    def _newest_action(self, board: str) -> dict[str, Any] | None:
        path = f"targets/{quote(board)}/actions"
        return next(self._all(path, sort="id:DESC"), None)

    def _reason(self, board: str) -> str:
        if (action := self._newest_action(board)) is None:
            return "it gave no reason"
        path = f"targets/{quote(board)}/actions/{action['id']}/status"
        for status in sorted(self._all(path), key=lambda one: -one["id"]):
            for message in status.get("messages", ()):
                # hawkBit adds words of its own to those of the board.
                if not message.startswith("Update Server"):
                    return str(message)[:500]
        return "it gave no reason"

    def hold(self, rollout: Rollout) -> None:
        """Pause what runs, and cancel what its boards have not finished."""
        for wave in rollout.server.get("waves", ()):
            if self._state(wave["id"]) == "running":
                self._post(f"rollouts/{wave['id']}/pause")
        for board in rollout.offered:
            if rollout.outcome(board) in (Outcome.CONFIRMED, Outcome.FAILED):
                continue
            action = self._newest_action(board)
            if action is not None and action["status"] == "pending":
                path = f"{_API}/targets/{quote(board)}/actions/{action['id']}"
                if action["type"] == "update":
                    self._http.ask("DELETE", path, fine=(404, 405))

    def release(self, rollout: Rollout) -> None:
        """Offer it again: who was cancelled gets a place in a new roll-out."""
        path = f"distributionsets/{rollout.server['set']}/assignedTargets"
        given = {one["controllerId"] for one in self._all(path)}
        for wave in rollout.server["waves"]:
            if self._state(wave["id"]) == "paused":
                self._post(f"rollouts/{wave['id']}/resume")
            wave["boards"] = [board for board in wave["boards"] if board in given]
        self.offer(rollout)

    def remove(self, rollout: Rollout) -> None:
        """Delete what the stages made."""
        for wave in rollout.server.get("waves", ()):
            self._http.ask("DELETE", f"{_API}/rollouts/{wave['id']}", fine=(404,))
            tag = self._one("targettags", f"name=={wave['name']}")
            if tag is not None:
                self._http.ask("DELETE", f"{_API}/targettags/{tag['id']}", fine=(404,))

    def rollouts(self, name: str | None = None) -> list[Rollout]:
        """All that are kept, the oldest first; with *name* only the one called so."""
        return self._store.all(name)

    def save(self, rollout: Rollout) -> None:
        """Keep *rollout*; raises `BusyError` when another command has changed it."""
        self._store.save(rollout)


def _silent(one: Mapping[str, Any], now: float) -> float | None:
    asked = one.get("lastControllerRequestAt")
    return None if asked is None else max(0.0, round(now - asked / 1000))


def _board(one: dict[str, Any], versions: dict[str, str], told: Mapping[str, Any]) -> Board:
    board = one["controllerId"]
    return Board(
        id=board,
        version=versions.get(board) or told.get("sw_version"),
        state=one["updateStatus"],
        address=one.get("ipAddress"),
        silent_s=_silent(one, time.time()),
        model=told.get("hw_boardname"),
        revision=told.get("hw_revision"),
        busy=one["updateStatus"] == "pending",
        failed=one["updateStatus"] == "error",
    )
