"""The measuring instrument of bench/heap32 itself, and what WiFiManager may hold."""

import pytest

from bench.heap32 import ScriptError, run32
from bench.heap32.__main__ import modules, wifi


def test_a_yield_returns_what_is_held_and_no_garbage() -> None:
    script = """
def scenario():
    before = yield
    kept = bytearray(10000)
    for _ in range(100):
        bytearray(1000)
    print((yield) - before)
    kept = None
    print((yield) - before)
"""
    assert run32(script).split() == ["10016", "0"]


def test_objects_have_the_sizes_of_a_32_bit_board() -> None:
    script = """
import time
kept = [None] * 5
def scenario():
    n = len(kept)
    for i, make in enumerate((
        lambda: (n, n, n, n), lambda: [], lambda: n + 0.5, lambda: object(), lambda: bytearray(n)
    )):
        before = yield
        kept[i] = make()
        print((yield) - before)
"""
    # Blocks of four words of four bytes: 2 + 4 words; 4 + 4 for the items; 2; 1; 4 + 5 bytes.
    assert run32(script).split() == ["32", "32", "16", "16", "32"]


def test_what_the_script_raises_is_raised_here_with_its_output() -> None:
    with pytest.raises(ScriptError, match=r"(?s)before.*ValueError: boom"):
        run32("print('before')\nraise ValueError('boom')")
    with pytest.raises(ScriptError, match="ZeroDivisionError"):
        run32("def scenario():\n    yield\n    1 / 0")


def test_files_are_there_and_errors_have_the_boards_numbers() -> None:
    script = """
import os
print(open("/lib/a.txt").read())
for what, path in ((open, "/no"), (os.mkdir, "/lib"), (os.rmdir, "/lib"), (os.listdir, "/no")):
    try:
        what(path)
    except OSError as error:
        print(error.errno)
try:
    import inspect
except ImportError:
    print("as on the board")
"""
    printed = run32(script, {"/lib/a.txt": b"hello"}).splitlines()
    assert printed == ["hello", "2", "17", "39", "2", "as on the board"]


def test_asyncio_runs_tasks_step_by_step_as_the_firmware_does() -> None:
    script = """
import asyncio
seen = []
async def count(name):
    for i in range(2):
        seen.append(name + str(i))
        await asyncio.sleep_ms(10)
    return name
async def wait_for_ever():
    try:
        await asyncio.sleep(1000)
    finally:
        seen.append("cleaned up")
async def fail():
    raise ValueError("boom")
async def main():
    waiting = asyncio.create_task(wait_for_ever())
    a = asyncio.create_task(count("a"))
    b = asyncio.create_task(count("b"))
    seen.append(await a + await b)
    waiting.cancel()
    for task in (waiting, asyncio.create_task(fail())):
        try:
            await task
        except (asyncio.CancelledError, ValueError) as error:
            seen.append(type(error).__name__)
def scenario():
    task = asyncio.create_task(main())
    while not task.done():
        yield asyncio.step()
    print(" ".join(seen))
"""
    assert run32(script) == "a0 b0 a1 b1 ab cleaned up CancelledError ValueError\n"


def test_a_server_can_be_driven_through_sockets_in_memory() -> None:
    script = """
import asyncio, socket
async def serve():
    listening = socket.socket()
    listening.bind(("0.0.0.0", 80))
    listening.listen()
    await asyncio.sleep_ms(1)
    stream = asyncio.StreamReader(listening.accept()[0])
    head = await stream.readexactly(5)
    buf = memoryview(bytearray(1024))
    size = 0
    while True:
        n = await stream.readinto(buf)
        if not n:
            break
        size += n
    stream.write(b"%s %d" % (head, size))
    await stream.drain()
    await stream.wait_closed()
def scenario():
    task = asyncio.create_task(serve())
    yield asyncio.step()
    wire = socket.dial(80, b"hello", 100000)
    peak = start = yield
    while not task.done():
        peak = max(peak, (yield asyncio.step()))
        if wire.sent:
            wire.hang_up()
    print(wire.status, wire.closed, peak - start < 3000)
"""
    assert run32(script) == "b'hello 100000' True True\n"


def test_wifi_manager_stays_small() -> None:
    held = wifi()
    # It shares the board with an application for good: look for what can be loaded when needed.
    assert held["together"] <= 3200, held
    assert held["module"] > 1000  # it was really loaded


def test_the_device_files_import_there() -> None:
    found = modules()
    assert {"server", "api", "files", "updates"} <= found.keys()
    # A module that holds more than this is one that a board in use has no piece of heap for.
    assert {name: held for name, (held, _) in found.items() if held > 8 * 1024} == {}
    assert {name: besides for name, (_, besides) in found.items() if besides} == {}
