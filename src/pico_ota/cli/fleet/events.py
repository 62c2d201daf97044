"""What many boards do at once: a table on a terminal, plain lines elsewhere, JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ...fleet.hosts import Board, as_json
from ...fleet.staging import GOOD
from ..output import Out, clean
from ..progress import Moving
from .bringing import Result

if TYPE_CHECKING:
    import rich.progress

_STATES = {
    "waiting": "asks what it needs",
    "sending": "takes the files",
    "trying": "restarts, and has to prove healthy",
}


class Events(Moving):
    """Shows each thing that happens, once."""

    def __init__(self, out: Out, boards: int, version: str) -> None:
        super().__init__(out)
        self._boards = boards
        self._version = version
        self._rows: dict[str, rich.progress.TaskID] = {}
        self._told: dict[str, tuple[str, int | None]] = {}

    def __enter__(self) -> Self:
        self._out.line({"event": "start", "version": self._version, "boards": self._boards})
        if self._out.bars:
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

            progress = self._start(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[state]}", markup=False),
                TimeElapsedColumn(),
            )
            self._all = progress.add_task("all", total=self._boards, state="")
        return self

    def say(self, text: str) -> None:
        """A line for people, above what moves."""
        if self._progress is not None:
            self._progress.console.print(clean(text), markup=False, highlight=False)
        else:
            self._out.say(text)

    def state(self, board: Board, state: str, percent: int | None) -> None:
        """What *board* does now, and how far it is."""
        name = board.name
        if self._progress is not None:
            if name not in self._rows:
                self._rows[name] = self._progress.add_task(name, total=100, state="")
            done = 100 if state == "trying" else percent or 0
            self._progress.update(
                self._rows[name], completed=done, state=_STATES.get(state, state)
            )
            return
        # A log has a line for each tenth, at most.
        told = (state, percent // 10 if percent is not None else None)
        if self._told.get(name) == told:
            return
        first = self._told.get(name, ("", None))[0] != state
        self._told[name] = told
        self._out.line({"event": "board"} | as_json(board) | {"state": state, "percent": percent})
        if first:
            self.say(f"{name}: {_STATES.get(state, state)}.")

    def ended(self, board: Board, result: Result) -> None:
        """The outcome of *board*."""
        good = result.outcome in GOOD
        self._out.line(
            {"event": "board"}
            | as_json(board)
            | {"outcome": result.outcome, "reason": result.reason or None}
        )
        text = f"runs {self._version} already" if result.outcome == "already" else result.outcome
        if good and result.outcome != "already":
            text = f"{result.outcome}: it runs {self._version}"
        reason = f": {result.reason}" if result.reason else ""
        line = f"{board.name}: {text}{reason}".rstrip(".") + "."
        if self._progress is not None and self._all is not None:
            row = self._rows.pop(board.name, None)
            if row is not None:
                self._progress.remove_task(row)
            self._progress.advance(self._all)
        self.say(line)
