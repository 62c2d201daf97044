"""The listening socket: all that waits in memory for the first client."""

import asyncio
import socket
from micropython import const

# Connections that wait for accept() hold one of the board's five TCP control blocks each.
_BACKLOG = const(5)
_RETRY_MS = const(100)
_NO_MEMORY = (
    b"HTTP/1.1 503 low_memory\r\nContent-Type: application/json\r\nContent-Length: 84\r\n"
    b"Retry-After: 5\r\nConnection: close\r\n\r\n"
    b'{"error":"low_memory","message":"The application leaves no memory for the updater."}'
)


class Listener:
    """Accepts connections on one port. `open` and `close` may alternate.

    *receive* returns the Reception that takes them, or raises MemoryError.
    """

    def __init__(self, host, port, receive):
        #: The port that is bound, None while closed.
        self.port = None
        self.wanted_port = port
        self._host = host
        self._receive = receive
        self._socket = None
        self._task = None

    def open(self):
        """Bind and start accepting. Raises OSError when the port is taken."""
        address = socket.getaddrinfo(self._host, self.wanted_port)[0][-1]
        listening = socket.socket()
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setblocking(False)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
        # lwIP gives (host, port); the unix port a packed address that its sockaddr() opens.
        self.port = address[1] if isinstance(address, tuple) else socket.sockaddr(address)[2]
        self._socket = listening
        self._task = asyncio.create_task(self._accept())

    def close(self):
        """Stop accepting. Connections that are open are the Reception's."""
        if self._socket is not None:
            self._task.cancel()
            self._socket.close()
            self._socket = self.port = None

    async def _accept(self):
        while True:
            await _readable(self._socket)
            try:
                reception = self._receive()
                await reception.room()
            except MemoryError:
                reception = None
            try:
                sock, peer = self._socket.accept()
                sock.setblocking(False)
                if reception is None:
                    _turn_away(sock)
                else:
                    reception.take(sock, peer)
            except (OSError, MemoryError):
                # The client gave up while it waited, or no control block is free.
                await asyncio.sleep_ms(_RETRY_MS)


def _turn_away(sock):
    try:
        sock.send(_NO_MEMORY)
    finally:
        sock.close()


async def _readable(sock):
    # What asyncio's own server waits with; start_server() itself would accept without a limit.
    yield asyncio.core._io_queue.queue_read(sock)
