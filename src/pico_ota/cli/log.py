"""``pico-ota log``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UnreachableError
from .options import verb
from .output import dumps
from .session import Session

IntervalOption = Annotated[
    float, typer.Option("--interval", metavar="SECONDS", min=0.1, help="Pause between looks.")
]


@verb(device=True)
def command(
    session: Session,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C, also over restarts.")
    ] = False,
    interval: IntervalOption = 1.0,
) -> None:
    """Show the last lines that the updater wrote.

    With --json it is one document; with --follow too, one document per line.

    \b
    Examples:
      pico-ota log
      pico-ota log -f
    """
    _print(session, follow, interval)


@verb(device=True)
def monitor(
    session: Session,
    interval: IntervalOption = 1.0,
) -> None:
    """Follow the lines of the device until Ctrl-C: 'pico-ota log -f'.

    \b
    Examples:
      pico-ota monitor
    """
    _print(session, True, interval)


def _print(session: Session, follow: bool, interval: float) -> None:
    from .logs import Tail

    with session.remote() as remote:
        tail = Tail(remote)
        lines = tail.new_lines()
        if not follow:
            session.out.result({"next": tail.next, "lines": lines})
        _show(session, lines, follow)
        while follow:
            remote.sleep(interval)
            try:
                lines = tail.new_lines()
            except UnreachableError as error:
                session.out.detail(str(error))
                remote.drop_connection()
                lines = []
            _show(session, lines, follow)


def _show(session: Session, lines: list[str], follow: bool) -> None:
    for line in lines:
        if not session.out.json:
            session.out.show(line)
        elif follow:
            print(dumps({"line": line}), flush=True)
