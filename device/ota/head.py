"""Reading one HTTP request head from a small fixed buffer. What does not fit is refused.

Only headers that some route uses are kept: a browser's cookies cost bytes on the wire, no heap.
"""

from micropython import const

from ota.errors import Refused

#: Size of a connection's buffer in bytes: the longest request line or header line.
LINE_BYTES = 1024
_HEAD_BYTES = const(8192)
_HEAD_LINES = const(64)

#: What some route answers to.
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "MOVE")
_KEPT = (
    "host",
    "authorization",
    "origin",
    "connection",
    "expect",
    "accept",
    "content-length",
    "content-type",
    "content-range",
    "transfer-encoding",
    "if-match",
    "if-none-match",
    "x-requested-with",
    "x-content-sha256",
    "x-destination",
)


class Head:
    """The request line and the kept headers (names in lower case) of one request."""

    def __init__(self, method, target, minor):
        self.method = method
        self.target = target
        self.minor = minor
        self.headers = {}
        #: The path below that of the route, and the Body; set before a route is asked.
        self.rest = ""
        self.body = None

    @property
    def path(self):
        """The target without its query, still percent-encoded."""
        at = self.target.find("?")
        return self.target if at < 0 else self.target[:at]

    @property
    def query(self):
        """What follows the "?" of the target, still percent-encoded."""
        at = self.target.find("?")
        return self.target[at + 1 :] if at >= 0 else ""

    @property
    def changes(self):
        """True for a request that may change something."""
        return self.method not in ("GET", "HEAD")

    @property
    def keep(self):
        """True when the client wants the connection for its next request."""
        wish = self.headers.get("connection", "").lower()
        return "keep-alive" in wish if self.minor == 0 else "close" not in wish

    @property
    def length(self):
        """The declared body length in bytes, None when not declared.

        Raises Refused when it is no plain number, or when the body is chunked.
        """
        text = self.headers.get("content-length")
        if "transfer-encoding" in self.headers:
            if text is not None:
                raise Refused(400, "bad_length/both")
            raise Refused(411, "length_required/body")
        if text is None:
            return None
        # int() alone would take '+1', ' 1', '1_0' and numbers that fill the heap.
        if not text.isdigit() or len(text) > 9:
            raise Refused(400, "bad_length/number", text[:20])
        return int(text)


class HeadReader:
    """Fills *buffer* from a stream and hands out lines; what is left over begins the body."""

    def __init__(self, stream):
        self._stream = stream
        self._buffer = bytearray(LINE_BYTES)
        self._start = 0
        self._end = 0

    @property
    def empty(self):
        """True when no byte of a next request has come yet."""
        return self._start == self._end

    async def fill(self):
        """Read once into the free part of the buffer. Return False at the end of the stream."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == LINE_BYTES:
            kept = self._end - self._start
            self._buffer[:kept] = self._buffer[self._start : self._end]
            self._start, self._end = 0, kept
        view = memoryview(self._buffer)
        count = await self._stream.readinto(view[self._end :])
        if count:
            self._end += count
        return bool(count)

    def take(self, target):
        """Move bytes that are already here into memoryview *target*; return how many."""
        count = min(len(target), self._end - self._start)
        if count:
            target[:count] = memoryview(self._buffer)[self._start : self._start + count]
            self._start += count
        return count

    def scrap(self):
        """Return the buffer, to read what nobody wants into; only after the head was taken."""
        return memoryview(self._buffer)

    async def _line(self):
        """Return (from, to) of the next line in the buffer, without its line end."""
        while True:
            at = self._buffer.find(b"\n", self._start, self._end)
            if at >= 0:
                begin, self._start = self._start, at + 1
                if at > begin and self._buffer[at - 1] == 0x0D:
                    at -= 1
                return begin, at
            if self._end - self._start >= LINE_BYTES:
                raise Refused(431, "line_too_long", LINE_BYTES)
            if not await self.fill():
                raise OSError(104)

    async def read(self):
        """Return the next Head.

        Raises Refused on anything malformed or over-long, OSError when the client is gone.
        """
        begin, end = await self._line()
        head = _request_line(self._text(begin, end))
        total = lines = 0
        while True:
            begin, end = await self._line()
            if begin == end:
                return head
            total += end - begin
            lines += 1
            if total > _HEAD_BYTES or lines > _HEAD_LINES:
                raise Refused(431, "head_too_large", _HEAD_BYTES, _HEAD_LINES)
            self._header(head, begin, end)

    def _header(self, head, begin, end):
        colon = self._buffer.find(b":", begin, end)
        if colon <= begin or self._buffer[begin] in b" \t" or self._buffer[colon - 1] in b" \t":
            raise Refused(400, "bad_header/form")
        if colon - begin > 32:
            return  # longer than any name that is kept
        name = self._text(begin, colon).lower()
        if name not in _KEPT and not name.startswith("x-ota-"):
            return
        if name in head.headers and name != "accept":
            raise Refused(400, "bad_header/twice", name)
        head.headers[name] = self._text(colon + 1, end).strip(" \t")

    def _text(self, begin, end):
        for at in range(begin, end):
            code = self._buffer[at]
            if (code < 0x20 and code != 9) or code >= 0x7F:
                raise Refused(400, "bad_header/ascii")
        return str(memoryview(self._buffer)[begin:end], "ascii")


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
