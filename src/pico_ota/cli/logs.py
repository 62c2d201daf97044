"""Reading what a device says piece by piece: the updater's log, and what the program prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import RefusedError
from ..remote import Remote

UPDATER = "updater"
PROGRAM = "program"
_LONGEST = 4096  # of a line that has no end yet


@dataclass(frozen=True)
class Line:
    """One line, and of whom it is: UPDATER or PROGRAM."""

    source: str
    text: str


class Tail:
    """Gives each line once, also when the device restarts and begins to count anew.

    Args:
        remote: the device.
        only: UPDATER or PROGRAM; None is both.
    """

    def __init__(self, remote: Remote, only: str | None = None) -> None:
        self._remote = remote
        self._only = only
        self._boot_id: object = None
        self._printed = 0
        self._rest = ""  # of the last line, whose end has not come yet
        self._has_console = only != UPDATER
        self.next = 0
        #: What was last answered of the console.
        self.console: dict[str, Any] = {}

    def new_lines(self) -> list[Line]:
        """The lines since the last call, the updater's first."""
        found: list[Line] = []
        asked = self._printed
        console = self._ask()
        boot_id = console["boot_id"] if console else self._remote.info()["boot_id"]
        if boot_id != self._boot_id:
            found += self.rest()
            self._boot_id, self.next, self._printed = boot_id, 0, 0
            if asked:
                console = self._ask()
        if self._only != PROGRAM:
            self.next, lines = self._remote.log(self.next)
            found += [Line(UPDATER, line) for line in lines]
        if console:
            found += self._split(console)
        return found

    def drop_connection(self) -> None:
        """Begin with a new connection at the next call."""
        self._remote.drop_connection()

    def _ask(self) -> dict[str, Any] | None:
        if not self._has_console:
            return None
        try:
            return self._remote.console(self._printed)
        except RefusedError as error:
            if error.status != 404:
                raise
            self._has_console = False  # an updater from before there was one
            return None

    def _split(self, console: dict[str, Any]) -> list[Line]:
        text, missed = console["text"], console["missed"]
        found = []
        if missed and self._printed:
            found = [*self.rest(), Line(PROGRAM, f"({missed} bytes came too fast to be kept)")]
        self.console, self._printed = console, console["next"]
        *lines, self._rest = (self._rest + text).split("\n")
        found += [Line(PROGRAM, line) for line in lines]
        if not text or len(self._rest) > _LONGEST:
            found += self.rest()  # as a prompt, which has no end
        return found

    def rest(self) -> list[Line]:
        """What has come of a line without an end, as a line."""
        rest, self._rest = self._rest, ""
        return [Line(PROGRAM, rest)] if rest else []
