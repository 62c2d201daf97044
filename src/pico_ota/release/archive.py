"""The container: a cpio archive of the "new ASCII with checksum" kind, in one canonical form.

The form is what ``cpio -o -H crc --reproducible -R 0:0`` writes for files of mode 644 and time 0,
so an archive can be packed and unpacked with that tool alone. Reading accepts nothing else: a
header field that may differ without anybody noticing is a field that somebody can change.
docs/format.md describes every byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .errors import ReleaseError

MAGIC = b"070702"
HEADER_SIZE = 110
MAX_NAME = 64
TRAILER = "TRAILER!!!"
_BLOCK = 512

# Name of each header field, and its value where there is only one.
_FIELDS: tuple[tuple[str, int | None], ...] = (
    ("ino", None),
    ("mode", 0o100644),
    ("uid", 0),
    ("gid", 0),
    ("nlink", 1),
    ("mtime", 0),
    ("filesize", None),
    ("devmajor", 0),
    ("devminor", 0),
    ("rdevmajor", 0),
    ("rdevminor", 0),
    ("namesize", None),
    ("check", None),
)
_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


@dataclass(frozen=True)
class Head:
    """What the header of an entry says, before any of its content is read."""

    index: int
    name: str
    size: int
    check: int


@dataclass(frozen=True)
class Entry:
    """One file of an archive."""

    head: Head
    data: bytes

    def __repr__(self) -> str:
        return f"Entry({self.head!r})"


def checksum(data: bytes) -> int:
    """Return the sum of all bytes, modulo 2**32: what cpio calls a crc."""
    return sum(data) & 0xFFFFFFFF


def pack_head(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Return how an archive of *entries* and more begins: without its end."""
    out = bytearray()
    for index, (name, data) in enumerate(entries):
        out += _header(index, 0o100644, len(data), name, checksum(data))
        out += data
        out += bytes(-len(data) % 4)
    return bytes(out)


def pack(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the archive of *entries*, pairs of name and content, in the order given."""
    out = bytearray(pack_head(entries))
    out += _header(0, 0, 0, TRAILER, 0)
    out += bytes(-len(out) % _BLOCK)
    return bytes(out)


def _header(ino: int, mode: int, size: int, name: str, check: int) -> bytes:
    values = (ino, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name) + 1, check)
    head = MAGIC + b"".join(b"%08X" % value for value in values) + name.encode("ascii") + b"\0"
    return head + bytes(-len(head) % 4)


Check = Callable[[bytes], None]


def unpack(
    data: bytes, expect: Callable[[Head], Check | None] = lambda head: None
) -> Iterator[Entry]:
    """Yield the entries of the archive *data* in order.

    *expect* sees each header before anything after it is read, and raises when that entry is not
    wanted: a header that lies about a size is then called what it is, not a short archive. What
    it returns is given the content before the filling behind that is looked at. The checksum is
    handed on, not checked: which of them matter is the reader's business.

    Raises:
        ReleaseError: ``bad_archive``, ``truncated``, ``trailing_data``, once the place is reached.
    """
    at = 0
    index = 0
    while True:
        raw = _take(data, at, HEADER_SIZE, index)
        size, namesize, check, trailer = _read_header(raw, index)
        at += HEADER_SIZE
        padded = namesize + -(HEADER_SIZE + namesize) % 4
        name = _read_name(_take(data, at, padded, index), namesize, trailer, index)
        at += padded
        if trailer:
            break
        head = Head(index, name, size, check)
        judge = expect(head)
        content = _take(data, at, size, index)
        at += size
        if judge is not None:
            judge(content)
        _filling(data, at, -size % 4, index)
        at += -size % 4
        yield Entry(head, content)
        index += 1
    tail = -at % _BLOCK
    _filling(data, at, tail, index)
    if len(data) != at + tail:
        raise ReleaseError(
            "trailing_data",
            f"The archive ends after {at + tail} bytes, but {len(data) - at - tail} more follow.",
        )


def _take(data: bytes, at: int, size: int, index: int) -> bytes:
    if at + size > len(data):
        raise ReleaseError(
            "truncated",
            f"The archive ends after {len(data)} bytes, inside entry {index}; it was cut off.",
        )
    return data[at : at + size]


def _read_header(head: bytes, index: int) -> tuple[int, int, int, bool]:
    """Return (size, size of the name, checksum, whether this is the trailer)."""
    if head[:6] != MAGIC:
        raise ReleaseError(
            "bad_archive",
            f"Entry {index} should begin with 070702 (cpio with checksum), got {head[:6]!r}.",
        )
    values = {}
    for number, (field, _) in enumerate(_FIELDS):
        values[field] = _hex(head[6 + 8 * number : 14 + 8 * number], field, index)
    # The trailer is the one entry without a file type.
    trailer = values["mode"] == 0
    for field, wanted in _FIELDS:
        if field == "ino":
            wanted = 0 if trailer else index
        elif trailer:
            wanted = {"nlink": 1, "namesize": len(TRAILER) + 1}.get(field, 0)
        if wanted is not None and values[field] != wanted:
            raise ReleaseError(
                "bad_archive",
                f"Field {field} of entry {index} is {values[field]:08X}, only {wanted:08X} is"
                " accepted.",
            )
    if not 2 <= values["namesize"] <= MAX_NAME:
        raise ReleaseError(
            "bad_archive",
            f"The name of entry {index} has {values['namesize']} bytes, 2 to {MAX_NAME} are"
            " accepted.",
        )
    return values["filesize"], values["namesize"], values["check"], trailer


def _hex(digits: bytes, field: str, index: int) -> int:
    if any(digit not in b"0123456789ABCDEF" for digit in digits):
        raise ReleaseError(
            "bad_archive",
            f"Field {field} of entry {index} is {digits!r}, not eight upper-case hex digits.",
        )
    return int(digits, 16)


def _read_name(raw: bytes, namesize: int, trailer: bool, index: int) -> str:
    name = raw[: namesize - 1]
    if any(raw[namesize - 1 :]):
        raise ReleaseError(
            "bad_archive", f"The name of entry {index} is not filled up with zero bytes."
        )
    if trailer:
        if name != TRAILER.encode():
            raise ReleaseError("bad_archive", f"Entry {index} has no mode but is no trailer.")
        return TRAILER
    text = name.decode("latin-1")
    if not _NAME_CHARACTERS.issuperset(text) or text[0] in ".-":
        raise ReleaseError(
            "bad_archive",
            f"The name of entry {index} is {text!r}; only letters, digits, '.', '_' and '-' are"
            " accepted, and neither '.' nor '-' in front.",
        )
    return text


def _filling(data: bytes, at: int, size: int, index: int) -> None:
    if any(_take(data, at, size, index)):
        raise ReleaseError(
            "bad_archive", f"The filling after entry {index} is not all zero bytes."
        )
