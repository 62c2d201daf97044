"""``pico-ota log`` and ``pico-ota monitor``."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from ..errors import UnreachableError
from .logs import UPDATER, Line, Tail
from .options import verb
from .output import dumps
from .session import Session


class Source(StrEnum):
    """Whose lines are shown."""

    program = "program"
    updater = "updater"


IntervalOption = Annotated[
    float, typer.Option("--interval", metavar="SECONDS", min=0.1, help="Pause between looks.")
]
OnlyOption = Annotated[
    Source | None,
    typer.Option(
        "--only", metavar="program|updater", help="Only what the program prints, or the updater."
    ),
]


@verb(device=True)
def command(
    session: Session,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C, also over restarts.")
    ] = False,
    only: OnlyOption = None,
    interval: IntervalOption = 1.0,
) -> None:
    """Show what the updater and the program have said last.

    The lines of the updater begin with 'ota:', as on the board's own console, unless only they
    are shown. The device keeps the last 1.5 KB that the program prints.

    With --json it is one document; with --follow too, one document per line.

    \b
    Examples:
      pico-ota log
      pico-ota log -f
      pico-ota log -f --only program
    """
    _print(session, follow, only, interval)


@verb(device=True)
def monitor(
    session: Session,
    only: OnlyOption = None,
    interval: IntervalOption = 1.0,
) -> None:
    """Follow the lines of the device until Ctrl-C: 'pico-ota log -f'.

    \b
    Examples:
      pico-ota monitor
    """
    _print(session, True, only, interval)


def _print(session: Session, follow: bool, only: Source | None, interval: float) -> None:
    session.out.lines = follow  # its end, an error, is a line like the others then
    with session.remote() as remote:
        tail = Tail(remote, only and only.value)
        lines = tail.new_lines()
        if not follow:
            session.out.result(_document(tail, lines, only))
            lines += tail.rest()
        _show(session, lines, follow, only)
        while follow:
            remote.sleep(interval)
            try:
                lines = tail.new_lines()
            except UnreachableError as error:
                session.out.detail(str(error))
                remote.drop_connection()
                lines = []
            _show(session, lines, follow, only)


def _document(tail: Tail, lines: list[Line], only: Source | None) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if only != Source.program:
        updater = [line.text for line in lines if line.source == UPDATER]
        document |= {"next": tail.next, "lines": updater}
    if only != Source.updater:
        document["console"] = tail.console
    return document


def _show(session: Session, lines: list[Line], follow: bool, only: Source | None) -> None:
    for line in lines:
        if not session.out.json:
            mine = line.source == UPDATER and only is None
            session.out.show(f"ota: {line.text}" if mine else line.text, "dim" if mine else None)
        elif follow:
            print(dumps({"line": line.text, "from": line.source}))
    sys.stdout.flush()
