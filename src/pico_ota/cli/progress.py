"""Bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..remote import Progress
from .output import Out, amount

if TYPE_CHECKING:
    import rich.progress


class Moving:
    """What moves on a terminal, and leaves no trace there: for a `with` block."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._progress: rich.progress.Progress | None = None
        self._all: rich.progress.TaskID | None = None

    def _start(self, *columns: rich.progress.ProgressColumn) -> rich.progress.Progress:
        from rich.console import Console
        from rich.progress import Progress

        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._progress.start()
        return self._progress

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


class Bars(Moving):
    """Shows how far a transfer is: one bar for the file, one for all.

    Without a terminal each finished file is one line, so that a log stays readable.

    Args:
        out: where to talk to.
        total: all bytes of the transfer.
        done: the word for a finished file.
    """

    def __init__(self, out: Out, total: int, done: str = "sent") -> None:
        super().__init__(out)
        self._total = total
        self._done_word = done
        self._finished = 0
        self._one: rich.progress.TaskID | None = None

    def __enter__(self) -> Self:
        if self._out.bars:
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )

            progress = self._start(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
            )
            self._all = progress.add_task("all", total=self._total)
            self._one = progress.add_task("", total=None, visible=False)
        return self

    def file(self, path: str, size: int) -> Progress:
        """The listener for one file."""
        if self._progress is not None and self._one is not None:
            self._progress.reset(self._one, total=size, description=path, visible=True)
        return _Listener(self._show)

    def finished(self, path: str, size: int) -> None:
        """The device has the whole file."""
        self._finished += size
        self._show(0)
        if self._progress is None:
            self._out.say(f"{self._done_word} {path} ({amount(size)} bytes)")

    def _show(self, sent: int) -> None:
        if self._progress is None or self._all is None or self._one is None:
            return
        self._progress.update(self._one, completed=sent)
        self._progress.update(self._all, completed=self._finished + sent)


class _Listener(Progress):
    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell

    def at(self, sent: int) -> None:
        self._tell(sent)
