"""The waiting sockets: all of the service that stays in memory until a client comes."""

import asyncio
import socket
import sys
from micropython import const

import ota

# Connections that wait for accept() hold one of the board's five TCP control blocks each.
_BACKLOG = const(5)
_RETRY_MS = const(100)
_PROBE_PORT = const(8081)
_PROBE_MS = const(250)  # at most four answers a second, 2 KB
#: The answer where not even a reason can be put together.
NO_MEMORY = (
    b"HTTP/1.1 503 low_memory\r\nContent-Type: application/json\r\nContent-Length: 110\r\n"
    b"Retry-After: 5\r\nConnection: close\r\n\r\n"
    b'{"error":"low_memory","message":"The application leaves no memory for the updater:'
    b' restart into rescue mode."}'
)


class Listener:
    """Accepts connections on one port. `open` and `close` may alternate.

    *receive* returns the Server that takes them, or raises MemoryError.
    """

    def __init__(self, host, port, receive):
        #: The port that is bound, None while closed.
        self.port = None
        self._wanted = port
        self._host = host
        self._receive = receive
        self._socket = None
        self._task = None

    def open(self):
        """Bind and start accepting. Raises OSError when the port is taken, MemoryError."""
        listening, address = _bound(socket.SOCK_STREAM, self._host, self._wanted)
        try:
            listening.listen(_BACKLOG)
            # lwIP gives (host, port); the unix port a packed address that its sockaddr() opens.
            port = address[1] if isinstance(address, tuple) else socket.sockaddr(address)[2]
            self._task = asyncio.create_task(self._accept())
        except (OSError, MemoryError):
            listening.close()
            raise
        # Last, since it says that somebody accepts.
        self._socket, self.port = listening, port

    def close(self):
        """Stop accepting. Connections that are open are the Server's."""
        if self._socket is not None:
            self._task.cancel()
            self._socket.close()
            self._socket = self.port = None

    def renew(self):
        """Go on waiting in a new task.

        MicroPython links the tasks of its queue, and one that left it to wait for a socket keeps
        its old links: to connections that have ended, and with them to all that they had loaded.
        """
        if self._socket is not None:
            waiting, self._task = self._task, asyncio.create_task(self._accept())
            waiting.cancel()

    async def _accept(self):
        while True:
            sock = None
            try:
                await _readable(self._socket)
                server = self._receive()
                await server.slot()
                sock, peer = self._socket.accept()
                sock.setblocking(False)
                server.take(sock, peer)
                continue
            except MemoryError:
                sock = self._turn_away(sock)
            except Exception as error:
                # An OSError: the client gave up while it waited, or no control block is free.
                if not isinstance(error, OSError):
                    sys.print_exception(error)  # whatever it is, the next one may be served
            await asyncio.sleep_ms(_RETRY_MS)
            if sock:
                try:
                    sock.recv(512)  # closing with bytes unread would reset the answer
                except (OSError, MemoryError):
                    pass
                sock.close()

    def _turn_away(self, sock):
        try:
            if sock is None:
                sock = self._socket.accept()[0]
                sock.setblocking(False)
            sock.send(NO_MEMORY)
        except (OSError, MemoryError):
            pass
        return sock


class Beacon:
    """Waits for probes of programs that look for devices; see reply() in ota/api.py.

    Raises OSError when the port is taken.
    """

    def __init__(self, service):
        self._service = service
        self._socket, _ = _bound(socket.SOCK_DGRAM, "0.0.0.0", _PROBE_PORT)
        self._task = asyncio.create_task(self._answer())

    def close(self):
        """Stop waiting."""
        self._task.cancel()
        self._socket.close()

    async def _answer(self):
        while True:
            await _readable(self._socket)
            try:
                ota.load("api").reply(self._service, self._socket)
            except Exception as error:
                if not isinstance(error, (OSError, MemoryError)):
                    sys.print_exception(error)  # else no route or no memory: they ask again
            self._service.tidy()
            await asyncio.sleep_ms(_PROBE_MS)


def _bound(kind, host, port):
    """Return (socket, address) for *port*. Raises OSError when it is taken."""
    sock = socket.socket(socket.AF_INET, kind)
    try:
        address = socket.getaddrinfo(host, port)[0][-1]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock, address


async def _readable(sock):
    # What asyncio's own server waits with; start_server() itself would accept without a limit.
    yield asyncio.core._io_queue.queue_read(sock)
