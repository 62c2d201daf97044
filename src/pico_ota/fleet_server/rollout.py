"""A roll-out as a state machine that knows no server: what has been seen, and what follows.

running   a stage is at work, or the next one is about to start
paused    somebody paused it, or --pause-between did: no stage starts, nobody new is offered it
stopped   more boards failed or were lost than it allows: as paused, and only resume goes on
finished  every board of every stage has an outcome, and the limit was kept
aborted   somebody ended it for good
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from ..durations import spoken
from .stages import Amount


class State(StrEnum):
    """Of a roll-out."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    ABORTED = "aborted"


class Outcome(StrEnum):
    """Of a board in a roll-out."""

    WAITING = "waiting"  # its stage has not started
    OFFERED = "offered"  # it may fetch the release, and has not begun
    BUSY = "busy"  # it has begun
    CONFIRMED = "confirmed"
    FAILED = "failed"
    LOST = "lost"  # nothing decisive until the deadline


BROKEN = (Outcome.FAILED, Outcome.LOST)
_ENDED = (Outcome.CONFIRMED, *BROKEN)


@dataclass(frozen=True)
class Seen:
    """What the server says of a board.

    Attributes:
        outcome: OFFERED, BUSY, CONFIRMED or FAILED.
        reason: its own words, for a board that failed.
        silent_s: how long it has not asked; None if it never did.
    """

    outcome: Outcome
    reason: str = ""
    silent_s: float | None = None


class Act(StrEnum):
    """What is to be done at the server."""

    WAIT = "wait"
    START = "start"
    PAUSE = "pause"
    STOP = "stop"
    FINISH = "finish"


@dataclass(frozen=True)
class Decision:
    """What is to be done, and why.

    Attributes:
        act: what.
        why: for people; empty for WAIT.
    """

    act: Act
    why: str = ""


