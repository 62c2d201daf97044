"""One client's connection: request after request, each within its limits of time and bytes."""

import asyncio
import gc
import json
import time
from micropython import const

from ota import call
from ota.errors import Gone, Refused
from ota.lines import Lines
from ota.listener import NO_MEMORY

# Milliseconds that a client may take: for a whole request head, between two requests, and
# between two reads or writes of a body (the slowest flash writes 8 KB/s, so a peer that waits for
# us is never that slow). Between two requests longer than common clients keep a connection (httpx
# and Node's fetch: 5 s at most), so that not both ends decide at the same moment.
_HEAD_MS = const(5000)
_IDLE_MS = const(7000)
_STALL_MS = const(10000)
# What is read and thrown away so that an early answer is seen as a code, not as a reset; and the
# silence after which nothing more is expected where the number of bytes is not known.
_DRAIN_BYTES = const(1 << 20)
_DRAIN_MS = const(8000)
_GARBAGE_MS = const(500)
# How long bytes that are here already are taken without a turn for other tasks, since a turn
# costs half as much as handling a chunk. An erase takes longer: with one, each chunk waits.
_HOLD_MS = const(10)

_ALLOW = "GET, HEAD, PUT, POST, DELETE, MOVE"
# Said with every answer: nothing here is to be cached, framed, guessed at or told to others.
SAFE = (
    "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\nCache-Control: no-store\r\n"
)
_JSON = (("Content-Type", "application/json"),)
CLOSED_CSP = "default-src 'none'; frame-ancestors 'none'"


