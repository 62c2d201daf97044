"""Moves a roll-out on: reads what the server says, decides, acts, keeps."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..durations import spoken
from ..errors import PicoOtaError, UsageError
from .api import Archive, Board, UpdateServer
from .rollout import BROKEN, Act, Outcome, Rollout, State
from .stages import Amount, parts


class HaltedError(PicoOtaError):
    """A roll-out stopped by itself."""

    exit_status = 5
    word = "stopped"

    def __init__(self, message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.details = details


@dataclass(frozen=True)
class Asked:
    """The options of a new roll-out."""

    stages: tuple[Amount, ...]
    limit: Amount
    min_boards: int
    deadline_s: float
    pause_between: bool
    as_typed: dict[str, Any]


def begin(server: UpdateServer, release: Archive, asked: Asked) -> Rollout:
    """The roll-out of *release*: the one that is kept, or a new one.

    Raises:
        UsageError: another one is not over, or there is no board for it.
    """
    kept = server.rollouts()
    for one in reversed(kept):
        if one.open and one.sha256 == release.sha256:
            if one.asked != asked.as_typed:
                raise UsageError(
                    f"the roll-out {one.id} of this release is {one.state}, with other options: "
                    f"{_typed(one.asked)}. Give the same ones to go on with it, or end it first: "
                    f"'pico-ota fleet rollout abort {one.id}'."
                )
            return one
        if one.open:
            raise UsageError(
                f"the roll-out {one.id} of {one.version} is {one.state}: "
                f"{one.why or one.summary()}. Two at once would take boards from each other. "
                f"'pico-ota fleet rollout abort {one.id}' ends it."
            )
    made = plan(server.boards(), release, asked, time.time())
    last = next((one for one in reversed(kept) if one.sha256 == release.sha256), None)
    if last is not None and last.state == State.FINISHED:
        known = {*last.had, *last.skipped, *last.offered}
        if not any(board not in known for stage in made.stages for board in stage):
            return last
    server.open(made, release)
    server.save(made)
    return made


def plan(boards: Sequence[Board], release: Archive, asked: Asked, now: float) -> Rollout:
    """Put *boards* into stages.

    Raises:
        UsageError: no board is known, or the release suits none.
    """
    if not boards:
        raise UsageError(
            "the server knows no board yet. 'pico-ota fleet token ID' makes one known."
        )
    skipped = {board.id: why for board in boards if (why := release.unfit(board))}
    had = [board.id for board in boards if board.version == release.version and not board.busy]
    # Who has just asked comes first: a first stage of silent boards would prove nothing.
    rest = [board for board in boards if board.id not in skipped and board.id not in had]
    rest.sort(key=lambda board: (board.silent_s is None, (board.silent_s or 0) // 3600, board.id))
    if not rest and not had:
        raise UsageError(f"no board can take it: {next(iter(skipped.values()))}.")
    word = re.sub(r"[^A-Za-z0-9.]+", "-", release.version).strip("-.") or "release"
    return Rollout(
        id=f"{word[:40]}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}",
        version=release.version,
        sha256=release.sha256,
        stages=parts(asked.stages, [board.id for board in rest]),
        had=had,
        skipped=skipped,
        limit=asked.limit,
        min_boards=asked.min_boards,
        deadline_s=asked.deadline_s,
        pause_between=asked.pause_between,
        asked=asked.as_typed,
        created=now,
    )


def step(server: UpdateServer, rollout: Rollout) -> Rollout:
    """Do what is due now, and return the roll-out as it is kept then.

    Raises:
        BusyError: another command has moved it on meanwhile.
    """
    while rollout.open:
        before = (dict(rollout.boards), rollout.state)
        seen = server.seen(rollout) if rollout.started else {}
        decision = rollout.step(seen, time.time())
        if decision.act == Act.WAIT:
            if rollout.state == State.RUNNING and rollout.started:
                server.offer(rollout)
            if (rollout.boards, rollout.state) != before:
                server.save(rollout)
            return rollout
        if decision.act == Act.START:
            # Kept before it is done: whoever goes on after a crash here offers it again.
            rollout.begin_stage(time.time())
            server.save(rollout)
            server.offer(rollout)
            continue
        if decision.act == Act.FINISH:
            rollout.state = State.FINISHED
        elif decision.act == Act.PAUSE:
            rollout.state = State.PAUSED
            rollout.paused_after = len(rollout.started)
        else:
            # First at the server: from here on nobody new begins, whatever becomes of us.
            server.hold(rollout)
            rollout.state = State.STOPPED
        rollout.why = decision.why
        server.save(rollout)
    return rollout


def look(server: UpdateServer, rollout: Rollout) -> None:
    """Bring the outcomes in *rollout* up to date, for reading: nothing is done or kept."""
    if rollout.open and rollout.started:
        rollout.step(server.seen(rollout), time.time())


def find(server: UpdateServer, name: str | None) -> Rollout:
    """The roll-out called *name*, or the newest.

    Raises:
        UsageError: there is none.
    """
    chosen = server.rollouts(name)
    if not chosen:
        kept = server.rollouts()
        known = ", ".join(one.id for one in kept[-5:])
        raise UsageError(
            f"there is no roll-out {name}; the last ones are {known}."
            if kept and name
            else "there was no roll-out yet. 'pico-ota fleet rollout RELEASE.swu' begins one."
        )
    return chosen[-1]


def pause(server: UpdateServer, rollout: Rollout) -> None:
    """Offer it to nobody, until it is resumed.

    Raises:
        UsageError: it does not run.
    """
    if rollout.state != State.RUNNING:
        raise UsageError(f"the roll-out {rollout.id} does not run: it is {rollout.state}.")
    server.hold(rollout)
    rollout.state, rollout.why = State.PAUSED, "by hand"
    server.save(rollout)


def resume(server: UpdateServer, rollout: Rollout, limit: Amount | None) -> None:
    """Go on after a pause or a stop; *limit* replaces how many boards may break.

    Raises:
        UsageError: it is over, or would stop at once.
    """
    if rollout.state == State.RUNNING:
        server.release(rollout)
        return
    if rollout.state not in (State.PAUSED, State.STOPPED):
        raise UsageError(f"the roll-out {rollout.id} can not be resumed: it is {rollout.state}.")
    if limit is not None:
        rollout.limit = limit
    failed = rollout.count(Outcome.FAILED)
    if failed > rollout.allowed:
        raise UsageError(
            f"{failed} boards have failed, and at most {rollout.allowed} may: it would stop "
            "at once. Raise --max-failures, or abort it and roll out a mended release."
        )
    rollout.go_on(time.time())
    server.save(rollout)
    server.release(rollout)


def abort(server: UpdateServer, rollout: Rollout) -> None:
    """End it for good; boards that have confirmed the release keep it.

    Raises:
        UsageError: it is over already.
    """
    if not rollout.open:
        raise UsageError(f"the roll-out {rollout.id} is over already: it is {rollout.state}.")
    server.hold(rollout)
    rollout.state, rollout.why = State.ABORTED, f"by hand; it was {rollout.state}"
    server.save(rollout)
    server.remove(rollout)


def report(rollout: Rollout) -> dict[str, Any]:
    """The document of ``--json``."""
    return {
        "id": rollout.id,
        "version": rollout.version,
        "state": rollout.state.value,
        "why": rollout.why,
        "created": rollout.created,
        "max_failures": str(rollout.limit),
        "deadline_s": rollout.deadline_s,
        "confirmed": rollout.count(Outcome.CONFIRMED) + len(rollout.had),
        "failed": rollout.count(Outcome.FAILED),
        "lost": rollout.count(Outcome.LOST),
        "stages": [
            {
                "number": number + 1,
                "state": _stage_state(rollout, number),
                "boards": len(stage),
                "confirmed": rollout.count(Outcome.CONFIRMED, among=stage),
                "failed": rollout.count(Outcome.FAILED, among=stage),
                "lost": rollout.count(Outcome.LOST, among=stage),
                "started": rollout.started[number] if number < len(rollout.started) else None,
            }
            for number, stage in enumerate(rollout.stages)
        ],
        "boards": [
            {
                "id": board,
                "stage": number + 1,
                "state": rollout.outcome(board).value,
                "reason": rollout.boards.get(board, ("", ""))[1],
            }
            for number, stage in enumerate(rollout.stages)
            for board in stage
        ],
        "already": rollout.had,
        "skipped": rollout.skipped,
        "failures": failures(rollout),
    }


def failures(rollout: Rollout) -> list[dict[str, str]]:
    """Which boards are broken, and why."""
    return [
        {"id": board, "state": rollout.outcome(board).value, "reason": rollout.boards[board][1]}
        for board in rollout.broken
    ]


def halted(rollout: Rollout) -> HaltedError:
    """The error of a roll-out that is stopped, with the boards in its words."""
    waiting = sum(len(stage) for stage in rollout.stages) - len(rollout.offered)
    broken = failures(rollout)
    boards = "; ".join(f"{one['id']} {one['state']}: {one['reason']}" for one in broken[:3])
    more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
    return HaltedError(
        f"the roll-out {rollout.id} of {rollout.version} is stopped: {rollout.why} ({boards}"
        f"{more}). {waiting} more were never offered it. 'pico-ota fleet rollout abort' ends it, "
        "'resume --max-failures N' goes on.",
        report(rollout),
    )


def _stage_state(rollout: Rollout, number: int) -> str:
    if number >= len(rollout.started):
        return "waiting"
    stage = rollout.stages[number]
    ended = rollout.count(Outcome.CONFIRMED, *BROKEN, among=stage)
    return "done" if ended == len(stage) else "running"


def _typed(asked: dict[str, Any]) -> str:
    deadline = f"--deadline {spoken(asked['deadline_s'])}"
    parts = [f"--stages {asked['stages']}", f"--max-failures {asked['max_failures']}", deadline]
    return " ".join([*parts, f"--min-boards {asked['min_boards']}"])