@dataclass
class Rollout:
    """One roll-out, as it is kept.

    Attributes:
        id: its name, in files and on the server.
        version: of the release.
        sha256: of its archive.
        stages: the boards of each stage, by id.
        had: boards that ran the release before; they are confirmed and in no stage.
        skipped: boards that the release is not for, with the reason.
        limit: how many may fail or be lost, as ``2`` or ``5%`` of those that were started.
        min_boards: a share is judged within a stage once so many boards have an outcome.
        deadline_s: a board without an outcome so long after its start is lost.
        pause_between: pause after each stage but the last.
        asked: the options that it was made with, as they were typed.
        created: when, in seconds since 1970.
        state: see the table above.
        why: the reason of that state.
        started: when each started stage began.
        boards: outcome and reason of each board in a stage.
        server: what the server's own objects are called.
        paused_after: the number of stages at whose end it was paused, last.
        revision: counts each change of what is kept.
    """

    id: str
    version: str
    sha256: str
    stages: list[list[str]]
    had: list[str]
    skipped: dict[str, str]
    limit: Amount
    min_boards: int
    deadline_s: float
    pause_between: bool
    asked: dict[str, Any]
    created: float
    state: State = State.RUNNING
    why: str = ""
    started: list[float] = field(default_factory=list)
    boards: dict[str, tuple[Outcome, str]] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)
    paused_after: int = 0
    revision: int = 0

    def to_json(self) -> dict[str, Any]:
        """For a file or a server."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Rollout:
        """The reverse of `to_json`.

        Raises:
            ValueError, KeyError, TypeError: it is not one.
        """
        values = {one.name: document[one.name] for one in fields(cls)}
        values["limit"] = Amount(**values["limit"])
        values["state"] = State(values["state"])
        values["boards"] = {
            board: (Outcome(outcome), str(reason))
            for board, (outcome, reason) in values["boards"].items()
        }
        return cls(**values)

    @property
    def current(self) -> int:
        """The number of the stage that was started last, from 0; -1 before the first."""
        return len(self.started) - 1

    @property
    def open(self) -> bool:
        """Whether it may still change the boards."""
        return self.state not in (State.FINISHED, State.ABORTED)

    @property
    def offered(self) -> list[str]:
        """The boards of the stages that were started."""
        return [board for stage in self.stages[: len(self.started)] for board in stage]

    def outcome(self, board: str) -> Outcome:
        """What became of *board* so far."""
        return self.boards.get(board, (Outcome.WAITING, ""))[0]

    def count(self, *outcomes: Outcome, among: Iterable[str] | None = None) -> int:
        """How many boards, of all or *among* some, have one of *outcomes*."""
        chosen = self.offered if among is None else among
        return sum(self.outcome(board) in outcomes for board in chosen)

    @property
    def broken(self) -> list[str]:
        """The boards that failed or are lost, in the order of the stages."""
        return [board for board in self.offered if self.outcome(board) in BROKEN]

    @property
    def allowed(self) -> int:
        """How many may be broken now: a share is one of the boards that were started."""
        return self.limit.at_most(len(self.offered))

    def step(self, seen: Mapping[str, Seen], now: float) -> Decision:
        """Take in what the server says, and decide what follows; changes only the outcomes."""
        for number, began in enumerate(self.started):
            for board in self.stages[number]:
                self.boards[board] = self._judged(board, seen.get(board), now - began)
        if self.state != State.RUNNING:
            return Decision(Act.WAIT)
        if self._beyond():
            return Decision(Act.STOP, self._blame())
        stage = self.stages[self.current] if self.started else []
        if self.count(*_ENDED, among=stage) < len(stage):
            return Decision(Act.WAIT)
        if len(self.started) == len(self.stages):
            return Decision(Act.FINISH, self.summary())
        if self.pause_between and len(self.started) > self.paused_after:
            return Decision(
                Act.PAUSE, f"stage {len(self.started)} of {len(self.stages)} is done, as asked"
            )
        return Decision(Act.START)

    def begin_stage(self, now: float) -> list[str]:
        """Note that the next stage starts; returns its boards."""
        stage = self.stages[len(self.started)]
        self.started.append(now)
        for board in stage:
            self.boards[board] = (Outcome.OFFERED, "")
        return stage

    def go_on(self, now: float) -> None:
        """Run again: who has no outcome gets all the deadline anew, after a stop the lost too."""
        if self.state == State.STOPPED:
            for board, (outcome, _) in list(self.boards.items()):
                if outcome == Outcome.LOST:
                    self.boards[board] = (Outcome.OFFERED, "")
        self.state, self.why = State.RUNNING, ""
        self.started = [now] * len(self.started)

    def _judged(self, board: str, seen: Seen | None, age_s: float) -> tuple[Outcome, str]:
        if seen is not None and seen.outcome in (Outcome.CONFIRMED, Outcome.FAILED):
            return seen.outcome, seen.reason
        # A board that failed may ask again later: that does not unmake its failure.
        if self.outcome(board) in _ENDED:
            return self.boards[board]
        if age_s < self.deadline_s or self.state != State.RUNNING:
            return (seen.outcome if seen else Outcome.OFFERED), ""
        limit = spoken(self.deadline_s)
        if seen is None:
            return Outcome.LOST, "the server does not know it any more"
        if seen.silent_s is None:
            return Outcome.LOST, f"it has never asked the server; the deadline was {limit}"
        if seen.outcome == Outcome.BUSY:
            return Outcome.LOST, f"it began, and reported no outcome within {limit}"
        ago = spoken(seen.silent_s)
        return Outcome.LOST, f"it did not begin within {limit}; it asked last {ago} ago"

    def _beyond(self) -> bool:
        broken = self.count(*BROKEN)
        if broken <= self.allowed:
            return False
        # A share of few boards says little, so min_boards may hold it back, but never beyond
        # the end of a stage: the next one does not start.
        stage_is_done = self.count(*_ENDED) == len(self.offered)
        few = self.limit.percent is not None and self.count(*_ENDED) < self.min_boards
        return stage_is_done or not few

    def _blame(self) -> str:
        broken = self.broken
        failed = self.count(Outcome.FAILED)
        words = []
        if failed:
            words.append(f"{failed} failed")
        if len(broken) > failed:
            words.append(f"{len(broken) - failed} lost")
        share = f" ({self.limit} of the {len(self.offered)} started)"
        allowed = f"{self.allowed}{share if self.limit.percent is not None else ''}"
        return (
            f"stage {len(self.started)} of {len(self.stages)}: {' and '.join(words)}, and at most "
            f"{allowed} may"
        )

    def summary(self) -> str:
        """How many boards have which outcome."""
        total = sum(len(stage) for stage in self.stages)
        confirmed = self.count(Outcome.CONFIRMED) + len(self.had)
        text = f"{confirmed} of {total + len(self.had)} boards are confirmed"
        if broken := self.broken:
            failed = self.count(Outcome.FAILED)
            text += f", {failed} failed, {len(broken) - failed} lost"
        return text
