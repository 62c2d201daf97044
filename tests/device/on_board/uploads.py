"""ota/uploads.py"""

import asyncio

from harness import refused

from ota import uploads
from ota.uploads import Uploads


def test_one_at_a_time_the_other_waits():
    all_of_them = Uploads()
    order = []

    async def upload(path):
        async with all_of_them.turn(path, 10):
            order.append("in " + path)
            await asyncio.sleep_ms(60)
            order.append("out " + path)

    async def both():
        await asyncio.gather(upload("/a"), upload("/b"))

    asyncio.run(both())
    assert order == ["in /a", "out /a", "in /b", "out /b"]
    assert all_of_them.current is None


def test_the_same_path_is_refused_at_once():
    all_of_them = Uploads()

    async def second():
        async with all_of_them.turn("/a", 1), all_of_them.turn("/a", 1):
            raise AssertionError("let in")

    error = refused(409, "busy", second)
    assert error.extra["retry_after"] > 0
    assert all_of_them.current is None


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
    uploads.time = Soon
    all_of_them = Uploads()

    async def second():
        async with all_of_them.turn("/a", 1), all_of_them.turn("/b", 1):
            raise AssertionError("let in")

    assert refused(503, "busy", second).extra["retry_after"] > 0
    assert 10000 <= Soon.now <= 20000


def test_a_turn_ends_with_an_error_and_with_a_cancel():
    all_of_them = Uploads()

    async def fails():
        async with all_of_them.turn("/a", 1):
            raise OSError(28)

    async def hangs():
        async with all_of_them.turn("/a", 1):
            await asyncio.sleep(100)

    async def both():
        try:
            await fails()
        except OSError:
            pass
        assert all_of_them.current is None
        task = asyncio.create_task(hangs())
        await asyncio.sleep_ms(10)
        assert all_of_them.current["path"] == "/a"
        task.cancel()
        await asyncio.sleep_ms(10)
        assert all_of_them.current is None

    asyncio.run(both())


def test_a_cancelled_wait_does_not_take_the_turn():
    all_of_them = Uploads()

    async def waits():
        async with all_of_them.turn("/b", 1):
            raise AssertionError("let in")

    async def main():
        async with all_of_them.turn("/a", 1):
            task = asyncio.create_task(waits())
            await asyncio.sleep_ms(10)
            task.cancel()
            await asyncio.sleep_ms(10)
            assert all_of_them.current["path"] == "/a"
        assert all_of_them.current is None

    asyncio.run(main())


def test_progress_is_what_was_written():
    told = []
    all_of_them = Uploads(lambda *args: told.append(args))

    async def upload():
        async with all_of_them.turn("/a", 30) as turn:
            write = turn.counting(lambda view: None)
            for _ in range(3):
                write(b"x" * 10)
                assert all_of_them.current["received"] == told[-1][1]

    asyncio.run(upload())
    assert told == [("/a", 10, 30), ("/a", 20, 30), ("/a", 30, 30)]
