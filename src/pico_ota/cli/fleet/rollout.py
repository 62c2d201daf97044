"""``pico-ota fleet rollout``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ... import durations
from ...errors import UnreachableError, UsageError
from ..options import verb
from ..output import count
from ..session import Session
from .server import DataOption, ServerOption, connected

if TYPE_CHECKING:
    from ...fleet_server.api import UpdateServer
    from ...fleet_server.rollout import Rollout

_VERBS = ("status", "pause", "resume", "abort")
_PATIENCE_S = 300  # so long a server may be away while we wait


@verb()
def command(
    session: Session,
    what: Annotated[
        str,
        typer.Argument(
            metavar="RELEASE|status|pause|resume|abort",
            help="A release (.swu) to roll out, or what to do with a roll-out.",
        ),
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="[ROLLOUT]", help="Which one; without it the newest.")
    ] = None,
    stages: Annotated[
        str | None,
        typer.Option(
            "--stages",
            metavar="LIST",
            help="How many boards have the release after each stage. Default: 1,10%,50%,100%.",
        ),
    ] = None,
    max_failures: Annotated[
        str | None,
        typer.Option(
            "--max-failures",
            metavar="N|N%",
            help="Stop when more boards than this, or than this share of those that were "
            "started, have failed or are lost. Default: 0.",
        ),
    ] = None,
    min_boards: Annotated[
        int | None,
        typer.Option(
            "--min-boards",
            metavar="N",
            min=1,
            help="Within a stage, judge a share once so many boards have an outcome. Default: 1.",
        ),
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option(
            "--deadline",
            metavar="TIME",
            help="A board without an outcome so long after its stage began is lost. Default: 30m.",
        ),
    ] = None,
    pause_between: Annotated[
        bool, typer.Option("--pause-between", help="Pause after each stage, for 'resume'.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until it is over; without it do what is due now.")
    ] = False,
    server: ServerOption = None,
    data: DataOption = None,
) -> int:
    """Give a release to the boards of a server in stages, and stop by itself when boards fail.

    A stage starts when every board of the one before has an outcome. The same command again goes
    on with it: interrupt it, or run it from cron. Status 0 when all went as it was allowed to, 5
    when it is stopped; it says which boards and why. A share in --max-failures is always judged
    before a new stage starts.

    \b
    Examples:
      pico-ota fleet rollout app-1.1.0.swu --stages 2,10%,100% --max-failures 1 --wait
      pico-ota fleet rollout app-1.1.0.swu --max-failures 5% --min-boards 20 --deadline 2h
      pico-ota fleet rollout status
      pico-ota fleet rollout resume --max-failures 3
    """
    asked = {
        "--stages": stages,
        "--max-failures": max_failures,
        "--min-boards": min_boards,
        "--deadline": deadline,
        "--pause-between": pause_between or None,
        "--wait": wait or None,
    }
    if what in _VERBS:
        fine = ("--max-failures", "--wait") if what == "resume" else ()
        odd = [option for option, value in asked.items() if value and option not in fine]
        if odd:
            raise UsageError(f"'fleet rollout {what}' takes no {odd[0]}.")
        with connected(server, data) as fleet:
            return _tend(session, fleet, what, name, max_failures, wait)
    if name is not None:
        raise UsageError(f"expected one release, got {what} and {name}.")

    from ...fleet_server import driver
    from ...fleet_server.api import archive
    from ...fleet_server.stages import amount
    from ...fleet_server.stages import stages as parsed

    path = Path(what)
    if not path.exists() and path.suffix != ".swu":
        raise UsageError(
            f"{what} is neither a release nor one of {', '.join(_VERBS)}: expected a .swu."
        )
    deadline_s = durations.parse(deadline or "30m", "--deadline")
    typed = {
        "stages": (stages or "1,10%,50%,100%").replace(" ", ""),
        "max_failures": max_failures or "0",
        "min_boards": min_boards or 1,
        "deadline_s": deadline_s,
        "pause_between": pause_between,
    }
    wanted = driver.Asked(
        parsed(str(typed["stages"])),
        amount(str(typed["max_failures"]), "--max-failures"),
        min_boards or 1,
        deadline_s,
        pause_between,
        typed,
    )
    release = archive(path)
    with connected(server, data) as fleet:
        rollout = driver.begin(fleet, release, wanted)
        return _drive(session, fleet, rollout, wait)


def _tend(
    session: Session,
    fleet: UpdateServer,
    what: str,
    name: str | None,
    max_failures: str | None,
    wait: bool,
) -> int:
    from ...fleet_server import driver
    from ...fleet_server.stages import amount

    limit = amount(max_failures, "--max-failures") if max_failures is not None else None
    if what == "status":
        rollout = driver.find(fleet, name)
        driver.look(fleet, rollout)
        session.out.result(driver.report(rollout))
        _show(session, rollout)
        return 0

    def change(rollout: Rollout) -> None:
        if what == "pause":
            driver.pause(fleet, rollout)
        elif what == "resume":
            driver.resume(fleet, rollout, limit)
        else:
            driver.abort(fleet, rollout)

    rollout = _changed(fleet, name, change)
    if what == "resume":
        return _drive(session, fleet, rollout, wait)
    session.out.result(driver.report(rollout))
    session.out.say(f"The roll-out {rollout.id} is {rollout.state}: {rollout.summary()}.")
    return 0


def _changed(fleet: UpdateServer, name: str | None, change: Callable[[Rollout], None]) -> Rollout:
    """Change the roll-out; once more when a command that waits has moved it on meanwhile."""
    from ...fleet_server import driver
    from ...fleet_server.api import BusyError

    for tries in range(9, -1, -1):
        rollout = driver.find(fleet, name)
        try:
            change(rollout)
            return rollout
        except BusyError:
            if not tries:
                raise
            time.sleep(0.2)
    raise AssertionError


def _drive(session: Session, fleet: UpdateServer, rollout: Rollout, wait: bool) -> int:
    """Do what is due, and with *wait* all of it, and return the exit status.

    Raises:
        HaltedError: too many boards have failed.
        StoppedError: Ctrl-C.
    """
    from ...fleet_server import driver
    from ...fleet_server.api import BusyError
    from ...fleet_server.rollout import State

    out = session.out
    said = ""
    away_since = None
    goes_on = (
        f"boards that were offered {rollout.version} go on, no stage starts. The same command "
        "goes on; 'pico-ota fleet rollout pause' offers it to nobody any more."
    )
    with out.busy(f"rolling out {rollout.version}", goes_on):
        while True:
            began = time.monotonic()
            try:
                rollout = driver.step(fleet, driver.find(fleet, rollout.id))
                away_since = None
            except BusyError:
                pass
            except UnreachableError as error:
                away_since = away_since or began
                if not wait or began - away_since > _PATIENCE_S:
                    raise
                out.detail(f"{error} Asking again.")
            else:
                words = _words(rollout)
                if words != said and rollout.state != State.STOPPED:
                    out.say(words)
                    said = words
                if not wait or rollout.state in (State.STOPPED, State.FINISHED, State.ABORTED):
                    break
            # A large fleet costs the server time for each look: it gets the most of it.
            time.sleep(min(60.0, max(1.0, 4 * (time.monotonic() - began))))
    if rollout.state == State.STOPPED:
        _show(session, rollout)
        sys.stdout.flush()
        raise driver.halted(rollout)
    out.result(driver.report(rollout))
    if not wait and rollout.state == State.RUNNING:
        out.say("The same command again goes on with it; --wait stays until it is over.")
    if rollout.broken and rollout.state == State.FINISHED:
        _show(session, rollout)
    return 1 if rollout.state == State.ABORTED else 0


def _words(rollout: Rollout) -> str:
    from ...fleet_server.rollout import State

    total = len(rollout.stages)
    if rollout.state == State.RUNNING:
        return f"{rollout.id}: stage {len(rollout.started)} of {total}, {rollout.summary()}"
    why = rollout.why if rollout.state != State.FINISHED else rollout.summary()
    word = f"{rollout.id}: {rollout.state}"
    if rollout.state == State.PAUSED:
        why += "; 'pico-ota fleet rollout resume' goes on"
    return f"{word}: {why}" if why else word


def _show(session: Session, rollout: Rollout) -> None:
    """Stages and broken boards, for people."""
    from ...fleet_server import driver

    out = session.out
    document = driver.report(rollout)
    out.show(_words(rollout))
    columns = ("number", "state", "boards", "confirmed", "failed", "lost")
    rows = [[str(stage[column]) for column in columns] for stage in document["stages"]]
    if rows:
        out.table(["stage", *columns[1:]], rows)
    if rollout.had:
        out.show(f"{count(len(rollout.had), 'board')} had the release already")
    for board, why in list(rollout.skipped.items())[:20]:
        out.show(f"{board} skipped: {why}")
    for one in document["failures"][:50]:
        out.show(f"{one['id']} {one['state']}: {one['reason']}", "red")
    if len(document["failures"]) > 50:
        out.show(f"and {len(document['failures']) - 50} more; --json has all")
