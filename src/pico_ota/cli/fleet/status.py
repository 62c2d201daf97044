"""``pico-ota fleet status``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ...durations import spoken
from ...errors import CredentialsError, UnreachableError
from ...fleet.hosts import as_json
from ..options import verb
from ..session import Session
from ..status import outcome
from .boards import HostsOption, JobsOption, Logins, Look, NamesArgument, chosen, look
from .server import DataOption, ServerOption, connected


@verb(device=True, many=True)
def command(
    session: Session,
    names: NamesArgument = None,
    hosts: HostsOption = None,
    jobs: JobsOption = 16,
    server: ServerOption = None,
    data: DataOption = None,
) -> int:
    """Show what runs on each board, how its last update ended, and since when it runs.

    With --server or --data an update server is asked what the boards have told it; so it is when
    PICO_OTA_FLEET says which one and no boards are named. Status 3 when
    a board or the server does not answer, 4 when one does not take the password.

    \b
    Examples:
      pico-ota fleet status --hosts fleet.toml
      pico-ota fleet status --hosts fleet.toml kitchen cellar
      pico-ota fleet status 192.168.1.7 192.168.1.9 --json
      pico-ota fleet status --server http://fleet.local:8000
    """
    named = names or hosts or session.settings.hosts
    if server or data or (_server_is_set() and not named):
        return _of_server(session, server, data, [*(names or ()), *(hosts or ())])
    boards = chosen(session, hosts, names)
    logins = Logins(session, boards)
    with session.out.busy(f"asking {len(boards)} boards"):
        looks = list(look(session, boards, logins, jobs))
    session.out.result({"boards": [_document(each) for each in looks]})
    session.out.table(
        ["name", "address", "version", "state", "last", "since"], [_row(each) for each in looks]
    )
    errors = [each.error for each in looks if each.error is not None]
    for each in looks:
        if each.error is not None:
            session.out.warn(f"{each.board.name}: {each.error}")
    for kind in (UnreachableError, CredentialsError):
        if any(isinstance(error, kind) for error in errors):
            return kind.exit_status
    return 1 if errors else 0


def _server_is_set() -> bool:
    return any(os.environ.get(name) for name in ("PICO_OTA_FLEET", "PICO_OTA_FLEET_DATA"))


def _of_server(session: Session, server: str | None, data: Path | None, names: list[str]) -> int:
    with connected(server, data) as fleet:
        boards = [board for board in fleet.boards() if not names or board.id in names]
        url = fleet.url
    missing = sorted(set(names) - {board.id for board in boards})
    now = time.time()
    session.out.result(
        {
            "server": url,
            "boards": [
                {
                    "id": board.id,
                    "address": board.address,
                    "version": board.version,
                    "state": board.state,
                    "board": board.model,
                    "revision": board.revision,
                    "group": board.group,
                    "silent_s": board.silent_s,
                    "seen": None if board.silent_s is None else _stamp(now - board.silent_s),
                }
                for board in boards
            ],
        }
    )
    session.out.table(
        ["id", "address", "version", "state", "asked"],
        [
            [
                board.id,
                board.address or "",
                board.version or "none",
                board.state,
                "never" if board.silent_s is None else f"{spoken(board.silent_s)} ago",
            ]
            for board in boards
        ],
    )
    for name in missing:
        session.out.warn(f"the server does not know {name}.")
    return 1 if missing else 0


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _row(each: Look) -> list[str]:
    board, status = each.board, each.status
    if status is None:
        word = each.error.word.replace("_", " ") if each.error else "?"
        return [board.name, str(board.target), "", word, "", ""]
    state = str(status.get("state"))
    if status.get("mode") == "rescue":
        state += ", rescue"
    last = status.get("last")
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(_since(status)))
    version = str(status.get("version") or "none")
    return [board.name, str(board.target), version, state, outcome(last) if last else "", since]


def _document(each: Look) -> dict[str, Any]:
    document = as_json(each.board)
    if each.status is None:
        error = each.error
        word, text = (error.word, str(error)) if error else ("failed", "")
        return document | {"reached": False, "error": word, "message": text}
    since = _stamp(_since(each.status))
    told = ("version", "state", "mode", "last", "previous", "board", "micropython", "uptime_s")
    return (
        document | {"reached": True, "since": since} | {key: each.status.get(key) for key in told}
    )


def _since(status: dict[str, Any]) -> float:
    """When the board was started: it has no clock of its own."""
    return time.time() - float(status.get("uptime_s") or 0)
