"""``pico-ota fleet status``."""

from __future__ import annotations

import time
from typing import Any

from ...errors import CredentialsError, UnreachableError
from ...fleet.hosts import as_json
from ..options import verb
from ..session import Session
from ..status import outcome
from .boards import HostsOption, JobsOption, Logins, Look, NamesArgument, chosen, look


@verb(device=True, many=True)
def command(
    session: Session,
    names: NamesArgument = None,
    hosts: HostsOption = None,
    jobs: JobsOption = 16,
) -> int:
    """Show what runs on each board, how its last update ended, and since when it runs.

    Status 3 when a board does not answer, 4 when one does not take the password.

    \b
    Examples:
      pico-ota fleet status --hosts fleet.toml
      pico-ota fleet status --hosts fleet.toml kitchen cellar
      pico-ota fleet status 192.168.1.7 192.168.1.9 --json
    """
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
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_since(each.status)))
    told = ("version", "state", "mode", "last", "previous", "board", "micropython", "uptime_s")
    return (
        document | {"reached": True, "since": since} | {key: each.status.get(key) for key in told}
    )


def _since(status: dict[str, Any]) -> float:
    """When the board was started: it has no clock of its own."""
    return time.time() - float(status.get("uptime_s") or 0)
