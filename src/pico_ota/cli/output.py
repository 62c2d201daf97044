"""What the verbs say: lines for people, one JSON document for programs, errors on stderr."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import PicoOtaError, StoppedError

_COLOURS = {"green": "32", "yellow": "33", "red": "31", "dim": "2", "bold": "1"}


class Out:
    """Where a verb talks to.

    Args:
        quiet: no lines but results and errors.
        verbose: 1 adds details on stderr, 2 each request.
        json: one document on stdout instead of lines.
    """

    def __init__(self, quiet: bool = False, verbose: int = 0, json: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.json = json
        #: With ``json``: whether there are many documents, each on a line of its own.
        self.lines = False
        self._live: Any = None

    def say(self, text: str = "", colour: str | None = None) -> None:
        """A line about what is going on; *text* may hold words of the device."""
        if not self.quiet and not self.json:
            if self._live is not None:
                self._live.print(clean(text), style=colour, markup=False, highlight=False)
            else:
                print(paint(clean(text), colour), flush=True)

    def show(self, text: str, colour: str | None = None) -> None:
        """A line that is the result itself: not silenced by ``--quiet``."""
        if not self.json:
            print(paint(clean(text), colour))

    def detail(self, text: str, level: int = 1) -> None:
        """A line for ``-v``."""
        if self.verbose >= level:
            print(clean(text), file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Something that is not as it should be, but does not stop the verb."""
        if not self.quiet:
            print(f"pico-ota: warning: {clean(text)}", file=sys.stderr, flush=True)

    def result(self, document: Any) -> None:
        """The document of ``--json``."""
        if self.json:
            print(dumps(document, indent=None if self.lines else 2))

    def line(self, document: Any) -> None:
        """One of many documents of ``--json``, on a line of its own."""
        if self.json:
            print(dumps(document), flush=True)

    def error(self, error: PicoOtaError) -> int:
        """Say what went wrong, once; returns the exit status."""
        print(f"pico-ota: {clean(str(error))}", file=sys.stderr)
        details = getattr(error, "details", {})
        for line in indented(details.get("traceback")):
            print(line, file=sys.stderr)
        document = {
            "error": error.word,
            "message": str(error),
            "exit_status": error.exit_status,
        }
        self.result(details | document)
        return error.exit_status

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under a head, in columns as wide as they need to be."""
        if self.json:
            return
        texts = [[clean(cell) for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in [list(head), *texts]) for i in range(len(head))]
        for number, row in enumerate([list(head), *texts]):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print(paint("  ".join(cells).rstrip(), "bold" if number == 0 else None))

    @contextmanager
    def busy(self, text: str, meanwhile: str = "") -> Iterator[None]:
        """Show on a terminal that something is going on.

        Raises:
            StoppedError: Ctrl-C; it says what the device does *meanwhile*, where that is given.
        """
        try:
            if self.bars:
                from rich.console import Console

                # Lines that are said meanwhile go above it.
                self._live = Console(stderr=True)
                with self._live.status(text):
                    yield
            else:
                yield
        except KeyboardInterrupt:
            if not meanwhile:
                raise
            raise StoppedError(f"interrupted: {meanwhile}") from None
        finally:
            self._live = None

    @property
    def bars(self) -> bool:
        """Whether moving bars may be drawn."""
        return not (self.quiet or self.json) and interactive(sys.stderr)


def dumps(document: Any, indent: int | None = None) -> str:
    """*document* as JSON that standard output can hold and that steers no terminal."""
    import json

    text = json.dumps(document, ensure_ascii=False, indent=indent)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent)
    if text.replace("\n", "").isprintable():
        return text
    return json.dumps(document, indent=indent)


def open_what_is_closed() -> None:
    """Let output that the caller has closed (``>&-``) go nowhere, not into a file opened later."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def escape_what_cannot_be_shown() -> None:
    """Let no name break a verb whose output goes where that name cannot be written.

    That is a pipe in an old code page, or a name here that is not UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def interactive(stream: Any) -> bool:
    """Whether *stream* is a terminal that somebody watches."""
    return (
        stream is not None
        and stream.isatty()
        and not os.environ.get("CI")
        and os.environ.get("TERM") != "dumb"
    )


def paint(text: str, colour: str | None) -> str:
    """*text* in *colour* where the terminal and NO_COLOR allow it."""
    if colour is None or os.environ.get("NO_COLOR") or not interactive(sys.stdout):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def clean(text: str) -> str:
    """*text* without control characters: a name on a device must not steer this terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in text)


def indented(text: object) -> list[str]:
    """The lines of a traceback of a device, None or odd ones included, to be shown apart."""
    return [f"    {clean(line)}" for line in str(text or "").splitlines()]


def amount(size: int) -> str:
    """A number of bytes with its thousands apart: ``23 440``."""
    return f"{size:,}".replace(",", " ")


def count(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
