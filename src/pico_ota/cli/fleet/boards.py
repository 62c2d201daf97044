"""Which boards are meant, how to log in at each, and asking all of them at once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ... import credentials, target
from ...errors import PicoOtaError, UsageError
from ...fleet import hosts as lists
from ...fleet.hosts import Board
from ..session import Session

if TYPE_CHECKING:
    from ...remote import Remote

HostsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--hosts",
        metavar="FILE|NAME",
        help="A list of boards (fleet.toml), or a name or address. Repeatable, or with commas.",
    ),
]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME...]", help="Of the list only these; without a list, names or addresses."
    ),
]
JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", metavar="N", min=1, max=64, help="How many boards at once.")
]


def chosen(session: Session, hosts: list[str] | None, names: list[str] | None) -> list[Board]:
    """The boards that the options name, each once.

    Raises:
        UsageError: none is named, or a list cannot be read.
    """
    given = [text for entry in hosts or () for text in entry.split(",") if text]
    files = [Path(text) for text in given if lists.is_file(text)]
    loose = [text for text in given if not lists.is_file(text)]
    loose += [*(names or ()), *session.settings.hosts]
    if len(files) > 1:
        raise UsageError(
            f"expected one list of boards behind --hosts, got {files[0]} and {files[1]}."
        )
    if files:
        listed = lists.load(files[0])
        return lists.chosen(listed, loose, files[0]) if loose else listed
    if not loose and os.environ.get("PICO_OTA_HOST"):
        loose = [os.environ["PICO_OTA_HOST"]]
    by_place: dict[target.Target, Board] = {}
    for text in loose:
        where = target.parse(text)
        by_place.setdefault(where, Board(text, where))
    boards = list(by_place.values())
    if not boards:
        raise UsageError(
            "which boards? Give --hosts fleet.toml, or their names. "
            "'pico-ota fleet discover --save fleet.toml' writes a list of those here."
        )
    return boards


class Logins:
    """User name and password of each board; what has to be asked for is asked once, for all."""

    def __init__(self, session: Session, boards: Iterable[Board]) -> None:
        self._session = session
        self._asked: str | None = None
        self._of = {board.name: self._login(board) for board in boards}

    def __getitem__(self, board: Board) -> tuple[str, str]:
        return self._of[board.name]

    def _login(self, board: Board) -> tuple[str, str]:
        settings = self._session.settings
        user = settings.user or board.user or self._session.user
        file = board.password_file or settings.password_file
        given = None if board.password_file else settings.password
        if file is not None and file == settings.password_file:
            given = given or self._once(file)
        return user, credentials.password(user, board.target, given, file, self._ask())

    def _once(self, file: Path) -> str:
        # Read once: it may be standard input.
        if self._asked is None:
            self._asked = credentials.read_file(file)
        return self._asked

    def _ask(self) -> Callable[[str], str] | None:
        ask = credentials.prompt()
        if ask is None:
            return None

        def once(question: str) -> str:
            if self._asked is None:
                self._asked = ask("Password of the boards: ")
            return self._asked

        return once


def connect(
    session: Session,
    board: Board,
    logins: Logins,
    sleep: Callable[[float], None] = time.sleep,
) -> Remote:
    """*board*, ready to be talked to; *sleep* stands in for `time.sleep`."""
    from ...remote import Remote

    def say(text: str, level: int = 1) -> None:
        session.out.detail(f"{board.name}: {text}", level)

    user, password = logins[board]
    return Remote(
        board.target,
        user,
        lambda: password,
        basic=session.settings.basic,
        timeout_s=session.settings.timeout,
        retries=session.settings.retries,
        on_retry=lambda why, pause: session.out.detail(
            f"{board.name}: {why}: again in {pause:g} s"
        ),
        on_answer=lambda line: session.out.detail(f"{board.name}: {line}", level=2),
        sleep=sleep,
    )


@dataclass(frozen=True)
class Look:
    """What one board said when it was asked for its status; either of the two is None."""

    board: Board
    status: dict[str, Any] | None
    error: PicoOtaError | None = None


def ask(session: Session, board: Board, logins: Logins, stopping: threading.Event) -> Look:
    """Ask *board* for its status; nothing is waited for any more once *stopping* is set."""

    def pause(seconds: float) -> None:
        stopping.wait(seconds)

    if stopping.is_set():
        return Look(board, None)
    try:
        with connect(session, board, logins, pause) as remote:
            remote.info()
            return Look(board, remote.status())
    except PicoOtaError as error:
        return Look(board, None, error)


def look(session: Session, boards: list[Board], logins: Logins, jobs: int) -> Iterator[Look]:
    """Ask *boards* for their status, *jobs* at once; in their order."""
    stopped = threading.Event()
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            yield from pool.map(lambda board: ask(session, board, logins, stopped), boards)
        finally:
            stopped.set()
