"""What the tests of the simulator share."""

import time
from pathlib import Path
from textwrap import dedent


def text(source):
    """A program as it is written in a test, as bytes for the board."""
    return dedent(source).encode()


def lines(board):
    """What the program printed, line by line, without the prompt at its end."""
    out = board.console().splitlines()
    prompt = ("MicroPython ", 'Type "help()"', ">>> ")
    return [line for line in out if not line.startswith(prompt)]


def events(board, name):
    """The events of one kind."""
    return [event for event in board.events if event["event"] == name]


# Answers each request with what is in /name.
SERVER = """
import asyncio
async def serve(reader, writer):
    while (await reader.readline()).strip(): pass
    writer.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + open("/name").read())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
async def main():
    await asyncio.start_server(serve, "0.0.0.0", 8080)
    while True:
        await asyncio.sleep_ms(1000)
asyncio.run(main())
"""


def children(pid):
    """The processes that *pid* has started and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def gone(pid, seconds=3):
    """Whether the process ends within that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.01)
    return False
