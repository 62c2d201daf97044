"""`socket` for bench/heap32: connections that exist only in memory.

A scenario is the client. It gives the bytes of a request's head and the size of its body; the body
is whatever the reader's buffer already holds, so that a client's 500 KB take no memory here.

    wire = socket.dial(8080, b"PUT /fs/a HTTP/1.1\\r\\n...\\r\\n\\r\\n", 500000)
    ... step until wire.answered ...
    wire.status, wire.answered        # b"HTTP/1.1 201 Created", bytes of the answer so far
"""

import io

AF_INET = 2
SOCK_STREAM = 1
SOCK_DGRAM = 2
SOL_SOCKET = 1
SO_REUSEADDR = 4
IPPROTO_TCP = 6
TCP_NODELAY = 1

_POLL = 3
_IN = 1
_OUT = 4

_listening = {}


def getaddrinfo(host, port, *more):
    return [(AF_INET, SOCK_STREAM, 0, "", (host, port))]


def dial(port, head, body=0):
    """Connect to a listening socket and send a request."""
    wire = Wire()
    wire.send_request(head, body)
    _listening[port].waiting.append(wire)
    return wire


class Wire(io.IOBase):
    """The service's end of a connection, with what the client does to it."""

    def __init__(self):
        self._status = bytearray(48)
        self._status_size = 0
        self._head = memoryview(b"")
        self._body = 0
        self.answered = 0
        self.hung_up = False
        self.closed = False

    # the client

    def send_request(self, head, body=0):
        self._head = memoryview(head)
        self._body = body
        self.answered = self._status_size = 0

    def hang_up(self):
        self.hung_up = True

    @property
    def sent(self):
        """Whether the service has read all that the client sent."""
        return not self._head and not self._body

    @property
    def status(self):
        return bytes(self._status[: self._status_size]).split(b"\r\n")[0]

    # the service

    def ioctl(self, request, flags):
        if request == _POLL:
            ready = _OUT
            if self._head or self._body or self.hung_up:
                ready |= _IN
            return flags & ready
        return 0

    def close(self):
        self.closed = True

    def readinto(self, buf):
        n = min(len(self._head), len(buf))
        if n:
            buf[:n] = self._head[:n]
            self._head = self._head[n:]
        elif self._body:
            n = min(self._body, len(buf), 6400)  # lwIP's window
            self._body -= n
        elif not self.hung_up:
            return None
        return n

    def read(self, size=-1):
        buf = memoryview(bytearray(size if size >= 0 else 512))
        n = self.readinto(buf)
        return None if n is None else bytes(buf[:n])

    def write(self, buf):
        size = len(buf)
        keep = min(len(self._status) - self._status_size, size)
        if keep:
            self._status[self._status_size : self._status_size + keep] = buf[:keep]
            self._status_size += keep
        self.answered += size
        return size

    send = write

    def setblocking(self, flag):
        pass

    def setsockopt(self, *args):
        pass


class socket(io.IOBase):
    """A listening socket."""

    def __init__(self, *args):
        self.waiting = []
        self._port = 0

    def setsockopt(self, *args):
        pass

    def setblocking(self, flag):
        pass

    def bind(self, address):
        self._port = address[1]

    def listen(self, backlog=2):
        _listening[self._port] = self

    def accept(self):
        if not self.waiting:
            raise OSError(11)
        return self.waiting.pop(0), ("192.168.1.9", 50000)

    def ioctl(self, request, flags):
        if request == _POLL:
            return flags & _IN if self.waiting else 0
        return 0

    def close(self):
        _listening.pop(self._port, None)
