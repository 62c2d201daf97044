"""The boards of a fleet, as ``fleet.toml`` lists them.

    user = "admin"                    # for all, optional
    password_file = "password"        # for all, optional

    [boards]
    kitchen = "192.168.1.7"
    garden = "pico-garden.local:8080"
    cellar = { host = "192.168.1.9", user = "admin", password_file = "cellar.password" }

A password itself is refused there: the file is meant to be shared.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import target
from ..discovery import Device
from ..errors import UsageError
from ..target import Target

MAX_FILE = 1 << 20
MAX_BOARDS = 10_000
MAX_NAME = 64
_ENTRY = ("host", "user", "password_file")


@dataclass(frozen=True)
class Board:
    """One board of a fleet.

    Attributes:
        name: what people call it.
        target: where it listens.
        user: to log in with; None: as for all.
        password_file: its own; None: as for all.
    """

    name: str
    target: Target
    user: str | None = None
    password_file: Path | None = None


def is_file(text: str) -> bool:
    """Whether *text*, given as one of the hosts, means a file that lists boards."""
    path = "/" in text.removeprefix("http://").rstrip("/")
    return path or text.endswith(".toml") or Path(text).is_file()


def load(path: Path) -> list[Board]:
    """The boards that *path* lists, in its order.

    Raises:
        UsageError: it cannot be read; the text says in which line what was expected.
    """
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8-sig") if size <= MAX_FILE else ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(
            f"cannot read {path}: {reason}. 'pico-ota fleet discover --save {path}' writes one."
        ) from error
    if size > MAX_FILE:
        raise UsageError(f"{path} has {size} bytes: a list of boards has at most {MAX_FILE}.")
    return _File(path, text).boards()


class _File:
    """One reading of one file."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text

    def boards(self) -> list[Board]:
        try:
            entries = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                f"{self._path} is not TOML: {error}. Expected [boards] and below it lines such as "
                'kitchen = "192.168.1.7".'
            ) from error
        for name in entries:
            self._refuse_a_password(name)
            if name not in ("boards", "user", "password_file"):
                raise self._bad(name, "expected 'user', 'password_file' or [boards]")
        user = self._user("user", entries)
        file = self._password_file("password_file", entries)
        listed = entries.get("boards")
        if not isinstance(listed, dict) or not listed:
            raise self._bad(
                "boards", 'expected [boards] and below it lines such as kitchen = "192.168.1.7"'
            )
        if len(listed) > MAX_BOARDS:
            raise UsageError(f"{self._path} lists {len(listed)} boards: at most {MAX_BOARDS}.")
        boards = [self._board(name, value, user, file) for name, value in listed.items()]
        seen: dict[Target, str] = {}
        for board in boards:
            other = seen.setdefault(board.target, board.name)
            if other != board.name:
                raise self._bad(
                    board.name, f"expected another host than '{other}' has, {board.target}"
                )
        return boards

    def _board(self, name: str, value: object, user: str | None, file: Path | None) -> Board:
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise self._bad(name, f"expected a name of 1 to {MAX_NAME} printable characters")
        fields = {"host": value} if isinstance(value, str) else value
        if not isinstance(fields, dict) or "host" not in fields:
            raise self._bad(
                name,
                'expected a host such as "192.168.1.7:8080", or { host = "192.168.1.7", '
                'password_file = "FILE" }',
            )
        for field in fields:
            self._refuse_a_password(field, name)
            if field not in _ENTRY:
                raise self._bad(name, f"'{field}' is unknown: expected {', '.join(_ENTRY)}")
        try:
            where = target.parse(self._text_of(name, fields["host"]))
        except UsageError as error:
            raise self._bad(name, str(error).rstrip(".")) from error
        return Board(
            name,
            where,
            self._user(name, fields) or user,
            self._password_file(name, fields) or file,
        )

    def _user(self, name: str, fields: dict[str, Any]) -> str | None:
        return self._text_of(name, fields["user"]) if "user" in fields else None

    def _password_file(self, name: str, fields: dict[str, Any]) -> Path | None:
        if "password_file" not in fields:
            return None
        file = self._text_of(name, fields["password_file"])
        path = self._path.parent / file
        # The list may be a stranger's: it must not send what lies elsewhere on this computer.
        if not path.resolve().is_relative_to(self._path.parent.resolve()):
            raise self._bad(
                name,
                f"expected a password_file in the folder of this list, got {file}; "
                "--password-file takes any",
            )
        return path

    def _text_of(self, name: str, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise self._bad(name, f"expected a text in quotes, got {value!r}")
        return value

    def _refuse_a_password(self, field: str, name: str | None = None) -> None:
        if "password" in field.lower() and field != "password_file":
            raise self._bad(
                name or field,
                f"'{field}' does not belong in a file that is shared: expected password_file, "
                "PICO_OTA_PASSWORD or the keyring",
            )

    def _bad(self, name: str, what: str) -> UsageError:
        return UsageError(f"{self._path}, line {self._line(name)}: '{name}': {what}.")

    def _line(self, name: str) -> int:
        """Where *name* stands; the last line of the file where it does not."""
        key = re.escape(name)
        for spelled in (rf"^\s*[\"']?{key}[\"']?\s*=", rf"^\s*\[.*\b{key}\b.*\]", key):
            found = re.search(spelled, self._text, re.MULTILINE)
            if found:
                return self._text.count("\n", 0, found.end()) + 1
        return self._text.count("\n") + 1


def chosen(boards: Iterable[Board], names: Iterable[str], path: Path) -> list[Board]:
    """Those of *boards* that *names* names, by name or by address, in that order.

    Raises:
        UsageError: there is none of that name in *path*.
    """
    by_name = {board.name: board for board in boards}
    by_place = {board.target: board for board in by_name.values()}
    found = []
    for name in names:
        board = by_name.get(name) or by_place.get(target.parse(name))
        if board is None:
            known = ", ".join(list(by_name)[:20])
            raise UsageError(f"{path} lists no board '{name}'. Known are {known}.")
        found.append(board)
    return list(dict.fromkeys(found))


# --- writing ---------------------------------------------------------------------------------


def listing(devices: Iterable[Device], text: str = "") -> tuple[str, list[str], list[str]]:
    """*text*, a list of boards, with *devices* in it.

    Lines that are there stay, but for the address of a known name that is now at another one.

    Returns:
        The new text, the names that were added, and those whose address changed.
    """
    known = _boards_of(text)
    places = {str(board.target) for board in known.values()}
    lines = text.splitlines() if text else ["# The boards of a fleet: name = host.", "[boards]"]
    added, moved = [], []
    for device in devices:
        where = str(Target(device.address, device.port))
        name = _key(device)
        if where in places:
            continue
        if name in known and name not in added:
            at = _simple_line(lines, name)
            if at is not None:
                lines[at] = f'{name} = "{where}"'
                moved.append(name)
                places.add(where)
                continue
        while name in known:
            name += "-2"
        known[name] = Board(name, target.parse(where))
        places.add(where)
        lines.insert(_end_of_boards(lines), f'{name} = "{where}"')
        added.append(name)
    return "\n".join(lines) + "\n", added, moved


def _boards_of(text: str) -> dict[str, Board]:
    if not text:
        return {}
    return {board.name: board for board in _File(Path("fleet.toml"), text).boards()}


def _key(device: Device) -> str:
    """A name that needs no quotes, of what the network says about *device*."""
    plain = re.fullmatch(r"[A-Za-z0-9_-]{1,63}", device.name, re.ASCII)
    return device.name if plain else device.address.replace(".", "-").replace(":", "-")


def _simple_line(lines: list[str], name: str) -> int | None:
    spelled = re.compile(rf'\s*{re.escape(name)}\s*=\s*"[^"]*"\s*')
    return next((at for at, line in enumerate(lines) if spelled.fullmatch(line)), None)


def _end_of_boards(lines: list[str]) -> int:
    """Behind the last line of the table [boards]."""
    start = next((at for at, line in enumerate(lines) if line.strip() == "[boards]"), None)
    if start is None:
        raise UsageError("expected a line [boards] in the list: its boards cannot be added to.")
    end = start + 1
    for at in range(start + 1, len(lines)):
        if lines[at].lstrip().startswith("["):
            break
        if lines[at].strip() and not lines[at].lstrip().startswith("#"):
            end = at + 1
    return end


def as_json(board: Board) -> dict[str, Any]:
    """What programs hear of *board*."""
    return {"name": board.name, "host": str(board.target)}
