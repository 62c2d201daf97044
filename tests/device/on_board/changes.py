"""ota/changes.py: what requests that change something share"""

import asyncio
import time

from harness import PERIOD, Clock, refused

from ota import changes
from ota.changes import WriteLock


class Service:
    upload = lease = None

    def __init__(self, on_progress=None):
        self.on_progress = on_progress


# --- one writer at a time ------------------------------------------------------------------------


def test_one_at_a_time_the_other_waits():
    here = Service()
    order = []

    async def upload(path):
        async with WriteLock(here, path, 10):
            order.append("in " + path)
            await asyncio.sleep_ms(60)
            order.append("out " + path)

    async def both():
        await asyncio.gather(upload("/a"), upload("/b"))

    asyncio.run(both())
    assert order == ["in /a", "out /a", "in /b", "out /b"]
    assert here.upload is None


def test_the_same_path_is_refused_at_once():
    here = Service()

    async def second():
        async with WriteLock(here, "/a", 1), WriteLock(here, "/a", 1):
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
    changes.time = Soon
    here = Service()

    async def second():
        async with WriteLock(here, "/a", 1), WriteLock(here, "/b", 1):
            raise AssertionError("let in")

    assert refused(503, "busy", second).extra["retry_after"] > 0
    assert 10000 <= Soon.now <= 20000


def test_a_lock_ends_with_an_error_and_with_a_cancel():
    here = Service()

    async def fails():
        async with WriteLock(here, "/a", 1):
            raise OSError(28)

    async def hangs():
        async with WriteLock(here, "/a", 1):
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
    here = Service()

    async def waits():
        async with WriteLock(here, "/b", 1):
            raise AssertionError("let in")

    async def main():
        async with WriteLock(here, "/a", 1):
            task = asyncio.create_task(waits())
            await asyncio.sleep_ms(10)
            task.cancel()
            await asyncio.sleep_ms(10)
            assert here.upload["path"] == "/a"
        assert here.upload is None

    asyncio.run(main())


def test_progress_is_what_was_written():
    told = []
    here = Service(lambda *args: told.append(args))

    async def upload():
        async with WriteLock(here, "/a", 30) as writing:
            write = writing.counting(lambda view: None)
            for _ in range(3):
                write(b"x" * 10)
                assert here.upload["received"] == told[-1][1]

    asyncio.run(upload())
    assert told == [("/a", 10, 30), ("/a", 20, 30), ("/a", 30, 30)]


def test_what_on_progress_raises_is_its_own_matter():
    def broken(*args):
        raise ValueError

    here = Service(broken)

    async def upload():
        async with WriteLock(here, "/a", 10) as writing:
            writing.counting(lambda view: None)(b"x" * 10)
            assert here.upload["received"] == 10

    asyncio.run(upload())


# --- the lease of an update, on a counter that wraps ---------------------------------------------


def test_a_lease_ends_and_stays_over():
    changes.time = Clock
    here = Service()
    assert changes.lease_over(here)
    for start in (0, PERIOD - 1000):
        Clock.now = start
        changes.renew_lease(here)
        assert not changes.lease_over(here)
        Clock.now = start + 119999
        assert not changes.lease_over(here)
        for later in (120000, 3600000, PERIOD // 2 - 1, PERIOD // 2 + 1, PERIOD - 1):
            Clock.now = start + later
            assert changes.lease_over(here), (start, later)
    changes.time = time
