"""The listening socket: who gets one of the few connections, and who loses it."""

import asyncio
import gc
import socket
import time
from micropython import const

from ota.connection import Connection

# A Pico W has five TCP connections in all, closing ones included (lwIP MEMP_NUM_TCP_PCB).
_MAX_OPEN = const(3)
_BACKLOG = const(5)
_TICK_MS = const(100)
# While others wait, a client keeps its place this long without a whole request. lwIP offers data
# that came before accept() again after up to 250 ms, so anything shorter would hit good clients.
_GRACE_MS = const(300)


class Listener:
    """Accepts connections on one port, at most three at once. `open` and `close` may alternate."""

    def __init__(self, access, handle):
        self.port = None
        self._access = access
        self._handle = handle
        self._socket = None
        self._accepting = None
        self._tending = None
        self._open = []

    @property
    def is_open(self):
        """True while the port is bound."""
        return self._socket is not None

    @property
    def busy(self):
        """True while a request is being served."""
        return any(connection.waiting_since is None for connection in self._open)

    def open(self, host, port):
        """Bind and start accepting. Raises OSError when the port is taken."""
        address = socket.getaddrinfo(host, port)[0][-1]
        listening = socket.socket()
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setblocking(False)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
        self.port = _port_of(address)
        self._socket = listening
        self._accepting = asyncio.create_task(self._accept())

    def close(self):
        """Stop accepting and cut every connection."""
        if self._socket is None:
            return
        self._accepting.cancel()
        self._socket.close()
        self._socket = None
        for connection in self._open:
            connection.task.cancel()

    async def _accept(self):
        while True:
            await _readable(self._socket)
            while len(self._open) >= _MAX_OPEN:
                self._make_room()
                await asyncio.sleep_ms(_TICK_MS // 2)
            try:
                sock, peer = self._socket.accept()
            except OSError:
                # The client gave up while it waited, or no connection block is free.
                await asyncio.sleep_ms(_TICK_MS)
                continue
            sock.setblocking(False)
            self._start(Connection(sock, _address_of(peer), self._access, self._handle))

    def _start(self, connection):
        self._open.append(connection)
        connection.task = asyncio.create_task(self._run(connection))
        if self._tending is None:
            self._tending = asyncio.create_task(self._tend())

    async def _run(self, connection):
        try:
            await connection.serve()
        finally:
            self._open.remove(connection)

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


async def _readable(sock):
    # What asyncio's own server waits with; start_server() itself would accept without a limit.
    yield asyncio.core._io_queue.queue_read(sock)


def _port_of(address):
    # lwIP gives (host, port); the unix port a packed address that its sockaddr() opens.
    if isinstance(address, tuple):
        return address[1]
    return socket.sockaddr(address)[2]


def _address_of(peer):
    if isinstance(peer, tuple):
        return peer[0]
    return ".".join(str(byte) for byte in socket.sockaddr(peer)[1])
