"""One HTTP request: its head, read line by line, and a short body; longer ones: ota/body.py.

Only headers that some route uses are kept: a browser's cookies cost bytes on the wire, no heap.
"""

import hashlib
import json
from binascii import hexlify
from micropython import const

from ota.errors import Gone, Refused

#: What some route answers to.
METHODS = "GET, HEAD, PUT, POST, DELETE, MOVE"

_HEAD_BYTES = const(8192)
_HEAD_LINES = const(64)
_SMALL = const(2048)

# One text, since a tuple of them would take three times the heap; of bytes, since MicroPython
# looks each new text up among all names that it knows.
_KEPT = (
    b" host authorization origin connection expect accept content-length content-type"
    b" content-range transfer-encoding if-match if-none-match x-requested-with x-content-sha256"
    b" x-destination x-ota-protected x-ota-recursive x-ota-session "
)


class Head:
    """The head of one HTTP request, as far as some route uses it."""

    def __init__(self, method, target, version):
        self.method = method
        #: As it was asked for, the prefix of an application that serves us included.
        self.target = target
        #: Of HTTP: 0 for 1.0, 1 for 1.1.
        self.version = version
        #: The target in front of its "?" and behind, still percent-encoded.
        self.path, _, self.query = target.partition("?")
        #: The kept headers, names in lower case.
        self.headers = {}
        #: The declared length of the body in bytes, None when not declared.
        self.length = None
        #: Whether the client wants the connection for its next request.
        self.keep = version == 1
        #: The path below that of the route.
        self.rest = ""
        #: Where the body comes from: it has `async readinto(view)`, and `take(view)`, which only
        #: takes what is here already.
        self.source = None

    def asked(self, name):
        """Return the value of *name* in the query, "" when it is not there."""
        for part in self.query.split("&"):
            key, _, value = part.partition("=")
            if key == name:
                return value
        return ""

    def announced(self):
        """Return the SHA-256 that the body is said to have, None when nothing is said.

        First in the query, which is part of what Digest signs; anybody can add a header.
        """
        said = self.asked("sha256") or self.headers.get("x-content-sha256")
        return said if said is None else said.lower()

    def finish(self):
        """Enter what follows from the headers.

        Raises Refused when the length is no plain number, or when the body is chunked.
        """
        headers = self.headers
        wish = headers.get("connection", "").lower()
        self.keep = "keep-alive" in wish if self.version == 0 else "close" not in wish
        text = headers.get("content-length")
        if "transfer-encoding" in headers:
            if text is not None:
                raise Refused(400, "bad_length/both")
            raise Refused(411, "length_required/body")
        # int() alone would take '+1', ' 1', '1_0' and numbers that fill the heap.
        if text is not None:
            if not text.isdigit() or len(text) > 9:
                raise Refused(400, "bad_length/number", text[:20])
            self.length = int(text)

    async def json(self):
        """Return the body as a JSON object, {} when it is empty.

        Raises Refused: 413 when it is too long, 422 when another body was announced, 400 for
        anything else; and Gone.
        """
        length = self.length or 0
        if length > _SMALL:
            raise Refused(413, "too_large/body", _SMALL, length)
        data = bytearray(length)
        view = memoryview(data)
        at = 0
        while at < length:
            count = await self.source.readinto(view[at:])
            if not count:
                raise Gone(104)
            at += count
        expected = self.announced()
        if expected is not None:
            found = hexlify(hashlib.sha256(data).digest()).decode()
            if found != expected:
                raise Refused(422, "digest_mismatch/body", expected=expected, found=found)
        if not data:
            return {}
        try:
            value = json.loads(data)
        except (ValueError, RuntimeError):  # RuntimeError: nested deeper than the stack
            raise Refused(400, "bad_json/no_json")
        if not isinstance(value, dict):
            raise Refused(400, "bad_json/no_object")
        return value


async def read(source):
    """Return the next Head in *source*, which has `async line()`, its place in `buffer`.

    Raises Refused on anything malformed or over-long, OSError when the client is gone.
    """
    begin, end = await source.line()
    parts = _text(source.buffer, begin, end).split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or parts[2][7:] not in ("0", "1"):
        raise Refused(400, "bad_request/line")
    method, target, version = parts
    if not target.startswith("/"):
        raise Refused(400, "bad_request/target")
    if method not in METHODS.split(", "):
        # Read on all the same: the headers tell how long the body is that has to be drained.
        method = "?"
    head = Head(method, target, int(version[7:]))
    total = count = 0
    while True:
        begin, end = await source.line()
        if begin == end:
            head.finish()
            return head
        total += end - begin
        count += 1
        if total > _HEAD_BYTES or count > _HEAD_LINES:
            raise Refused(431, "head_too_large", _HEAD_BYTES, _HEAD_LINES)
        _header(head, source.buffer, begin, end)


def _header(head, buffer, begin, end):
    colon = buffer.find(b":", begin, end)
    if colon <= begin or buffer[begin] in b" \t" or buffer[colon - 1] in b" \t":
        raise Refused(400, "bad_header/form")
    if colon - begin > 32:
        return  # longer than any name that is kept
    name = bytes(_printable(buffer, begin, colon)).lower()
    if b" %s " % name not in _KEPT:
        return
    name = name.decode()
    if name in head.headers and name != "accept":
        raise Refused(400, "bad_header/twice", name)
    head.headers[name] = bytes(_printable(buffer, colon + 1, end)).strip(b" \t").decode()


def _text(buffer, begin, end):
    return str(_printable(buffer, begin, end), "ascii")


def _printable(buffer, begin, end):
    view = memoryview(buffer)[begin:end]
    # First both ends of what is in it: a look at each byte takes longer than all else.
    if begin < end and not 0x20 <= min(view) <= max(view) < 0x7F:
        for code in view:
            if (code < 0x20 and code != 9) or code >= 0x7F:
                raise Refused(400, "bad_header/ascii")
    return view
