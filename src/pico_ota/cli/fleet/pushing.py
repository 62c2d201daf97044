"""The run of ``pico-ota fleet push``: look at all boards, start some, hear how they end."""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ...errors import CredentialsError, RevertedError, StoppedError, UnreachableError
from ...fleet.hosts import Board
from ...fleet.staging import FAILED, GOOD, NOT_REACHED, Staging
from ..output import count
from ..session import Session
from .boards import Logins, look
from .bringing import Bringing, Limits, Parcel, Result, decided
from .events import Events


@dataclass(frozen=True)
class Rules:
    """How many at once, and when to stop: see `Staging`."""

    canary: int
    jobs: int
    max_failures: int


class Pushing:
    """One release to many boards."""

    def __init__(
        self,
        session: Session,
        boards: list[Board],
        logins: Logins,
        what: Parcel,
        rules: Rules,
        limits: Limits,
    ) -> None:
        self._session = session
        self._boards = {board.name: board for board in boards}
        self._logins = logins
        self._what = what
        self._rules = rules
        self._limits = limits
        self._results: dict[str, Result] = {}
        self._news: queue.Queue[tuple[str, Any, int | None]] = queue.Queue()

    def run(self, dry_run: bool) -> int:
        """Bring it to all, say how it went, and return the exit status.

        Raises:
            StoppedError: Ctrl-C; boards under way were left in a good state first.
        """
        out, version = self._session.out, self._what.version
        with Events(out, len(self._boards), version) as events:
            for name, result in self._look():
                self._results[name] = result
                events.ended(self._boards[name], result)
            waiting = [name for name in self._boards if name not in self._results]
            outcomes = [result.outcome for result in self._results.values()]
            rules = self._rules
            staging = Staging(waiting, rules.canary, rules.jobs, rules.max_failures, outcomes)
            interrupted = False
            if not dry_run:
                interrupted = self._bring(staging, events)
        return self._end(staging, dry_run, interrupted)

    def _look(self) -> list[tuple[str, Result]]:
        """What the boards themselves say: those that need nothing, or cannot be reached."""
        known = []
        boards = list(self._boards.values())
        for each in look(self._session, boards, self._logins, max(self._rules.jobs, 8)):
            result: Result | None
            if each.status is not None:
                result = decided(each.status, self._what.version, self._limits.force)
            elif isinstance(each.error, CredentialsError):
                result = Result("unauthorized", str(each.error))
            else:
                result = Result("unreachable", str(each.error))
            if result is not None:
                known.append((each.board.name, result))
        return known

    def _bring(self, staging: Staging, events: Events) -> bool:
        """Start boards as `Staging` says until none is left; True after Ctrl-C."""
        interrupted = False
        with ThreadPoolExecutor(max_workers=self._rules.jobs) as pool:
            while True:
                while not interrupted and (name := staging.start()) is not None:
                    events.state(self._boards[name], "waiting", None)
                    pool.submit(self._one, self._boards[name])
                if not staging.under_way:
                    return interrupted
                try:
                    name, what, percent = self._news.get()
                except KeyboardInterrupt:
                    interrupted = True
                    self._limits.stopping.set()
                    events.say("Stopping: the boards under way are left in a good state first.")
                    continue
                if isinstance(what, BaseException):
                    self._limits.stopping.set()
                    raise what
                if isinstance(what, Result):
                    staging.ended(name, what.outcome)
                    self._results[name] = what
                    events.ended(self._boards[name], what)
                else:
                    events.state(self._boards[name], what, percent)

    def _one(self, board: Board) -> None:
        def tell(state: str, percent: int | None) -> None:
            self._news.put((board.name, state, percent))

        bringing = Bringing(self._session, board, self._logins, self._what, self._limits, tell)
        try:
            self._news.put((board.name, bringing.run(), None))
        except BaseException as error:
            self._news.put((board.name, error, None))

    def _end(self, staging: Staging, dry_run: bool, interrupted: bool) -> int:
        out, version = self._session.out, self._what.version
        good, failed, away = (self._of(kind) for kind in (GOOD, FAILED, NOT_REACHED))
        # With stopped ones: those that Ctrl-C has caught.
        left = [name for name in self._boards if name not in self._results]
        left += self._of(("stopped",))
        status = self._status(staging, interrupted)
        out.line(
            {
                "event": "end",
                "version": version,
                "exit_status": status,
                "stopped": staging.stopped,
                "confirmed": good,
                "failed": {name: self._results[name].reason for name in failed},
                "not_reached": {name: self._results[name].reason for name in away},
                "not_started": left,
            }
        )
        total = count(len(self._boards), "board")
        verb = "runs" if len(good) == 1 else "run"
        out.say(f"{len(good)} of {total} {verb} {version}.", "green" if not status else None)
        if staging.stopped:
            out.warn(f"stopped: {staging.stopped}. 'pico-ota fleet status' shows what runs where.")
        for title, names in (("failed", failed), ("not reached", away)):
            if names:
                out.warn(f"{title}: {', '.join(names)}.")
        if left and dry_run:
            out.say(f"Would be updated: {', '.join(left)}. Dry run: nothing was changed.")
        elif left:
            out.warn(f"not started: {', '.join(left)}. The same command goes on with them.")
        if interrupted:
            raise StoppedError("interrupted: the same command goes on where this one ended.")
        return status

    def _of(self, outcomes: tuple[str, ...]) -> list[str]:
        return [name for name, result in self._results.items() if result.outcome in outcomes]

    def _status(self, staging: Staging, interrupted: bool) -> int:
        outcomes = {result.outcome for result in self._results.values()}
        if interrupted:
            return StoppedError.exit_status
        if staging.stopped or "reverted" in outcomes:
            return RevertedError.exit_status
        if outcomes & set(FAILED):
            return 1
        if "unreachable" in outcomes:
            return UnreachableError.exit_status
        return CredentialsError.exit_status if "unauthorized" in outcomes else 0
