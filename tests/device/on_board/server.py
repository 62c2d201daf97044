"""ota/server.py: who gets a slot, and what answers a request"""

import asyncio
import sys
import time

from harness import PERIOD, Clock, refused

import ota
from ota import server
from ota.request import Head

NODELAY = 64  # of lwIP on the rp2 port; another number prints a warning there and does nothing


class Service:
    auth = ("admin", "otapico")
    allowed_hosts = ()
    access = upload = None
    require_signed = False

    def __init__(self, buffer=None):
        self.buffer = buffer


# --- slots ---------------------------------------------------------------------------------------


class Socket:
    def __init__(self):
        self.options = []

    def setsockopt(self, level, option, value):
        self.options.append((level, option, value))

    def close(self):
        pass


def test_answers_do_not_wait_for_acknowledgements():
    server._TCP_NODELAY = NODELAY

    class Quiet(server.Server):
        async def _serve(self, connection):
            self._open.remove(connection)

    async def take():
        sock = Socket()
        Quiet(Service()).take(sock, ("192.168.1.9", 50000))
        await asyncio.sleep_ms(0)
        return sock.options

    assert asyncio.run(take()) == [(6, NODELAY, 1)]


def test_the_option_is_that_of_the_board():
    class Sockets:
        TCP_NODELAY = NODELAY

    sys.modules["socket"] = Sockets()
    del sys.modules["ota.server"]
    del sys.modules["ota"].server
    from ota import server as again

    assert again._TCP_NODELAY == NODELAY


class Open:
    """Stands for a connection that has a slot."""

    leaves_at = None

    def __init__(self, name):
        self.name = name
        self.task = self

    def cancel(self):
        cut.append(self.name)


cut = []


def busy_server():
    made = server.Server(Service())
    made._open[:] = [Open(name) for name in ("a", "b", "c")]
    return made


def test_while_others_wait_the_oldest_gives_way_after_its_answer():
    server.time = Clock
    made = busy_server()
    a, b, c = made._open
    assert not any(made._gives_way(one) for one in (a, b, c))
    Clock.now = made._wanted_ms = PERIOD - 100
    assert [made._gives_way(one) for one in (a, b, c)] == [True, False, False]
    # When the oldest is in the middle of something long, the next ones give way instead.
    Clock.now += 300
    assert [made._gives_way(one) for one in (a, b, c)] == [True, True, False]
    Clock.now += 300
    assert [made._gives_way(one) for one in (a, b, c)] == [True, True, True]
    server.time = time


def test_the_one_that_is_idle_for_longest_is_sent_away():
    made = busy_server()
    a, b, c = made._open
    made._send_away(1000)
    assert cut == []
    a.leaves_at, b.leaves_at, c.leaves_at = 1001, 999, 998
    for expected in (["c"], ["c", "b"], ["c", "b"]):
        made._send_away(1000)
        assert cut == expected


# --- routes --------------------------------------------------------------------------------------


def find(method, path, signed_only=False):
    head = Head(method, path, 1)
    return server.find(head, signed_only) + (head.rest,)


def test_rows_are_found():
    for method, path, found in (
        ("GET", "/", ("page", "page", "")),
        ("HEAD", "/", ("page", "page", "")),
        ("GET", "/fs/", ("reading", "get", "")),
        ("HEAD", "/fs/a/b%20c", ("reading", "get", "a/b%20c")),
        ("PUT", "/fs/x", ("files", "put", "x")),
        ("PUT", "/api/v1/update", ("updates", "begin", "")),
        ("POST", "/api/v1/update?commit=yes", ("updates", "begin", "")),
        ("PUT", "/api/v1/update/files/lib/x.py", ("staging", "put", "lib/x.py")),
        ("POST", "/api/v1/rollback", ("commit", "rollback", "")),
    ):
        assert find(method, path) == found, path


def test_what_is_not_there_is_told_from_what_is_used_wrongly():
    for path in ("/fs", "/x", "/api/v1/", "/api/v1/status/", "/api/v1/status any", "/GET", "//"):
        refused(404, "not_found", find, "GET", path)
    for method, path, allow in (
        ("MOVE", "/", "GET"),
        ("POST", "/fs/x", "GET, PUT, DELETE, MOVE"),
        ("MOVE", "/api/v1/update", "GET, PUT, POST, DELETE"),
        ("GET", "/api/v1/update/files/x", "PUT"),
        ("GET", "/api/v1/confirm", "POST"),
        ("?", "/api/v1/info", "GET"),
    ):
        assert refused(405, "bad_method", find, method, path).extra["allow"] == allow


def test_with_signed_releases_only_no_single_file_is_changed():
    for method in ("PUT", "DELETE", "MOVE"):
        for path in ("/fs/x", "/fs/x/", "/fs/"):
            refused(403, "signed_only", find, method, path, True)
    for method, path in (("GET", "/fs/x"), ("HEAD", "/fs/x"), ("PUT", "/api/v1/update")):
        find(method, path, True)


def test_every_row_has_its_handler():
    rows = list(server.routes())
    assert len(rows) > 15
    for module, function in rows:
        assert callable(getattr(ota.load(module), function)), (module, function)


def test_the_buffer_is_made_for_a_body_and_dropped_where_a_request_reads():
    async def nothing(service, head):
        return service.buffer

    def ask(method, path, length):
        head = Head(method, path, 1)
        head.length = length
        return asyncio.run(server.respond(service, head))

    kept, ota.use = ota.use, lambda name: Handlers
    try:
        service = Service()
        Handlers = type("Handlers", (), {"put": nothing, "delete": nothing, "get": nothing})
        buffer = ask("PUT", "/fs/x", 5)
        assert len(buffer) > 2000
        assert ask("PUT", "/fs/x", 5) is buffer
        assert ask("DELETE", "/fs/x", None) is buffer
        assert ask("GET", "/fs/x", None) is None
        service.buffer, service.upload = buffer, {"path": "/x"}
        assert ask("GET", "/fs/x", None) is buffer  # somebody writes
    finally:
        ota.use = kept
