"""Connections get a slot here, their requests are let in, and each is answered by its handler.

A handler is `async function(service, head)` and returns (status, body, headers): *body* is None, a
dict (sent as JSON), an iterator of bytes (JSON, unless *headers* say otherwise), or an open file
with `readinto(view)`, `left` and `close()`; *headers* is a tuple of (name, value).
"""

import asyncio
import gc
import socket
import time
from micropython import const

import ota
from ota.access import Access
from ota.connection import Connection, answer_for
from ota.errors import Gone, Refused
from ota.request import read

# A Pico W has five TCP connections in all, closing ones included (lwIP MEMP_NUM_TCP_PCB).
_SLOTS = const(3)
_TICK_MS = const(100)
_GRACE_MS = const(300)
_IDLE_MS = const(60000)
_HELD_UP_MS = const(500)
_IPPROTO_TCP = const(6)
# 64 on the board, where it is a flag of lwIP; 1 where an operating system has the sockets.
_TCP_NODELAY = getattr(socket, "TCP_NODELAY", 1)

_POLL_MS = const(25)

# Method, path, module, function, and who may: "any", or "unsigned", refused where only signed
# releases are taken. A path that ends in "/" stands for all below it. What "server" answers needs
# no phase: it is asked for in the middle of others, or is the way out of a full heap. One text,
# since tuples of the same would take three times the heap.
_BELOW = ("/fs/", "/api/v1/update/files/")
_ROUTES = """
GET / page page any
GET /api/v1/info api info any
GET /cp/version.json api version any
GET /api/v1/status status status any
GET /api/v1/progress server progress any
GET /api/v1/log api log any
GET /api/v1/console api console any
POST /api/v1/reboot server reboot any
PUT /api/v1/password api password any
GET /fs/ reading get any
PUT /fs/ files put unsigned
DELETE /fs/ files delete unsigned
MOVE /fs/ files move unsigned
POST /api/v1/update updates begin any
PUT /api/v1/update updates begin any
GET /api/v1/update staging show any
DELETE /api/v1/update commit abort any
PUT /api/v1/update/files/ staging put any
POST /api/v1/update/commit commit commit any
POST /api/v1/confirm commit confirm any
POST /api/v1/rollback commit rollback any
"""


def routes():
    """Yield (module, function) of each row that another module answers."""
    for row in _ROUTES[1:-1].split("\n"):
        module, function = row.split(" ")[2:4]
        if module != "server":
            yield module, function


def find(head, signed_only):
    """Return (module, function) for *head*, and set its `rest`, the path below that of the row.

    Raises Refused: 404 or 405, and 403 with *signed_only* for what changes files without a
    signature.
    """
    path = head.path
    for below in _BELOW:
        if path.startswith(below):
            head.rest, path = path[len(below) :], below
    method = "GET" if head.method == "HEAD" else head.method
    row = "\n%s %s " % (method, path)
    at = _ROUTES.find(row)
    if at < 0:
        allow = [m for m in ("GET", "PUT", "POST", "DELETE", "MOVE") if _has(m, path)]
        if not allow:
            raise Refused(404, "not_found/route", path[:80])
        allow = ", ".join(allow)
        raise Refused(405, "bad_method/here", allow, method, allow=allow)
    at += len(row)
    module, function, who = _ROUTES[at : _ROUTES.find("\n", at)].split(" ")
    if signed_only and who == "unsigned":
        raise Refused(403, "signed_only")
    return module, function


def _has(method, path):
    return "\n%s %s " % (method, path) in _ROUTES


async def respond(service, head):
    """Return what the handler for *head* returns.

    In a frame of its own: a frame keeps alive what was last on its stack, and that of a
    connection would keep the modules of a phase until the next request.
    """
    module, function = find(head, service.require_signed)
    if function == "progress":
        return 200, {"upload": service.upload}, ()
    if function == "reboot":
        mode = (await head.json()).get("mode", "normal")
        try:
            return 202, ota.use("changes").restart(service, mode), ()
        except MemoryError:  # which is why it is asked for
            return 202, service.restart_soon(mode), ()
    if service.upload is None:
        if head.length and module != "api":
            # Before modules leave no piece of its size.
            if service.buffer is None:
                ota.use(None)
                ota.load("changes").buffer(service)
        elif head.method in ("GET", "HEAD"):
            service.buffer = None  # which may need its room
    return await getattr(ota.use(module), function)(service, head)


