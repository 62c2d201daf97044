"""Reading one HTTP request head. What does not fit is refused.

Only headers that some route uses are kept: a browser's cookies cost bytes on the wire, no heap.
"""

from micropython import const

from ota.errors import Refused
from ota.head import Head

#: What some route answers to.
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "MOVE")

_HEAD_BYTES = const(8192)
_HEAD_LINES = const(64)

# One text, since a tuple of them would take three times the heap.
_KEPT = (
    " host authorization origin connection expect accept content-length content-type content-range"
    " transfer-encoding if-match if-none-match x-requested-with x-content-sha256 x-destination"
    " x-ota-protected x-ota-recursive x-ota-session "
)


async def read(lines):
    """Return the next Head in *lines*, a Lines.

    Raises Refused on anything malformed or over-long, OSError when the client is gone.
    """
    begin, end = await lines.next()
    head = _request_line(_text(lines.buffer, begin, end))
    total = count = 0
    while True:
        begin, end = await lines.next()
        if begin == end:
            finish(head)
            return head
        total += end - begin
        count += 1
        if total > _HEAD_BYTES or count > _HEAD_LINES:
            raise Refused(431, "head_too_large", _HEAD_BYTES, _HEAD_LINES)
        _header(head, lines.buffer, begin, end)


def finish(head):
    """Enter into *head* what follows from its headers.

    Raises Refused when the length is no plain number, or when the body is chunked.
    """
    headers = head.headers
    wish = headers.get("connection", "").lower()
    head.keep = "keep-alive" in wish if head.minor == 0 else "close" not in wish
    text = headers.get("content-length")
    if "transfer-encoding" in headers:
        if text is not None:
            raise Refused(400, "bad_length/both")
        raise Refused(411, "length_required/body")
    # int() alone would take '+1', ' 1', '1_0' and numbers that fill the heap.
    if text is not None:
        if not text.isdigit() or len(text) > 9:
            raise Refused(400, "bad_length/number", text[:20])
        head.length = int(text)


def _header(head, buffer, begin, end):
    colon = buffer.find(b":", begin, end)
    if colon <= begin or buffer[begin] in b" \t" or buffer[colon - 1] in b" \t":
        raise Refused(400, "bad_header/form")
    if colon - begin > 32:
        return  # longer than any name that is kept
    name = _text(buffer, begin, colon).lower()
    if " %s " % name not in _KEPT:
        return
    if name in head.headers and name != "accept":
        raise Refused(400, "bad_header/twice", name)
    head.headers[name] = _text(buffer, colon + 1, end).strip(" \t")


def _text(buffer, begin, end):
    for at in range(begin, end):
        code = buffer[at]
        if (code < 0x20 and code != 9) or code >= 0x7F:
            raise Refused(400, "bad_header/ascii")
    return str(memoryview(buffer)[begin:end], "ascii")


def _request_line(line):
    parts = line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or parts[2][7:] not in ("0", "1"):
        raise Refused(400, "bad_request/line")
    method, target, version = parts
    if not target.startswith("/"):
        raise Refused(400, "bad_request/target")
    if method not in METHODS:
        # Read on all the same: the headers tell how long the body is that has to be drained.
        method = "?"
    return Head(method, target, int(version[7:]))
