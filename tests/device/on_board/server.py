"""ota/server.py: who gets a slot, what answers a request, and what all handlers share"""

import asyncio
import sys
import time

from harness import refused

import ota
from ota import server
from ota.request import Head

PERIOD = 1 << 30  # of ticks_ms() on a board, twelve days; here it is longer
NODELAY = 64  # of lwIP on the rp2 port; another number prints a warning there and does nothing


class Service:
    auth = ("admin", "otapico")
    allowed_hosts = ()
    lease = None
    decided = False

    def __init__(self, on_progress=None):
        self.on_progress = on_progress


def device(on_progress=None):
    return server.Device(Service(on_progress))


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


class Clock:
    """Stands for the module time: that of a board with 32 bits."""

    now = 0

    @staticmethod
    def ticks_ms():
        return Clock.now % PERIOD

    @staticmethod
    def ticks_diff(end, start):
        return (end - start + PERIOD // 2) % PERIOD - PERIOD // 2


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


# --- one writer at a time ------------------------------------------------------------------------


def test_one_at_a_time_the_other_waits():
    here = device()
    order = []

    async def upload(path):
        async with here.write_lock(path, 10):
            order.append("in " + path)
            await asyncio.sleep_ms(60)
            order.append("out " + path)

    async def both():
        await asyncio.gather(upload("/a"), upload("/b"))

    asyncio.run(both())
    assert order == ["in /a", "out /a", "in /b", "out /b"]
    assert here.upload is None


def test_the_same_path_is_refused_at_once():
    here = device()

    async def second():
        async with here.write_lock("/a", 1), here.write_lock("/a", 1):
            raise AssertionError("let in")

    error = refused(409, "busy", second)
    assert error.extra["retry_after"] > 0
    assert here.upload is None


def test_waiting_ends_with_busy():
    class Soon:
        @staticmethod
        def ticks_ms():
            return Soon.now

        @staticmethod
        def ticks_add(a, b):
            return a + b

        @staticmethod
        def ticks_diff(a, b):
            Soon.now += 5000
            return a - b

    Soon.now = 0
    server.time = Soon
    here = device()

    async def second():
        async with here.write_lock("/a", 1), here.write_lock("/b", 1):
            raise AssertionError("let in")

    assert refused(503, "busy", second).extra["retry_after"] > 0
    assert 10000 <= Soon.now <= 20000


def test_a_lock_ends_with_an_error_and_with_a_cancel():
    here = device()

    async def fails():
        async with here.write_lock("/a", 1):
            raise OSError(28)

    async def hangs():
        async with here.write_lock("/a", 1):
            await asyncio.sleep(100)

    async def both():
        try:
            await fails()
        except OSError:
            pass
        assert here.upload is None
        task = asyncio.create_task(hangs())
        await asyncio.sleep_ms(10)
        assert here.upload["path"] == "/a"
        task.cancel()
        await asyncio.sleep_ms(10)
        assert here.upload is None

    asyncio.run(both())


def test_a_cancelled_wait_does_not_take_the_lock():
    here = device()

    async def waits():
        async with here.write_lock("/b", 1):
            raise AssertionError("let in")

    async def main():
        async with here.write_lock("/a", 1):
            task = asyncio.create_task(waits())
            await asyncio.sleep_ms(10)
            task.cancel()
            await asyncio.sleep_ms(10)
            assert here.upload["path"] == "/a"
        assert here.upload is None

    asyncio.run(main())


def test_progress_is_what_was_written():
    told = []
    here = device(lambda *args: told.append(args))

    async def upload():
        async with here.write_lock("/a", 30) as writing:
            write = writing.counting(lambda view: None)
            for _ in range(3):
                write(b"x" * 10)
                assert here.upload["received"] == told[-1][1]

    asyncio.run(upload())
    assert told == [("/a", 10, 30), ("/a", 20, 30), ("/a", 30, 30)]


def test_what_on_progress_raises_is_its_own_matter():
    def broken(*args):
        raise ValueError

    here = device(broken)

    async def upload():
        async with here.write_lock("/a", 10) as writing:
            writing.counting(lambda view: None)(b"x" * 10)
            assert here.upload["received"] == 10

    asyncio.run(upload())


def test_the_buffer_is_made_for_a_body_and_dropped_where_a_request_reads():
    here = device()
    here.prepare_buffer(5, "PUT")
    buffer = here.buffer
    for method in ("PUT", "DELETE", "MOVE"):
        here.prepare_buffer(5 if method == "PUT" else None, method)
        assert here.buffer is buffer
    here.prepare_buffer(None, "GET")
    assert here.buffer is not buffer


def test_files_on_their_way_out_hear_of_a_change():
    class Reader:
        stale = False

        def __init__(self, path):
            self.path = path

    here = device()
    for changed, heard in (
        ("/a/b", ["/a/b"]),
        ("/a", ["/a/b", "/a/c/d"]),
        ("/a/", []),
        ("/ab", ["/ab"]),
        ("/x", []),
    ):
        here.readers[:] = [Reader(path) for path in ("/a/b", "/a/c/d", "/ab")]
        here.replaced(changed)
        assert [reader.path for reader in here.readers if reader.stale] == heard, changed


# --- the lease of an update, on a counter that wraps ---------------------------------------------


def test_a_lease_ends_and_stays_over():
    server.time = Clock
    here = device()
    assert here.lease_over()
    for start in (0, PERIOD - 1000):
        Clock.now = start
        here.renew_lease()
        assert not here.lease_over()
        Clock.now = start + 119999
        assert not here.lease_over()
        for later in (120000, 3600000, PERIOD // 2 - 1, PERIOD // 2 + 1, PERIOD - 1):
            Clock.now = start + later
            assert here.lease_over(), (start, later)
    server.time = time
