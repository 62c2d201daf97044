"""How many boards a roll-out takes at a time, and how many may break before it stops."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)%")
_COUNT = re.compile(r"\d{1,9}")
MOST_STAGES = 50


@dataclass(frozen=True)
class Amount:
    """So many boards, or such a share of them; one of the two is None."""

    count: int | None
    percent: float | None

    def __str__(self) -> str:
        return f"{self.percent:g}%" if self.percent is not None else str(self.count)

    def at_least(self, boards: int) -> int:
        """This share of *boards*, rounded up: at least one board of a stage that is not 0%."""
        if self.percent is None:
            return min(self.count or 0, boards)
        return min(math.ceil(_share(self.percent, boards)), boards)

    def at_most(self, boards: int) -> int:
        """This share of *boards*, rounded down: a limit is not stretched."""
        if self.percent is None:
            return self.count or 0
        return math.floor(_share(self.percent, boards))


def _share(percent: float, boards: int) -> float:
    # 0.07 * 100 is 7.000000000000001, which would round up to 8.
    return round(percent * boards / 100, 6)


def amount(text: str, option: str) -> Amount:
    """Read ``2`` or ``10%``.

    Raises:
        UsageError: *text* is neither.
    """
    text = text.strip()
    if found := _PERCENT.fullmatch(text):
        if float(found[1]) <= 100:
            return Amount(None, float(found[1]))
    elif _COUNT.fullmatch(text):
        return Amount(int(text), None)
    raise UsageError(f"{option} {text}: expected a number of boards, or a share such as 10%.")


def stages(text: str) -> tuple[Amount, ...]:
    """Read ``2,10%,50%,100%``: how many boards shall have the release after each stage.

    Raises:
        UsageError: it is empty, or a later stage would not reach further than the one before.
    """
    found = tuple(amount(part, "--stages") for part in text.split(","))
    if len(found) > MOST_STAGES:
        raise UsageError(f"--stages has {len(found)} stages; at most {MOST_STAGES} are possible.")
    for before, after in zip((Amount(0, None), *found), found, strict=False):
        kinds = ((before.count, after.count), (before.percent, after.percent))
        for low, high in kinds:
            if low is not None and high is not None and high <= low:
                raise UsageError(
                    f"--stages {text}: {after} does not reach further than {before}. Each stage "
                    "says how many boards have the release when it is done: 2,10%,100%."
                )
        if after.percent == 0:
            raise UsageError(f"--stages {text}: a stage of 0% updates nobody.")
    return found


def parts(wanted: Sequence[Amount], boards: Sequence[str]) -> list[list[str]]:
    """Which of *boards* each stage updates, in their order; stages that add nobody fall away."""
    made = []
    done = 0
    for stage in wanted:
        until = max(done, stage.at_least(len(boards)))
        if until > done:
            made.append(list(boards[done:until]))
        done = until
    return made
