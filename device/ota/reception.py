"""Where connections are received: who gets a place, who is let in, what answers them."""

import asyncio
import gc
import socket
import sys
import time
from micropython import const

from ota.access import Access
from ota.connection import Connection, low_memory
from ota.device import Device

# A Pico W has five TCP connections in all, closing ones included (lwIP MEMP_NUM_TCP_PCB).
_MAX_OPEN = const(3)
_TICK_MS = const(100)
# While others wait, a client keeps its place this long without a whole request. lwIP offers data
# that came before accept() again after up to 250 ms, so anything shorter would hit good clients.
_GRACE_MS = const(300)
_IDLE_MS = const(60000)
# The socket module of the rp2 port has the first as a constant, that of the unix port neither.
_IPPROTO_TCP = const(6)
_TCP_NODELAY = const(1)


class Reception:
    """Receives the connections of *service*, at most three at once."""

    def __init__(self, service):
        self.device = Device(service)
        self._service = service
        self._access = Access(self.device, service.allowed_hosts)
        self._open = []
        self._tending = None
        self._web = None
        self._used_ms = time.ticks_ms()

    @property
    def idle(self):
        """True when nobody is connected and nobody has been for a minute."""
        return not self._open and time.ticks_diff(time.ticks_ms(), self._used_ms) > _IDLE_MS

    def close(self):
        """Cut every connection and leave nothing open on the flash."""
        for connection in self._open:
            connection.task.cancel()
        staging = sys.modules.get("ota.staging")
        if staging:
            staging.release()

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
        connection = Connection(sock, _address_of(peer), self._access, self._handle)
        self._open.append(connection)
        connection.task = asyncio.create_task(self._run(connection))
        if self._tending is None:
            self._tending = asyncio.create_task(self._tend())

    async def _run(self, connection):
        try:
            await connection.serve()
        finally:
            self._open.remove(connection)
            self._used_ms = time.ticks_ms()

    async def _tend(self):
        while self._open:
            now = time.ticks_ms()
            for connection in self._open:
                deadline = connection.deadline
                if deadline is not None and time.ticks_diff(now, deadline) > 0:
                    connection.deadline = None
                    connection.task.cancel()
            await asyncio.sleep_ms(_TICK_MS)
        self._tending = None
        gc.collect()

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

    async def _handle(self, head, connection):
        self._service.requests += 1
        try:
            web = self._load_web()
        except MemoryError:
            self._web = None
            await self._answer_without_web(head, connection)
            return
        await web.handle(head, connection)

    async def _answer_without_web(self, head, connection):
        # The way out of a full heap has to work on a full heap.
        if head.method != "POST" or head.path != "/api/v1/reboot":
            raise low_memory()
        body = bytearray(64)
        count = await connection.readinto(memoryview(body))
        mode = "rescue" if body[:count].find(b"rescue") >= 0 else "normal"
        await connection.send_json(202, "OK", self.device.restart(mode))

    def _load_web(self):
        if self._web is None:
            gc.collect()
            from ota.web import Web

            self._web = Web(self._service, self.device)
        return self._web

    def mount(self, app, prefix):
        """Add the routes to *app*, an application's own Microdot, below *prefix*."""
        self._load_web().mount(app, prefix, self._access)


def _address_of(peer):
    if isinstance(peer, tuple):
        return peer[0]
    return ".".join(str(byte) for byte in socket.sockaddr(peer)[1])
