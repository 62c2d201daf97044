"""Requests to an update server: one connection, each answer within limits of time and bytes.

Whatever is wrong with an answer ends in Refused, whose key begins with "fleet" and whose status is
0, since it answers no request: the server may be asked again later.
"""

import asyncio
import json
import time
from micropython import const

import ota
from ota.errors import Refused

_BUFFER = const(1024)  # the longest line of a head
_HEAD_LINES = const(64)
_SILENT_MS = const(15000)  # how long the server may be silent
_ANSWER_MS = const(30000)  # from a request to the end of the head, and of a small body
_SLOWEST = const(500)  # bytes a second
_REST = const(4096)  # bytes of an answer that are rather read away than a connection opened anew
_MAX_JSON = const(8192)
_MAX_LINK = const(400)


def is_plain(text, limit):
    """Return True if *text* can stand in a line of a request: printable ASCII, no blanks."""
    if not isinstance(text, str) or not 0 < len(text) <= limit:
        return False
    for code in text.encode():
        if not 0x21 <= code <= 0x7E:
            return False
    return True


def split(url):
    """Return (secure, host, port, path) of *url*. Raises ValueError."""
    if not is_plain(url, _MAX_LINK):
        raise ValueError("url is like http://server:8000, got %r" % (url,))
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    host, colon, port = host.partition(":")
    secure = scheme == "https"
    good = scheme in ("http", "https") and host and "@" not in host and "#" not in url
    if colon:
        good = good and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536
    if not good:
        raise ValueError("url is like http://server:8000, got %r" % url)
    return secure, host.lower(), int(port) if colon else 443 if secure else 80, slash + path


