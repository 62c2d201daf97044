"""Which boards may start now, and when to stop: the arithmetic of an update in stages.

Until as many boards as there are canaries have confirmed, no more than those are under way, and
one failure stops. After that a few at once, until more have failed than may. Stopping means that
no board is started any more: those under way are finished. So at most ``canary`` boards break
before the first of them has confirmed, and never more than ``max_failures + jobs`` in all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

#: How the update of one board ended; what is in none of these says nothing about the release.
GOOD = ("confirmed", "installed", "already")
FAILED = ("reverted", "failed", "lost")
NOT_REACHED = ("unreachable", "unauthorized")


class Staging:
    """One update of many boards, as it goes.

    Args:
        waiting: the boards that are to be updated, in order.
        canary: how many have to confirm before the others start.
        jobs: how many at once.
        max_failures: it stops when more boards than this have failed.
        before: how boards ended that are not among *waiting*, from an earlier run.
    """

    def __init__(
        self,
        waiting: Iterable[str],
        canary: int,
        jobs: int,
        max_failures: int,
        before: Iterable[str] = (),
    ) -> None:
        self.waiting = deque(waiting)
        self.under_way: set[str] = set()
        self.failures = 0
        self.confirmed = 0
        self._canary = canary
        self._jobs = jobs
        self._max_failures = max_failures
        for outcome in before:
            self._count(outcome)

    @property
    def stopped(self) -> str | None:
        """Why no board is started any more; None while it goes on."""
        if self.failures > self._max_failures:
            return f"{_boards(self.failures)} failed, more than the {self._max_failures} allowed"
        if self.failures and self.confirmed < self._canary:
            return (
                f"{_boards(self.failures)} failed before {self._canary} had confirmed "
                f"({self.confirmed} have)"
            )
        return None

    def start(self) -> str | None:
        """The next board that is to be started now, if any."""
        room = self._jobs
        if self.confirmed < self._canary:
            room = min(room, self._canary - self.confirmed)
        if self.stopped or not self.waiting or len(self.under_way) >= room:
            return None
        board = self.waiting.popleft()
        self.under_way.add(board)
        return board

    def ended(self, board: str, outcome: str) -> None:
        """*board*, which was under way, has come to its *outcome*."""
        self.under_way.remove(board)
        self._count(outcome)

    def _count(self, outcome: str) -> None:
        self.confirmed += outcome in GOOD
        self.failures += outcome in FAILED


def _boards(number: int) -> str:
    return "1 board has" if number == 1 else f"{number} boards have"
