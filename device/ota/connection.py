"""One client's connection: request after request, each within its limits of time and bytes."""

import asyncio
import json
import sys
import time
from micropython import const

from ota.errors import Gone, Refused
from ota.listener import NO_MEMORY
from ota.request import METHODS

# Size of the buffer in bytes: the longest request line or header line, such as the credentials of
# Digest, which repeat the address.
_BUFFER = const(1280)
# Milliseconds that a client may take: for a whole request head, between two requests, and
# between two reads or writes of a body (the slowest flash writes 8 KB/s, so a client that waits
# for us is never that slow). Between two requests longer than common clients keep a connection
# (httpx and Node's fetch: 5 s at most), so that not both ends decide at the same moment.
_HEAD_MS = const(5000)
_IDLE_MS = const(7000)
_STALL_MS = const(10000)
# What is read and thrown away so that an early answer is seen as a code, not as a reset; and the
# silence after which nothing more is expected where the number of bytes is not known.
_DRAIN_BYTES = const(1 << 20)
_DRAIN_MS = const(8000)
_GARBAGE_MS = const(500)
# While others wait, a client keeps its slot this long without a whole request. lwIP offers data
# that came before accept() again after up to 250 ms, so anything shorter would hit good clients;
# this long from the first byte of a head on, which nearly always comes in one piece; and this long
# with an answer that it does not take.
_GRACE_MS = const(300)
_REST_MS = const(100)
_UNTAKEN_MS = const(3000)
# How long bytes that are here already are taken without a turn for other tasks, since a turn
# costs half as much as handling a chunk. An erase takes longer: with one, each chunk waits.
_HOLD_MS = const(10)

#: Said with every answer: nothing here is to be cached, framed, guessed at or told to others.
SAFE = (
    "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\nCache-Control: no-store\r\n"
)
#: Said unless the answer itself says what a page may do.
POLICY = "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
_JSON = (("Content-Type", "application/json"),)
_ENOSPC = const(28)
# Not in reasons.txt, which may not be read with next to no memory.
_ADVICE = (
    "The application leaves too little memory for this. Restart into rescue mode"
    ' (POST /api/v1/reboot {"mode": "rescue"}), where all of it is free.'
)