class Connection:
    """Serves one socket.

    *admit* is `admit(head, address)` and raises Refused unless the request may go on, *handle* is
    `async handle(head, connection)` and sends the answer.
    """

    def __init__(self, sock, address, admit, handle):
        self.stream = asyncio.StreamReader(sock)
        self.address = address
        self.head = None
        self.reader = Lines(self.stream)
        self.left = 0  # bytes of the current body that are still to be read
        self.deadline = None  # ticks_ms until which the client has to act; None: it is our turn
        self.waiting_since = time.ticks_ms()  # since when no whole request is here, else None
        self.task = None
        self._admit = admit
        self._handle = handle
        self._answered = False
        self._expects = False
        self._chunked = False
        self._keep = True
        self._bounded = False  # whether it is known where the current request ends
        self._stall_ms = _STALL_MS
        self._turn_ms = self.waiting_since  # when the others had theirs

    async def serve(self):
        """Answer requests until the client leaves, breaks a rule, or is sent away."""
        try:
            keep = True
            while keep:
                keep = await self._serve_one()
        except OSError:
            pass  # the client is gone: nobody is left to tell
        except MemoryError:
            self._say_no_memory()
        except asyncio.CancelledError:
            await self._tell_timeout()
        finally:
            await self.stream.wait_closed()

    def _say_no_memory(self):
        # Not even an answer could be put together.
        if not self._answered:
            try:
                self.stream.s.send(NO_MEMORY)
            except OSError:
                pass

    async def _serve_one(self):
        self.head = None
        self._answered = self._expects = self._chunked = False
        self._keep = True
        self._bounded = False
        self._stall_ms = _STALL_MS
        self.left = 0
        self.waiting_since = time.ticks_ms()
        if self.reader.empty:
            self._allow(_IDLE_MS)
            if not await self.reader.fill():
                return False
        self._allow(_HEAD_MS)
        try:
            await self._take_head()
            await self._handle(self.head, self)
        except OSError:
            raise
        except Exception as error:
            if self._answered:
                # An answer is half sent: only a cut tells the client.
                call(("refusal",), "reason", error)
                return False
            gc.collect()
            await call(("refusal",), "answer", self, error)
        return await self._ready_for_next()

    async def _take_head(self):
        self.head = head = await call(("request",), "read", self.reader)
        self.deadline = self.waiting_since = None
        self.left = head.length or 0
        self._bounded = True
        self._expects = (
            head.minor == 1 and head.headers.get("expect", "").lower() == "100-continue"
        )
        if head.method == "?":
            raise Refused(405, "bad_method/unknown", _ALLOW, allow=_ALLOW)
        self._admit(head, self.address)

    async def _ready_for_next(self):
        # After a malformed head nobody knows how many bytes follow; after an `Expect` that was
        # not met, whether the body comes all the same.
        if self._expects:
            self._expects = self._bounded = False
        if not self._bounded:
            self.left = _DRAIN_BYTES
            self._stall_ms = _GARBAGE_MS
        if self.left:
            await self._drain()
        return self._keep and not self.left

    async def _drain(self):
        """Read what is still on its way: closing before would reset the connection."""
        self.waiting_since = time.ticks_ms()  # it gives its place to others
        until = time.ticks_add(self.waiting_since, _DRAIN_MS)
        least = max(0, self.left - _DRAIN_BYTES)
        scrap = self.reader.scrap()
        while self.left > least and time.ticks_diff(until, time.ticks_ms()) > 0:
            await self.readinto(scrap)

    def take(self, view):
        """Read body bytes that are here already into memoryview *view*; return how many, or 0.

        0 as well when the other tasks have waited for their turn long enough.
        """
        left = self.left
        if not left:
            return 0
        if len(view) > left:
            view = view[:left]
        count = self.reader.take(view)
        if not count:
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
                await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
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

    def _allow(self, ms):
        self.deadline = time.ticks_add(time.ticks_ms(), ms)

    async def _send(self, data):
        self._allow(_STALL_MS)
        self.stream.write(data)
        await self.stream.drain()
        self.deadline = None

    async def start_answer(self, status, reason, headers, length, csp=None):
        """Send the status line and the headers.

        *headers* is an iterable of (name, value); *length* the body's bytes, None for pieces of
        unknown number; *csp* another Content-Security-Policy than "nothing at all".
        """
        head = self.head
        self._chunked = length is None and head is not None and head.minor == 1
        lines = ["HTTP/1.1 %d %s\r\n" % (status, reason), SAFE]
        lines.append("Content-Security-Policy: %s\r\n" % (csp or CLOSED_CSP))
        for name, value in headers:
            lines.append("%s: %s\r\n" % (name, value))
        if self._chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        elif length is None:
            self._keep = False  # HTTP/1.0 has no chunks: the end of the stream ends the body
        elif status not in (204, 304):
            lines.append("Content-Length: %d\r\n" % length)
        if status == 411:
            self._bounded = False  # there may be a body up to the end of the stream
        if head is None or not (self._bounded and head.keep) or self._expects:
            self._keep = False
        lines.append("Connection: %s\r\n\r\n" % ("keep-alive" if self._keep else "close"))
        data = "".join(lines).encode()
        self._answered = True
        await self._send(data)

    async def write(self, data):
        """Send bytes of a body of known length."""
        await self._send(data)

    async def write_pieces(self, pieces):
        """Send a body of unknown length, given as an iterator of bytes."""
        for piece in pieces:
            if piece:
                await self._send(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)
        if self._chunked:
            await self._send(b"0\r\n\r\n")

    async def answer(self, status, body, headers=()):
        """Send what a direct route returned.

        *body* is a dict, sent as JSON, None, or an iterator of bytes that are JSON together.
        """
        if body is None:
            await self.start_answer(status, "OK", headers, 0)
        elif isinstance(body, dict):
            await self.send_json(status, "OK", body, headers)
        else:
            await self.start_answer(status, "OK", _JSON + tuple(headers), None)
            if self.head.method != "HEAD":
                await self.write_pieces(body)

    async def send_json(self, status, reason, body, headers=()):
        """Send the dict *body* as JSON in one write of head and body each."""
        data = json.dumps(body).encode()
        await self.start_answer(status, reason, _JSON + tuple(headers), len(data))
        if self.head is None or self.head.method != "HEAD":
            await self._send(data)

    async def _tell_timeout(self):
        # Only a client in the middle of a request is told; an idle one just loses its place.
        if self._answered or (self.reader.empty and not self.left):
            return
        self.head = None
        try:
            await call(("refusal",), "answer", self, Refused(408, "timeout"))
        except (OSError, MemoryError, asyncio.CancelledError):
            pass