class Server:
    """Serves the connections of *service*, at most three at once."""

    def __init__(self, service):
        self._service = service
        service.access = Access(service)
        self._open = []  # the oldest first
        self._tending = None
        self._wanted_ms = None  # since when somebody waits for a slot
        self._used_ms = time.ticks_ms()

    @property
    def idle(self):
        """True when nobody is connected and nobody has been for a minute."""
        return not self._open and time.ticks_diff(time.ticks_ms(), self._used_ms) > _IDLE_MS

    def close(self):
        """Cut every connection."""
        for connection in self._open:
            connection.task.cancel()

    async def slot(self):
        """Return when a slot is free."""
        while len(self._open) >= _SLOTS:
            now = time.ticks_ms()
            if self._wanted_ms is None:
                self._wanted_ms = now
            self._send_away(now)
            await asyncio.sleep_ms(_POLL_MS)
        self._wanted_ms = None

    def take(self, sock, peer):
        """Serve the connection *sock* in the background. Raises MemoryError."""
        # Nagle's algorithm would hold back the end of an answer until the client's delayed
        # acknowledgement of its beginning: 40 ms to 200 ms for each request.
        sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        connection = Connection(sock, _address_of(peer), self._gives_way)
        self._open.append(connection)
        try:
            connection.task = asyncio.create_task(self._serve(connection))
            if self._tending is None:
                self._tending = asyncio.create_task(self._tend())
        finally:
            if connection.task is None:  # no memory: it must not keep a slot for ever
                self._open.remove(connection)

    async def _serve(self, connection):
        try:
            while await self._serve_one(connection):
                pass
        except OSError:
            pass  # the client is gone: nobody is left to tell
        except MemoryError:
            connection.say_no_memory()
        except asyncio.CancelledError:
            await connection.stop()
        finally:
            try:
                await connection.stream.wait_closed()
            finally:
                self._open.remove(connection)
                self._used_ms = time.ticks_ms()

    async def _serve_one(self, connection):
        """Answer one request; return whether a next one may come."""
        if not await connection.wait():
            return False
        service = self._service
        try:
            head = await read(connection)
            connection.begin(head)
            service.access.check(head, connection.address)
            service.requests += 1
            ota.busy += 1
            try:
                await connection.answer(*await respond(service, head))
            except MemoryError:
                # Half of a phase helps nobody, and takes the room for the way out of it.
                ota.use(None)
                raise
            finally:
                ota.busy -= 1
        except Exception as error:
            lost = isinstance(error, OSError) and connection.head is None
            if lost or isinstance(error, Gone):
                raise
            head = connection.head
            answer = answer_for(error, head.headers.get("accept", "") if head else "")
            if connection.answered:
                return False  # an answer is half sent: only a cut tells the client
            gc.collect()
            await connection.answer(*answer)
        return await connection.finish()

    def _gives_way(self, connection):
        """Tell whether *connection* leaves its slot to others: the oldest first."""
        if self._wanted_ms is None:
            return False
        waited = time.ticks_diff(time.ticks_ms(), self._wanted_ms)
        return waited >= _GRACE_MS * self._open.index(connection)

    def _send_away(self, now):
        """Cut the one that has kept its slot longest without a whole request."""
        longest, victim = 0, None
        for connection in self._open:
            if connection.leaves_at is not None:
                waited = time.ticks_diff(now, connection.leaves_at)
                if waited >= longest:
                    longest, victim = waited, connection
        if victim:
            victim.leaves_at = None
            victim.task.cancel()

    async def _tend(self):
        last = time.ticks_ms()
        while self._open:
            now = time.ticks_ms()
            # When the application has held up everything, what clients have sent meanwhile is
            # still to be read: in the next turn, but no later, since some always hold it up.
            held_up = last is not None and time.ticks_diff(now, last) > _HELD_UP_MS
            last = None if held_up else now
            for connection in () if held_up else self._open:
                deadline = connection.deadline
                if deadline is not None and time.ticks_diff(now, deadline) > 0:
                    connection.deadline = None
                    connection.task.cancel()
            await asyncio.sleep_ms(_TICK_MS)
        self._tending = None
        gc.collect()


def _address_of(peer):
    if isinstance(peer, tuple):
        return peer[0]
    return ".".join(str(byte) for byte in socket.sockaddr(peer)[1])
