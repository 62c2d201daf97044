"""``pico-ota fleet rollback``."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import typer

from ...errors import CredentialsError, PicoOtaError, StoppedError, UnreachableError
from ...fleet.hosts import Board, as_json
from ..options import verb
from ..session import Session
from .boards import HostsOption, JobsOption, Logins, NamesArgument, chosen, connect


@verb(device=True, many=True)
def command(
    session: Session,
    names: NamesArgument = None,
    hosts: HostsOption = None,
    jobs: JobsOption = 8,
    version: Annotated[
        str | None,
        typer.Option("--from", metavar="VERSION", help="Only where this version runs."),
    ] = None,
) -> int:
    """Bring the previous version back on many boards. Each still has it: nothing is sent.

    A board without a previous version, as after a roll-back, is left alone: the same command may
    be given again for those that did not answer.

    Status 1: a board failed; 3: some did not answer; 4: some did not take the password.

    \b
    Examples:
      pico-ota fleet rollback --hosts fleet.toml
      pico-ota fleet rollback --hosts fleet.toml --from 1.4.0
      pico-ota fleet rollback --hosts fleet.toml kitchen cellar
    """
    boards = chosen(session, hosts, names)
    logins = Logins(session, boards)
    rows: list[dict[str, Any]] = []
    worst = 0
    stopping = threading.Event()
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        work = [pool.submit(_back, session, board, logins, version, stopping) for board in boards]
        try:
            for board, each in zip(boards, work, strict=True):
                outcome, text, status = each.result()
                rows.append(as_json(board) | {"outcome": outcome, "message": text})
                session.out.say(f"{board.name}: {text.rstrip('.')}.")
                worst = _worse(worst, status)
        finally:
            stopping.set()
    session.out.result({"boards": rows})
    return worst


def _back(
    session: Session,
    board: Board,
    logins: Logins,
    version: str | None,
    stopping: threading.Event,
) -> tuple[str, str, int]:
    """Outcome, a line on it, and the exit status that it stands for."""
    from ...waiting import Watch

    def pause(seconds: float) -> None:
        if stopping.wait(seconds):
            raise StoppedError("interrupted: the board goes on by itself.")

    try:
        if stopping.is_set():
            raise StoppedError("interrupted before it was asked.")
        with connect(session, board, logins, pause) as remote:
            boot_id = str(remote.info()["boot_id"])
            status = remote.status()
            runs = status.get("version")
            if version is not None and runs != version:
                return "left", f"runs {runs or 'no version'}, not {version}: left alone", 0
            if status.get("previous") is None:
                return "left", f"runs {runs or 'no version'}, and has nothing before it", 0
            answer = remote.rollback()
            watch = Watch(remote)
            watch.restart(boot_id, int(answer.get("restart_ms", 1000)))
            status = watch.idle()
            return "rolled_back", f"runs {status.get('version') or 'what it did before'}", 0
    except (UnreachableError, CredentialsError) as error:
        return "not_reached", str(error), error.exit_status
    except PicoOtaError as error:
        return "failed", str(error), 1


def _worse(one: int, other: int) -> int:
    """The exit status for both: a failure before silence, silence before a password."""
    order = (0, CredentialsError.exit_status, UnreachableError.exit_status, 1)
    return max(one, other, key=order.index)