class Connection:
    """One socket. *gives_way* is a function that tells whether this one should close now."""

    def __init__(self, sock, address, gives_way):
        self.stream = asyncio.StreamReader(sock)
        self.address = address
        self.task = None
        #: What has been read; what is left of it behind a head begins the body.
        self.buffer = bytearray(_BUFFER)
        self._start = self._end = 0
        #: ticks_ms until which the client has to act; None: it is our turn.
        self.deadline = None
        #: ticks_ms from when on it is sent away where others wait; None: not in this state.
        self.leaves_at = None
        self._gives_way = gives_way
        self._turn_ms = time.ticks_ms()  # when the other tasks had theirs

    async def wait(self):
        """Wait for a request; return False when the client leaves, or is silent, before."""
        self.head = None
        #: Whether an answer has begun.
        self.answered = False
        #: Bytes of the body that are still to be read.
        self.left = 0
        self._expects = False
        self._keep = True
        self._bounded = False  # whether it is known where the current request ends
        self._stall_ms = _STALL_MS
        self._may_stay(_GRACE_MS)
        if self._start == self._end:
            self._allow(_IDLE_MS)
            if not await self._fill():
                return False
        self._allow(_HEAD_MS)
        self._may_stay(_REST_MS)
        return True

    async def line(self):
        """Return (from, to) of the next line in the buffer, without its line end.

        Raises Refused(431) when it is too long, OSError when the client is gone.
        """
        while True:
            at = self.buffer.find(b"\n", self._start, self._end)
            if at >= 0:
                begin, self._start = self._start, at + 1
                if at > begin and self.buffer[at - 1] == 0x0D:
                    at -= 1
                return begin, at
            if self._end - self._start >= _BUFFER:
                raise Refused(431, "line_too_long", _BUFFER)
            if not await self._fill():
                raise OSError(104)

    async def _fill(self):
        """Read once into the free part of the buffer. Return False at the end of the stream."""
        start, end = self._start, self._end
        if start == end:
            self._start = self._end = end = 0
        elif end == _BUFFER:
            end -= start
            self.buffer[:end] = self.buffer[start:]
            self._start, self._end = 0, end
        count = await self.stream.readinto(memoryview(self.buffer)[end:])
        self._end += count or 0
        return bool(count)

    def begin(self, head):
        """Take note of what the Head says of the body. Raises Refused for an unknown method."""
        self.deadline = self.leaves_at = None
        self.head = head
        head.source = self
        self.left = head.length or 0
        self._bounded = True
        self._expects = (
            head.version == 1 and head.headers.get("expect", "").lower() == "100-continue"
        )
        if head.method == "?":
            raise Refused(405, "bad_method/unknown", METHODS, allow=METHODS)

    async def finish(self):
        """Read what is still on its way; return whether a next request may come."""
        # After a malformed head nobody knows how many bytes follow; after an `Expect` that was
        # not met, whether the body comes all the same.
        if self._expects or not self._bounded:
            self._expects = False
            self.left = _DRAIN_BYTES
            self._stall_ms = _GARBAGE_MS
        if self.left:
            # Closing before would reset the connection; but its slot is for others.
            self._may_stay(_GRACE_MS)
            until = time.ticks_add(time.ticks_ms(), _DRAIN_MS)
            least = max(0, self.left - _DRAIN_BYTES)
            scrap = memoryview(self.buffer)
            while self.left > least and time.ticks_diff(until, time.ticks_ms()) > 0:
                await self.readinto(scrap)
        return self._keep and not self.left

    def take(self, view):
        """Read body bytes that are here already into memoryview *view*; return how many, or 0.

        0 as well when the other tasks have waited for their turn long enough.
        """
        left = self.left
        if not left:
            return 0
        if len(view) > left:
            view = view[:left]
        count = min(len(view), self._end - self._start)
        if count:
            view[:count] = memoryview(self.buffer)[self._start : self._start + count]
            self._start += count
        else:
            if self._expects or time.ticks_diff(time.ticks_ms(), self._turn_ms) > _HOLD_MS:
                return 0
            try:
                count = self.stream.s.readinto(view) or 0
            except OSError:
                return 0  # it is raised again where it is expected
        self.left = left - count
        return count

    async def readinto(self, view):
        """Read body bytes into memoryview *view*; return how many, 0 when the body is complete.

        Raises Gone when the client is gone. A client that stalls gets 408 and is cut.
        """
        count = self.take(view)
        if count or not self.left:
            return count
        try:
            if self._expects:
                self._expects = False
                self.stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._allow(self._stall_ms)
            count = await self.stream.readinto(view[: self.left])
        except OSError:
            raise Gone(104)
        self.deadline = None
        self._turn_ms = time.ticks_ms()
        if not count:
            raise Gone(104)
        self.left -= count
        return count

    async def answer(self, status, body, headers):
        """Send what a handler returned; see ota/server.py. Raises Gone, and what *body* raises.

        What has to be made before the head is sent is made first.
        """
        head = self.head
        try:
            first, length, reason = b"", 0, "OK"
            is_file = hasattr(body, "readinto")
            if isinstance(body, dict):
                reason = body.get("error", reason)
                first = json.dumps(body).encode()
                length = len(first)
                headers = _JSON + headers
            elif is_file:
                length = body.left
            elif body is not None:
                length = None
                for first in body:
                    break
                if not any(name == "Content-Type" for name, _ in headers):
                    headers = _JSON + headers
            chunked = length is None and head.version == 1
            data = self._head_of(status, reason, headers, length)
            silent = head is not None and head.method == "HEAD"
            if not silent:
                data += _chunk(first) if chunked else first
            if is_file:
                # Through the buffer, unless the next request is in it already.
                view = self.buffer if self._start == self._end else bytearray(_BUFFER)
                view = memoryview(view)
            await self._send(data)
            if silent:
                return
            data = first = None
            if is_file:
                while length:
                    length = body.readinto(view)
                    await self._send(view[:length])
            elif length is None:
                for piece in body:
                    await self._send(_chunk(piece) if chunked else piece)
                if chunked:
                    await self._send(b"0\r\n\r\n")
        finally:
            if hasattr(body, "close"):
                body.close()

    def _head_of(self, status, reason, headers, length):
        # *length* is None for pieces of unknown number.
        head = self.head
        lines = ["HTTP/1.1 %d %s\r\n" % (status, reason), SAFE]
        for pair in headers:
            lines.append("%s: %s\r\n" % pair)
        if not any(POLICY.startswith(name) for name, _ in headers):
            lines.append(POLICY)
        if length is None:
            if head.version == 1:
                lines.append("Transfer-Encoding: chunked\r\n")
            else:
                self._keep = False  # HTTP/1.0 has no chunks: the end of the stream ends the body
        elif status not in (204, 304):
            lines.append("Content-Length: %d\r\n" % length)
        if status == 411:
            self._bounded = False  # there may be a body up to the end of the stream
        goes_on = head is not None and head.keep and self._bounded and not self._expects
        self._keep = self._keep and goes_on and not self._gives_way(self)
        lines.append("Connection: %s\r\n\r\n" % ("keep-alive" if self._keep else "close"))
        return "".join(lines).encode()

    async def stop(self):
        """Tell a client that is in the middle of a request that it took too long."""
        if self.answered or (self._start == self._end and not self.left):
            return  # an idle one just loses its slot
        self.head = None
        try:
            await self.answer(*answer_for(Refused(408, "timeout")))
        except (OSError, MemoryError, asyncio.CancelledError):
            pass

    def say_no_memory(self):
        """Answer where not even an answer can be put together."""
        if not self.answered:
            try:
                self.stream.s.send(NO_MEMORY)
            except OSError:
                pass

    def _allow(self, ms):
        self.deadline = time.ticks_add(time.ticks_ms(), ms)

    def _may_stay(self, ms):
        self.leaves_at = time.ticks_add(time.ticks_ms(), ms)

    async def _send(self, data):
        self._allow(_STALL_MS)
        self._may_stay(_UNTAKEN_MS)
        try:
            self.answered = True
            self.stream.write(data)
            await self.stream.drain()
        except OSError:
            raise Gone(104)
        self.deadline = self.leaves_at = None


def _chunk(piece):
    return b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b""


def answer_for(error, accept=""):
    """Return (status, body, headers) for *error*, any exception; show a defect on the console.

    *accept* is the header of that name: a browser that asks for the page itself is told in HTML
    what became of the password.
    """
    if isinstance(error, MemoryError):
        error = Refused(503, "low_memory", _ADVICE, retry_after=5)
    elif isinstance(error, OSError) and error.errno == _ENOSPC:
        error = Refused(507, "no_space/full")
    elif not isinstance(error, Refused):
        sys.print_exception(error)
        error = Refused(500, "internal/defect", error)
    headers = error.headers
    for name, header in (("retry_after", "Retry-After"), ("allow", "Allow")):
        if name in error.extra:
            headers += ((header, str(error.extra[name])),)
    body = error.body()
    if "text/html" in accept and error.status in (401, 429):
        if error.status == 401:
            page = Refused(401, "unauthorized/page")
        else:
            page = Refused(429, "too_many_tries/page", error.extra["retry_after"])
        body = iter((page.message.encode(),))
        headers += (("Content-Type", "text/html; charset=utf-8"),)
    return error.status, body, headers
