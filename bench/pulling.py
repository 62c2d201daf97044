"""A release that a board fetches from an update server by itself: bytes, heap and stack.

The server is bench/ddi.py, on the loopback. What is counted are the bytes of its answers, heads
and all, from the offer to the report of the outcome.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench import board, c_stack, figures, heap, least_heap
from bench.ddi import Ddi
from bench.figures import Data, Row, at_most, kb
from pico_ota import release

TITLE = "A release from an update server"
_FIRST, _NEXT = "1.0.0", "2.0.0"
_IDLE = """
def scenario():
    before = yield
    if FLEET:
        from service_ota import Fleet
        settings["fleet"] = Fleet("http://127.0.0.1:8000", token=32 * "x")
    service = yield from started(settings)
    if FLEET:
        # As after a poll.
        service.fleet.next_ms = 1 << 40
        service.fleet.known = {"errors": 0, "sleep": 300, "told": {}, "sent": ("1.0.0",)}
    print("held", (yield from settle()) - before)
"""
_LEAST_LIMIT, _BYTES_LIMIT, _IDLE_LIMIT = 155, 30 * 1024, 2048
# What is missed is held to what it is.
_LEAST_HELD = 165


class Published:
    """Releases of *count* files, *size* bytes together, of which the second has one changed."""

    def __init__(self, folder: Path, count: int, size: int) -> None:
        release.keygen(folder / "keys")
        self.key = (folder / "keys/public.json").read_bytes()
        tree = folder / "tree"
        files = board.make_files(tree, count, size)
        self.files = {f"/{path}": data for path, data in files.items()}
        self.first = self._built(folder, tree, _FIRST)
        changed = next(path for path, data in files.items() if len(data) > 2048)
        data = bytearray(files[changed])
        data[-2048:] = random.Random(7).randbytes(2048)
        (tree / changed).write_bytes(data)
        self.second = self._built(folder, tree, _NEXT)

    def _built(self, folder: Path, tree: Path, version: str) -> bytes:
        archive = folder / f"{version}.swu"
        release.build(tree, archive, version, sign_key=folder / "keys/private.pem")
        return archive.read_bytes()

    def on_board(self, server: Ddi) -> dict[str, bytes]:
        """Return what a board needs to fetch them from *server*."""
        asked = json.dumps({"url": server.url, "poll_s": 1}).encode()
        return {"/public.json": self.key, "/fleet.json": asked}


@contextmanager
def serving() -> Iterator[Ddi]:
    """Run a server for a `with` block."""
    server = Ddi()
    try:
        yield server
    finally:
        server.close()


def small_change(count: int, size: int) -> dict[str, int]:
    """Return the bytes that the server sends for a release in which 2 KB have changed."""
    with tempfile.TemporaryDirectory() as name, serving() as server:
        published = Published(Path(name), count, size)
        with board.started(files=published.on_board(server), board=board.LARGE):
            server.offer(published.first, _FIRST, "1")
            server.told("closed", "success", 300)
            server.withdraw()
            server.more_polls(2)
            server.feedback.clear()
            before = server.sent
            server.offer(published.second, _NEXT, "2")
            server.told("closed", "success", 300)
            return {"sent": server.sent - before, "archive": len(published.second)}


def least(count: int, size: int, only: tuple[int, ...] = ()) -> int:
    """Return the least heap in KB with which a board fetches a release; *only* tries those."""
    with tempfile.TemporaryDirectory() as name, serving() as server:
        published = Published(Path(name), count, size)

        def ask(_: httpx.Client) -> None:
            server.offer(published.first, least_heap._VERSION, "1")

        published.first = published._built(Path(name), Path(name) / "tree", least_heap._VERSION)
        files = {f"/{p}": (Path(name) / "tree" / p).read_bytes() for p in _paths(published)}
        case = least_heap.Case(
            "a release from a server", None, ask, published.on_board(server), files, True
        )
        if not only:
            return least_heap.least(case)
        for heap in only:
            if not least_heap.failures(case, heap, times=1):
                return heap
        return only[-1] + least_heap._STEP


def _paths(published: Published) -> list[str]:
    return [path[1:] for path in published.files]


def idle() -> int:
    """Return what a client that waits for its next poll holds, on a 32-bit heap."""
    held = [heap._run(f"FLEET = {on}\n{_IDLE}", {})["held"] for on in (False, True)]
    return held[1] - held[0]


def stack(count: int, rescue: bool) -> int:
    """Return the deepest C stack of a board that fetches a release, as on the board."""
    with (
        tempfile.TemporaryDirectory() as name,
        serving() as server,
        c_stack.noting(),
    ):
        published = Published(Path(name), count, count * 3000)
        files = {**c_stack.telling_files(), **published.on_board(server)}
        with board.started(files=files) as pico:
            time.sleep(2.5)
            c_stack._words(pico)[c_stack._WORD] = 0
            if rescue:
                mode = {"mode": "rescue"}
                c_stack._restarted(pico, lambda web: web.post("/api/v1/reboot", json=mode))
            server.offer(published.first, _FIRST, "1")
            # A second before it restarts, which goes deep in other ways.
            server.wait(lambda: "installed" in str(server.feedback), 120)
            return c_stack.on_board(c_stack._words(pico)[c_stack._WORD])


def measure(quick: bool = False) -> Data:
    """Measure all of it; *quick* with smaller releases, and only the limit of the heap."""
    count, size = (10, 60_000) if quick else (40, 400_000)
    with ThreadPoolExecutor(2) as pool:
        jobs: dict[str, Any] = {
            "change": pool.submit(small_change, count, size),
            "least": pool.submit(least, 10, 40_000, (_LEAST_LIMIT, _LEAST_HELD) if quick else ()),
        }
        found = {name: job.result() for name, job in jobs.items()}
    stacks = {mode: stack(6, mode == "rescue") for mode in ("normal", "rescue")}
    return {"size": size, **found, "idle": idle(), "stack": stacks}


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    change = data["change"]
    return [
        at_most(
            f"bytes for a release of {data['size'] // 1000} KB in which 2 KB have changed",
            change["sent"],
            _BYTES_LIMIT,
            kb,
        ),
        at_most(
            "least heap for a release of 10 files, through its trial",
            data["least"],
            _LEAST_LIMIT,
            least_heap._size,
            no_worse=_LEAST_HELD,
        ),
        at_most(
            "a client that waits for its next poll, 32-bit", data["idle"], _IDLE_LIMIT, _bytes
        ),
        *(
            at_most(what, data["stack"][mode], c_stack._LIMIT, _bytes)
            for mode, what in (
                ("normal", "C stack while it is fetched"),
                ("rescue", "… in rescue mode"),
            )
        ),
    ]


def _bytes(size: float) -> str:
    return f"{size:.0f} B"


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
