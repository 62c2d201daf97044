"""Where connections are received: who gets a place, who is let in, what answers them."""

import asyncio
import gc
import socket
import sys
import time
from micropython import const

from ota import call, close_writers, let_go, let_guard_go, load
from ota.body import Body
from ota.connection import Connection
from ota.device import ENTRANCE, Device
from ota.errors import Gone

# A Pico W has five TCP connections in all, closing ones included (lwIP MEMP_NUM_TCP_PCB).
_MAX_OPEN = const(3)
_TICK_MS = const(100)
# While others wait, a client keeps its place this long without a whole request. lwIP offers data
# that came before accept() again after up to 250 ms, so anything shorter would hit good clients.
_GRACE_MS = const(300)
_IDLE_MS = const(60000)
_HELD_UP_MS = const(500)
_IPPROTO_TCP = const(6)
# 64 on the board, where it is a flag of lwIP; 1 where an operating system has the sockets.
_TCP_NODELAY = getattr(socket, "TCP_NODELAY", 1)


# What every request needs, and what stays when nobody is connected. One text takes less room.
_BASE = (
    " address body connection device errors head lines listener log reception uploads prompt mark "
)


class Reception:
    """Receives the connections of *service*, at most three at once."""

    def __init__(self, service):
        self.device = Device(service)
        self._service = service
        self._hosts = [host.lower() for host in service.allowed_hosts]
        self._failures = {}  # of ota/access.py, which is not always loaded
        self._open = []
        self._tending = None
        self._web = None
        self._foreign_microdot = "microdot" in sys.modules
        self._last = None  # module of the last direct route
        self._busy = 0  # requests that are being answered
        self._used_ms = time.ticks_ms()

    @property
    def idle(self):
        """True when nobody is connected and nobody has been for a minute."""
        return not self._open and time.ticks_diff(time.ticks_ms(), self._used_ms) > _IDLE_MS

    def close(self):
        """Cut every connection, leave nothing open on the flash and Microdot to the collector."""
        for connection in self._open:
            connection.task.cancel()
        close_writers()
        self._let_microdot_go()

    async def room(self):
        """Return when a place is free. Raises MemoryError when none can be given at all."""
        while len(self._open) >= _MAX_OPEN:
            self._make_room()
            await asyncio.sleep_ms(_TICK_MS // 2)

    def take(self, sock, peer):
        """Serve the connection *sock* in the background."""
        # Nagle's algorithm would hold back the end of an answer until the client's delayed
        # acknowledgement of its beginning: 40 ms to 200 ms for each request.
        sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        connection = Connection(sock, _address_of(peer), self._admit, self._handle)
        self._open.append(connection)
        try:
            connection.task = asyncio.create_task(self._run(connection))
            if self._tending is None:
                self._tending = asyncio.create_task(self._tend())
        finally:
            if connection.task is None:  # no memory: it must not keep a place for ever
                self._open.remove(connection)

    async def _run(self, connection):
        try:
            await connection.serve()
        finally:
            self._open.remove(connection)
            self._used_ms = time.ticks_ms()

    async def _tend(self):
        last = time.ticks_ms()
        while self._open:
            now = time.ticks_ms()
            # When the application has held up everything, what clients have sent meanwhile is
            # still to be read: in the next turn, but no later, since some always hold it up.
            held_up = last is not None and time.ticks_diff(now, last) > _HELD_UP_MS
            last = None if held_up else now
            if not held_up:
                self._cut_late(now)
            await asyncio.sleep_ms(_TICK_MS)
        self._tending = None
        gc.collect()

    def _cut_late(self, now):
        for connection in self._open:
            deadline = connection.deadline
            if deadline is not None and time.ticks_diff(now, deadline) > 0:
                connection.deadline = None
                connection.task.cancel()

    def _make_room(self):
        """Send away the one that has kept its place longest without a whole request."""
        now = time.ticks_ms()
        longest, victim = _GRACE_MS, None
        for connection in self._open:
            since = connection.waiting_since
            if since is None:
                continue
            waited = time.ticks_diff(now, since)
            if waited >= longest:
                longest, victim = waited, connection
        if victim:
            victim.waiting_since = None
            victim.task.cancel()

    def _admit(self, head, address):
        load("access").Access(self.device, self._hosts, self._failures).check(head, address)

    async def _handle(self, head, connection):
        self._service.requests += 1
        head.body = Body(connection, head.length)
        if head.method == "POST" and head.path == "/api/v1/reboot":
            # Not from the table of ota/routes.py: the way out of a full heap has to fit into one.
            mode = (await head.body.json()).get("mode", "normal")
            await connection.send_json(202, "Accepted", self.device.restart(mode))
            return
        signed_only = self._service.require_signed
        name, function, needs, head.rest = call(
            ("routes",), "find", head.method, head.path, signed_only
        )
        self._busy += 1
        starved = False
        try:
            if name.startswith("direct_"):
                await self._answer(name, function, needs, head, connection)
            else:
                starved = await self._ask_web(needs, head, connection)
        except MemoryError:
            starved = True
            raise
        finally:
            if starved:
                # Half of what is needed helps nobody, and takes the room for the way out, above.
                self._make_room_for(())
            self._busy -= 1

    async def _ask_web(self, needs, head, connection):
        """Answer a route of Microdot; return True if memory ran short."""
        if self._web is None:
            self._make_room_for(needs)
        self._last = None
        web = self.load_web()
        await web.handle(head, connection)
        return web.starved

    async def _answer(self, name, function, needs, head, connection):
        """Answer a route without Microdot."""
        if self._last != name:
            self._make_room_for(needs)
            gc.collect()  # before so much is loaded
            self._last = name
        try:
            answer = await call(needs, function, self.device, head)
        except Gone:
            raise
        except OSError as error:  # of the flash: that of a connection is Gone
            raise call(("refusal",), "reason", error)
        await connection.answer(*answer)

    def _make_room_for(self, names):
        """Let all modules go that came with requests, but *names*, unless others use them."""
        if self._busy > 1 or self.device.uploads.current is not None or self._service.mounted:
            return
        stale = [name[4:] for name in sys.modules if self._is_stale(name, names)]
        let_guard_go()  # a good start, or a confirmation, may have loaded it
        if stale:
            self._web = self._last = None
            self._let_microdot_go()
            let_go(*stale)

    def _is_stale(self, name, needed):
        name = name[4:] if name[:4] == "ota." else None
        return not (name is None or name in needed or name in ENTRANCE or " %s " % name in _BASE)

    def load_web(self):
        """Return the Web, loading it if need be. Raises MemoryError."""
        if self._web is None:
            gc.collect()
            from ota.web import Web

            self._web = Web(self._service, self.device)
        return self._web

    def _let_microdot_go(self):
        # An application that uses it itself would get a second one at the next request.
        if not self._foreign_microdot:
            sys.modules.pop("microdot", None)

    def mount(self, app, prefix):
        """Add the routes to *app*, an application's own Microdot, below *prefix*."""
        self.load_web().mount(app, prefix, self._admit)


def _address_of(peer):
    if isinstance(peer, tuple):
        return peer[0]
    return ".".join(str(byte) for byte in socket.sockaddr(peer)[1])
