"""`/api/v1/log` and `/api/v1/console`: what the updater said, and what the program printed."""

import json
from micropython import const

import ota
from ota.errors import Refused

_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)
_PIECE = const(256)
_LEAST = (0, 0x80, 0x800, 0x10000)  # the first character that takes as many bytes


async def log(device, head):
    """Tell the lines from number `since` on, as JSON or as text."""
    lines = device.service.log
    found = lines.since(_since(head))
    if not _wants_text(head):
        return 200, {"next": lines.next, "lines": found}, ()
    text = ["%s\n" % line for line in found]
    return 200, iter(["".join(text).encode()]), _TEXT


async def console(device, head):
    """Tell what the program has printed from byte number `since` on, as JSON or as text."""
    ring = ota.load("console").printed()
    number, data, missed = 0, b"", 0
    since = _since(head)
    if ring is not None:
        number = ring.next
        data, missed = ring.since(since)
    if _wants_text(head):
        return 200, (piece.encode() for piece in _pieces(data)), _TEXT
    begin = '{"boot_id": "%s", "next": %d, "missed": %d, "text": "'
    return 200, _told(begin % (device.service.boot_id, number, missed), data), ()


def _told(begin, data):
    yield begin.encode()
    for piece in _pieces(data):
        yield json.dumps(piece)[1:-1].encode()
    last = ota.load("console").traceback()
    yield ('", "traceback": %s}' % json.dumps(last and text_of(last))).encode()


def text_of(data):
    """Return what was printed as a text, as of _pieces()."""
    return "".join(_pieces(data))


def _pieces(data):
    """Yield *data*, which may be cut anywhere, or no text at all, as text, some of it a time."""
    at = 0
    while at < len(data):
        end = at + _PIECE
        while end < len(data) and (data[end] & 0xC0 == 0x80 or data[end] == 0x0A):
            end += 1  # neither within a character nor within a line end
        piece = data[at:end]
        at = end
        try:
            text = str(piece, "utf-8")
        except UnicodeError:
            text = ""
        # Of the same length it is plain ASCII; else it may be what only MicroPython takes.
        yield (text if len(text) == len(piece) else _mended(piece)).replace("\r\n", "\n")


def _mended(data):
    """Return *data* as text, with the replacement character for all that is not strictly UTF-8."""
    found = []
    at = 0
    while at < len(data):
        lead = data[at]
        size = 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        try:
            character = str(data[at : at + size], "utf-8")
            code = ord(character)
        except (UnicodeError, TypeError):
            code = -1
        if not _LEAST[size - 1] <= code <= 0x10FFFF or 0xD800 <= code < 0xE000:
            character, size = "\ufffd", 1
        found.append(character)
        at += size
    return "".join(found)


def _since(head):
    """Return the number that is asked for, 0 when none is. Raises Refused(400)."""
    since = head.asked("since") or "0"
    if not since.isdigit() or len(since) > 15:
        raise Refused(400, "bad_request/since", since[:20])
    return int(since)


def _wants_text(head):
    return "text/plain" in head.headers.get("accept", "") or head.asked("format") == "text"
