"""``sw-description``: what an update consists of, as libconfig text in one canonical form.

Canonical means: one thing per line, in one order, written in one way, so that a device reads it
line by line without holding it, and so that the same update is always the same bytes. Stock tools
read the same text as ordinary libconfig and pass over the group ``pico-ota``. docs/format.md lists
every line. The description of a release names boards and a floor, that of a push neither.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from ..paths import MAX_BYTES, MAX_ENTRIES
from .errors import ReleaseError
from .native import ARCHITECTURES
from .paths import (
    check_brought,
    check_counts,
    check_guard,
    check_names,
    check_path,
    check_place,
)
from .version import Version

FORMAT = 1
MICROPYTHON = "1.25.0"  # the lowest that runs the updater
MAX_SIZE = 192 * 1024
MAX_LINE = 512
MAX_BOARDS = 8

_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_MICROPYTHON = re.compile(r"(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})", re.ASCII)
_MPY = re.compile(r"([1-9]\d?)\.(\d)", re.ASCII)
_BOARD = re.compile(r'([A-Z][A-Z0-9_]{0,39}) = \{ hardware-compatibility = \[ (".*") \]; \};')
_REVISION = re.compile(r"[0-9A-Za-z.]{1,15}", re.ASCII)
_NUMBER = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_WORD = re.compile(r"[!#-\[\]-~]{1,40}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class ListedFile:
    """One file of an update.

    Attributes:
        filename: its name in the archive.
        path: where it goes on the device.
        sha256: 64 lower-case hex digits.
        size: in bytes.
        check: the cpio checksum of its content.
        once: installed where it is missing, and never over one that is there.
    """

    filename: str
    path: str
    sha256: str
    size: int
    check: int
    once: bool = False

    def render(self) -> str:
        """Return its line in the description, without the comma."""
        once = " once = true;" if self.once else ""
        return (
            f'{{ filename = "{self.filename}"; path = "{self.path}"; sha256 = "{self.sha256}";'
            f' size = {self.size}; chksum = "{self.check:08X}";{once} }}'
        )


@dataclass(frozen=True)
class Description:
    """An update without the contents of its files.

    Attributes:
        version: what it is called; a version as semver.org writes it, for a push any word.
        boards: pairs of a board's name and the hardware revisions that it may have; none: any.
        micropython: the lowest MicroPython that runs it.
        mpy: format of its ``.mpy`` files, such as ``6.3``; empty when there are none.
        arch: architecture of their native code; empty when there is none.
        floor: the lowest version that is still accepted after this one; empty: as before.
        trial: whether it has to prove itself before it is kept.
        files: what it brings, in order of their paths.
        deletes: paths that it removes, in order.
    """

    version: str
    files: tuple[ListedFile, ...]
    deletes: tuple[str, ...] = ()
    boards: tuple[tuple[str, tuple[str, ...]], ...] = ()
    floor: str = ""
    micropython: str = MICROPYTHON
    mpy: str = ""
    arch: str = ""
    trial: bool = True

    @property
    def size(self) -> int:
        """The sum of the sizes of all files."""
        return sum(file.size for file in self.files)

    def render(self) -> bytes:
        """Return the canonical text."""
        return "".join(f"{line}\n" for line in self._lines()).encode()

    def _lines(self) -> Iterator[str]:
        yield "software ="
        yield "{"
        yield f'version = "{self.version}";'
        for board, revisions in self.boards:
            listed = ", ".join(f'"{revision}"' for revision in revisions)
            yield f"{board} = {{ hardware-compatibility = [ {listed} ]; }};"
        yield "pico-ota = {"
        yield f"format = {FORMAT};"
        yield f'micropython = "{self.micropython}";'
        if self.mpy:
            yield f'mpy = "{self.mpy}";'
        if self.arch:
            yield f'arch = "{self.arch}";'
        if self.floor:
            yield f'floor = "{self.floor}";'
        yield f"trial = {'true' if self.trial else 'false'};"
        yield f"files = {len(self.files)};"
        yield f"bytes = {self.size};"
        yield f"deletes = {len(self.deletes)};"
        yield "delete = ("
        yield from _separated(f'"{path}"' for path in self.deletes)
        yield ");"
        yield "};"
        yield "files = ("
        yield from _separated(file.render() for file in self.files)
        yield ");"
        yield "};"


def _separated(items: Iterator[str]) -> Iterator[str]:
    last = next(items, None)
    while last is not None:
        following = next(items, None)
        yield last if following is None else last + ","
        last = following


def is_word(text: str) -> bool:
    """Whether *text* can be the version of a push: printable ASCII, no blank, quote, backslash."""
    return bool(_WORD.fullmatch(text))


def archive_name(number: int, path: str) -> str:
    """Return the name in the archive of the *number*-th file (from 1), which goes to *path*."""
    safe = re.sub(r"[^0-9A-Za-z._-]", "_", path.rpartition("/")[2])
    return f"{number:04d}-{safe[-48:]}"


class _Reader:
    """Hands out the lines of a canonical text, and says where it departs from the form."""

    def __init__(self, data: bytes) -> None:
        self._lines = data.split(b"\n")
        self.number = 0

    def take(self) -> str:
        if self.number == len(self._lines) - 1:
            self.number += 1
            self.fail("the text ends too early")
        raw = self._lines[self.number]
        self.number += 1
        if len(raw) >= MAX_LINE:
            self.fail(f"a line has fewer than {MAX_LINE} bytes")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.fail("not UTF-8")

    def expect(self, text: str) -> None:
        line = self.take()
        if line != text:
            self.fail(f"expected {text!r}, got {line[:60]!r}")

    def value(self, name: str, line: str, quoted: bool = True) -> str:
        start, end = (f'{name} = "', '";') if quoted else (f"{name} = ", ";")
        if not line.startswith(start) or not line.endswith(end) or len(line) < len(start + end):
            self.fail(f"expected {start}…{end}, got {line[:60]!r}")
        return line[len(start) : -len(end)]

    def count(self, name: str, high: int) -> int:
        text = self.value(name, self.take(), quoted=False)
        if not _NUMBER.fullmatch(text) or int(text) > high:
            self.fail(f"{name} is 0 to {high}, got {text[:20]!r}")
        return int(text)

    def at_end(self) -> bool:
        return self.number == len(self._lines) - 1 and not self._lines[-1]

    def fail(self, reason: str) -> NoReturn:
        raise ReleaseError("bad_description", f"sw-description, line {self.number}: {reason}.")


@dataclass(frozen=True)
class Conditions:
    """The upper part of a description: what must hold for the update to be applicable at all."""

    version: str
    boards: tuple[tuple[str, tuple[str, ...]], ...]
    micropython: str
    mpy: str
    arch: str
    floor: str
    trial: bool
    files: int
    size: int
    deletes: int


class Parser:
    """Reads a canonical text in two steps: first the conditions, then the lists.

    Between the two a caller may refuse the update, as a device does.

    Args:
        data: the text.
        signed: whether it has to be that of a release: with a floor, and a version that can be
            compared.
    """

    def __init__(self, data: bytes, signed: bool = False) -> None:
        self._in = _Reader(data)
        self._signed = signed
        self.conditions = self._read_conditions()

    def _read_conditions(self) -> Conditions:
        lines = self._in
        lines.expect("software =")
        lines.expect("{")
        version = lines.value("version", lines.take())
        if self._signed:
            self._version(version)
        elif not is_word(version):
            lines.fail(f"version is a word, got {version[:60]!r}")
        boards, line = self._boards()
        if line != "pico-ota = {":
            lines.fail(f"expected a board or 'pico-ota = {{', got {line[:60]!r}")
        lines.expect(f"format = {FORMAT};")
        micropython = lines.value("micropython", lines.take())
        if not _MICROPYTHON.fullmatch(micropython):
            lines.fail(f"micropython is like 1.25.0, got {micropython[:20]!r}")
        line = lines.take()
        mpy = arch = ""
        if line.startswith("mpy = "):
            mpy = lines.value("mpy", line)
            if not _MPY.fullmatch(mpy):
                lines.fail(f"mpy is like 6.3, got {mpy[:20]!r}")
            line = lines.take()
            if line.startswith("arch = "):
                arch = lines.value("arch", line)
                if arch not in ARCHITECTURES:
                    lines.fail(f"arch is one of a board, got {arch[:20]!r}")
                line = lines.take()
        floor = ""
        if self._signed or line.startswith("floor = "):
            floor = lines.value("floor", line)
            if self._version(version) < self._version(floor):
                lines.fail(f"floor {floor} is above the version {version}")
            line = lines.take()
        if line not in ("trial = true;", "trial = false;"):
            lines.fail(f"expected trial = true; or false, got {line[:60]!r}")
        found = Conditions(
            version, boards, micropython, mpy, arch, floor, line == "trial = true;",
            files=lines.count("files", MAX_ENTRIES),
            size=lines.count("bytes", MAX_BYTES),
            deletes=lines.count("deletes", MAX_ENTRIES),
        )  # fmt: skip
        check_counts(found.files, found.deletes)
        return found

    def _version(self, text: str) -> Version:
        try:
            return Version.parse(text)
        except ReleaseError as error:
            self._in.fail(str(error).rstrip("."))

    def _boards(self) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], str]:
        boards: list[tuple[str, tuple[str, ...]]] = []
        while True:
            line = self._in.take()
            match = _BOARD.fullmatch(line)
            if match is None:
                return tuple(boards), line
            revisions = match[2][1:-1].split('", "')
            if not all(_REVISION.fullmatch(revision) for revision in revisions):
                self._in.fail(f"a hardware revision is like 1.0, got {match[2][:40]}")
            if len(boards) == MAX_BOARDS:
                self._in.fail(f"at most {MAX_BOARDS} boards")
            if boards and boards[-1][0] >= match[1]:
                self._in.fail(f"board {match[1]} is out of order")
            boards.append((match[1], tuple(revisions)))

    def finish(self) -> Description:
        """Read the lists.

        Raises:
            ReleaseError: a line, or a path in it, is not as it should be.
        """
        lines = self._in
        wanted = self.conditions
        lines.expect("delete = (")
        deletes = tuple(self._deletes(wanted.deletes))
        lines.expect(");")
        lines.expect("};")
        lines.expect("files = (")
        files = tuple(self._files(wanted.files, set(deletes)))
        lines.expect(");")
        lines.expect("};")
        if not lines.at_end():
            lines.number += 1
            lines.fail("expected the end of the text")
        if sum(file.size for file in files) != wanted.size:
            lines.fail(f"the sizes of all files do not add up to {wanted.size}")
        check_guard({file.path for file in files}, deletes)
        return Description(
            version=wanted.version,
            files=files,
            deletes=deletes,
            boards=wanted.boards,
            floor=wanted.floor,
            micropython=wanted.micropython,
            mpy=wanted.mpy,
            arch=wanted.arch,
            trial=wanted.trial,
        )

    def _deletes(self, count: int) -> Iterator[str]:
        before = ""
        for number in range(1, count + 1):
            line = self._in.take()
            comma = "" if number == count else ","
            path = line[1 : -1 - len(comma)]
            if line != f'"{path}"{comma}':
                self._in.fail(f'expected "…"{comma}, got {line[:60]!r}')
            self._check_order(path, before)
            self._check_path(path)
            if path == "/boot.py":
                raise ReleaseError(
                    "protected", "Without /boot.py the guard would not run: it has to stay."
                )
            before = path
            yield path

    def _files(self, count: int, deleted: set[str]) -> Iterator[ListedFile]:
        before = ""
        brought: set[str] = set()
        for number in range(1, count + 1):
            file = self._file(number, "" if number == count else ",")
            self._check_order(file.path, before)
            check_place(file.path, brought, deleted)
            before = file.path
            brought.add(before)
            yield file

    def _file(self, number: int, comma: str) -> ListedFile:
        line = self._in.take()
        # Nothing inside the quotes may hold a quote, so they part the line; and what was
        # understood has to give the same line again.
        try:
            _, name, _, path, _, sha256, size, check, end = line.split('"')
            once = end.startswith("; once")
            file = ListedFile(name, path, sha256, int(size[9:-11]), int(check, 16), once)
            unhexlify(sha256)
        except ValueError:
            self._in.fail(f"not a file as docs/format.md writes it: {line[:60]!r}")
        check_brought(path)
        if line != file.render() + comma or not 0 <= file.size <= MAX_BYTES:
            self._in.fail(f"not a file as docs/format.md writes it: {line[:60]!r}")
        if not _SHA256.fullmatch(sha256) or (file.size == 0 and sha256 != _EMPTY):
            self._in.fail(f"not the SHA-256 of {file.size} bytes: {sha256!r}")
        if name != archive_name(number, path):
            self._in.fail(f"filename of file {number} is {name[:60]!r}")
        return file

    def _check_path(self, path: str) -> None:
        check_names(path)
        if '"' in path:
            self._in.fail(f"a double quote in {path!r}")
        check_path(path)

    def _check_order(self, path: str, before: str) -> None:
        if path.encode() <= before.encode():
            self._in.fail(f"{path!r} is out of order or listed twice")