class Link:
    """The connection to the server of *fleet*, opened when it is needed."""

    def __init__(self, fleet):
        self._fleet = fleet
        self._secure, self._host, self._port, base = split(fleet.url)
        #: In front of the path of what belongs to this board.
        self.base = base.rstrip("/")
        self._stream = None
        self._fresh = False
        self._buffer = bytearray(_BUFFER)
        self._start = self._end = 0
        self._until = 0
        self._left = 0  # bytes of the body, or of its present chunk; None: up to the end
        self._chunked = self._keep = False
        #: Of the present answer.
        self.status = 0
        self.length = self.etag = self.range = self.retry_after = None
        #: Bytes that have been received, heads and all.
        self.received = 0

    def path_of(self, href):
        """Return the path of the link *href*. Raises Refused when it leads to another server.

        A server that lies must not send the board there, with its token.
        """
        if isinstance(href, str) and href[:1] == "/" and is_plain(href, _MAX_LINK):
            return href
        try:
            secure, host, port, path = split(href)
        except (ValueError, AttributeError, TypeError):
            secure, host, port, path = None, None, None, None
        if (secure, host, port) != (self._secure, self._host, self._port):
            raise Refused(0, "fleet/link", str(href)[:80], self._fleet.url)
        return path

    async def ask(self, method, path, value=None, headers=""):
        """Send a request, with *value* as JSON, and read the head of the answer.

        Returns the status. Raises Refused.
        """
        body = b""
        lines = ["%s %s HTTP/1.1\r\nHost: %s" % (method, path, self._host)]
        if self._port != (443 if self._secure else 80):
            lines.append(":%d" % self._port)
        lines.append(
            "\r\nUser-Agent: pico-ota/%s\r\nAccept: application/json\r\n" % ota.__version__
        )
        fleet = self._fleet
        if fleet.token:
            lines.append("Authorization: TargetToken %s\r\n" % fleet.token)
        elif fleet.gateway_token:
            lines.append("Authorization: GatewayToken %s\r\n" % fleet.gateway_token)
        if value is not None:
            body = json.dumps(value).encode()
            lines.append("Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body))
        lines.append(headers + "\r\n")
        data = "".join(lines).encode() + body
        lines = None
        await self._finish()
        self._until = time.ticks_add(time.ticks_ms(), _ANSWER_MS)
        known = self._stream is not None
        while True:
            self._answered = False
            try:
                if self._stream is None:
                    await self._open()
                await self._send(data)
                await self._read_head()
                return self.status
            except Refused as refused:
                # A connection that was kept may have been closed meanwhile.
                if not known or refused.word != "fleet" or self._answered:
                    raise
            known = False

    async def _open(self):
        self._start = self._end = 0
        context = _context(self._fleet) if self._secure else None
        self._wait()
        try:
            # Looking up a name blocks, there is no other way on this board.
            pair = await asyncio.open_connection(self._host, self._port, context, self._host)
        except (asyncio.CancelledError, OSError, ValueError) as error:
            raise self._failed(error)
        self._fleet.deadline = None
        self._stream = pair[0]

    async def _send(self, data):
        self._wait()
        try:
            self._stream.write(data)
            await self._stream.drain()
        except (asyncio.CancelledError, OSError, ValueError) as error:
            raise self._failed(error)
        self._fleet.deadline = None

    def _wait(self):
        """Begin to wait for the server, within the limits of time."""
        now = time.ticks_ms()
        left = min(_SILENT_MS, max(0, time.ticks_diff(self._until, now)))
        self._fleet.deadline = time.ticks_add(now, left)

    def _failed(self, error):
        """Return what *error*, raised while it was waited for, is to be replaced by."""
        fleet = self._fleet
        fleet.deadline = None
        self.close()
        if isinstance(error, asyncio.CancelledError):
            return Refused(0, "fleet/slow", self._host) if fleet.was_late() else error
        if isinstance(error, ValueError):  # of the certificate
            return Refused(0, "fleet/tls", error)
        if error.errno == 12:  # ENOMEM, as TLS says it
            return MemoryError()
        return Refused(0, "fleet/lost", self._host, error)

    def close(self):
        """Close the connection; harmless when there is none."""
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.s.close()
            except OSError:
                pass
        self._left, self._chunked = 0, False

    async def _receive(self, view):
        """Read once into *view*; return the count, 0 when the server has closed."""
        self._wait()
        count = None
        try:
            while count is None:  # which it is for a piece of a TLS record
                count = await self._stream.readinto(view)
        except (asyncio.CancelledError, OSError, ValueError) as error:
            raise self._failed(error)
        self._fleet.deadline = None
        self.received += count
        return count

    async def _line(self):
        while True:
            at = self._buffer.find(b"\n", self._start, self._end)
            if at >= 0:
                line = self._buffer[self._start : at].decode().strip()
                self._start = at + 1
                return line
            if self._start == self._end:
                self._start = self._end = 0
            elif self._end == _BUFFER:
                rest = self._end - self._start
                if rest == _BUFFER:
                    self._bad("a line of more than %d bytes" % _BUFFER)
                self._buffer[:rest] = self._buffer[self._start :]
                self._start, self._end = 0, rest
            count = await self._receive(memoryview(self._buffer)[self._end :])
            if not count:
                self.close()
                raise Refused(0, "fleet/lost", self._host, "closed")
            self._end += count
            self._answered = True

    def _bad(self, what):
        self.close()
        raise Refused(0, "fleet/answer", what)

    async def _read_head(self):
        status = 100
        try:
            while status < 200:  # 100 Continue, 103 Early Hints
                version, status = (await self._line()).split(" ")[:2]
                if version not in ("HTTP/1.1", "HTTP/1.0") or len(status) != 3:
                    raise ValueError
                status = int(status)
                self.length = self.etag = self.range = self.retry_after = None
                self._chunked, self._keep = False, version == "HTTP/1.1"
                count = 0
                line = await self._line()
                while line:
                    self._header(line)
                    count += 1
                    if count > _HEAD_LINES:
                        self._bad("more than %d header lines" % _HEAD_LINES)
                    line = await self._line()
        except ValueError:
            self._bad("no HTTP")
        self.status = status
        self._left = 0 if self._chunked or status in (204, 304) else self.length
        self._chunked = self._chunked and status not in (204, 304)

    def _header(self, line):
        name, _, text = line.partition(":")
        name, text = name.lower(), text.strip()
        if name == "content-length":
            self.length = _number(text)
        elif name == "transfer-encoding":
            self._chunked = text.lower() == "chunked"
        elif name == "connection":
            self._keep = "close" not in text.lower()
        elif name == "etag" and is_plain(text, 80):
            self.etag = text
        elif name == "content-range":
            self.range = text[:60]
        elif name == "retry-after" and text.isdigit() and len(text) < 7:
            self.retry_after = int(text)

    async def readinto(self, view):
        """Read bytes of the body into *view*; return how many, 0 at its end. Raises Refused."""
        if self._left == 0 and self._chunked:
            await self._next_chunk()
        left = self._left
        if left == 0:
            return 0
        if left is not None and len(view) > left:
            view = view[:left]
        count = min(len(view), self._end - self._start)
        if count:
            view[:count] = memoryview(self._buffer)[self._start : self._start + count]
            self._start += count
        else:
            if self._stream is None:
                raise Refused(0, "fleet/lost", self._host, "closed")
            count = await self._receive(view)
            if not count:
                self.close()
                if left is None:
                    return 0
                raise Refused(0, "fleet/lost", self._host, "closed")
        if left is not None:
            self._left = left - count
            if not self._left and self._chunked:
                await self._line()
        return count

    async def _next_chunk(self):
        try:
            line = (await self._line()).split(";")[0]
            if not 0 < len(line) < 8:
                raise ValueError
            self._left = int(line, 16)
        except ValueError:
            self._bad("a bad chunk")
        if not self._left:
            self._chunked = False
            while await self._line():
                pass  # trailers

    async def _finish(self):
        """See that the connection can be used for the next request, or close it."""
        if self._stream is not None and self._keep and self._left is not None:
            scrap = memoryview(bytearray(128))
            try:
                for _ in range(_REST // len(scrap)):
                    if not await self.readinto(scrap):
                        return
            except Refused:
                pass
        self.close()

    async def json(self):
        """Return the body, a JSON object, as a dict. Raises Refused."""
        data = bytearray()
        piece = memoryview(bytearray(256))
        while True:
            count = await self.readinto(piece)
            if not count:
                break
            if len(data) + count > _MAX_JSON or (self.length or 0) > _MAX_JSON:
                self.close()
                raise Refused(0, "fleet/large", _MAX_JSON)
            data.extend(piece[:count])
        try:
            value = json.loads(data)
        except (ValueError, RuntimeError):  # RuntimeError: nested deeper than the stack
            value = None
        if not isinstance(value, dict):
            raise Refused(0, "fleet/json")
        return value

    def allow(self, count):
        """Give the server time for *count* more bytes."""
        self._until = time.ticks_add(time.ticks_ms(), _ANSWER_MS + count * 1000 // _SLOWEST)


def _number(text):
    if not text.isdigit() or len(text) > 10:
        raise ValueError
    return int(text)


def _context(fleet):
    """Return what ssl needs. Raises Refused when this firmware, or its memory, cannot."""
    try:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_NONE
        if fleet.cafile:
            context.verify_mode = ssl.CERT_REQUIRED
            with open(fleet.cafile, "rb") as file:
                context.load_verify_locations(cadata=file.read(4096))
        return context
    except (ImportError, AttributeError, OSError, ValueError) as error:
        raise Refused(0, "fleet/tls", error)


def fail(link, path):
    """Raise Refused for the status that *link* has got for *path*."""
    status = link.status
    if 300 <= status < 400:
        raise Refused(0, "fleet/redirect", status)
    if status in (401, 403):
        raise Refused(0, "fleet/token", status)
    if status == 429 or link.retry_after:
        raise Refused(0, "fleet/later", status, retry_after=link.retry_after or 60)
    raise Refused(0, "fleet/status", status, path.split("?")[0][-60:])


def at(value, *path):
    """Return what stands at *path* in *value*, None when it is not there."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
