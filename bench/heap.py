"""Heap of the service on a board: at rest, and at the worst moment of each kind of update.

Measured on a MicroPython with a Pico's object sizes (see bench/heap32), by what is still in use
after each step of the event loop: a buffer that lives across a wait is in it, garbage is not.
"""

import sys
import tempfile
from pathlib import Path

import httpx

from bench import board, figures, protocol
from bench.figures import Data, Row, at_most, kb
from bench.heap32 import run32
from pico_ota import release

TITLE = "Memory of the board"
FAR_S = 600

_BEGIN = """
import asyncio
from client import Client, Wifi, answer, settle, started
client = Client()
settings = {}
"""
_EVERYTHING = """
def scenario():
    before = yield
    from manager_wifi import WiFiManager
    service = yield from started(settings, WiFiManager("home", "secret-password", "device-name"))
    print("everything", (yield from settle()) - before)
"""
_READ = """
def scenario():
    service = yield from started(settings)
    base = yield from settle()
    client.dial()
    client.ask("GET", ADDRESS)
    print("read", (yield from answer(client, b"200")) - base)
"""
_UPLOAD = """
def scenario():
    before = yield
    service = yield from started(settings)
    held = yield from settle()
    client.dial()
    print("started", held - before)
    for size in SIZES:
        client.ask("PUT", "/fs/upload.bin", size)
        peak = yield from answer(client, b"201" if size == SIZES[0] else b"204")
        print("upload", size, peak - before)
    client.hang_up()
    print("after", (yield from settle()) - before)
"""
_UPDATE = """
source = open("/head", "rb")
def scenario():
    service = yield from started(settings)
    base = yield from settle()
    client.dial()
    client.ask("POST", "/api/v1/update", HEAD, source)
    print("begin", (yield from answer(client, b"201")) - base)
    peak = 0
    for number in range(COUNT):
        path = "/api/v1/update/files" + PATH % (number % 10, number)
        client.ask("PUT", path, SIZE, None, number)
        peak = max(peak, (yield from answer(client, b"201")))
    print("files", peak - base)
    client.ask("POST", "/api/v1/update/commit")
    print("commit", (yield from answer(client, b"202")) - base)
"""
_RELEASE = """
source = open("/release.swu", "rb")
settings["public_key"] = "/public.json"
def scenario():
    service = yield from started(settings)
    base = yield from settle()
    client.dial()
    client.ask("PUT", ADDRESS, ARCHIVE, source)
    print("release", (yield from answer(client, b"202")) - base)
"""
_PATH = "/app/part%d/file%03d.txt"
_SIZE = 300


def everything() -> int:
    """Return what is held above asyncio when guard, service and Wi-Fi manager run, at rest."""
    return _run(_EVERYTHING, {})["everything"]


def reading(address: str) -> int:
    """Return the most that a `GET` of *address* holds above the started service."""
    return _run(f"ADDRESS = {address!r}\n{_READ}", {})["read"]


def upload(sizes: tuple[int, ...]) -> Data:
    """Return what is held at rest and at most during an upload of each size, above asyncio."""
    printed = _run(f"SIZES = {sizes}\n{_UPLOAD}", {})
    return {
        "started": printed["started"],
        "upload": {str(size): printed[f"upload {size}"] for size in sizes},
        "after": printed["after"],
    }


def update(count: int) -> Data:
    """Return the most that an update of *count* small files holds above the started service."""
    files = {_PATH % (n % 10, n): bytes([n % 256]) * _SIZE for n in range(count)}
    head = protocol.head("2.0.0", files)
    values = f"COUNT, SIZE, PATH, HEAD = {count}, {_SIZE}, {_PATH!r}, {len(head)}\n"
    return _run(values + _UPDATE, {"/head": head})


def signed_release(count: int, size: int) -> Data:
    """Return the most that a signed release of *count* files, *size* bytes, holds above it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release.keygen(folder / "keys")
        board.make_files(folder / "app", count, size)
        archive = folder / "release.swu"
        release.build(folder / "app", archive, "2.0.0", sign_key=folder / "keys/private.pem")
        data = archive.read_bytes()
        files = {
            "/release.swu": data,
            "/public.json": (folder / "keys/public.json").read_bytes(),
        }
    values = f"ARCHIVE, ADDRESS = {len(data)}, {protocol.RELEASE!r}\n"
    return _run(values + _RELEASE, files)


def _run(script: str, files: dict[str, bytes]) -> dict[str, int]:
    """Return what *script* prints: a name and a number of bytes a line."""
    client = {"/client.py": (Path(__file__).parent / "heap_board/client.py").read_bytes()}
    printed = run32(_BEGIN + script, {**board.ours(), **client, **files}, timeout_s=FAR_S)
    lines = [line.rpartition(" ") for line in printed.splitlines() if not line.startswith("ota:")]
    return {what: int(value) for what, _, value in lines}


def small_heap(heap: str, size: int) -> bool:
    """Return whether an upload of *size* bytes succeeds on a simulated Pico with that *heap*."""
    data = board.noise(size)
    with board.started(heap=heap) as pico, board.client(pico) as client:
        try:
            answer = client.put("/fs/data/upload.bin", content=data)
            back = client.get("/fs/data/upload.bin").content
        except httpx.HTTPError as error:
            print(error, file=sys.stderr)
            return False
        return answer.status_code == 201 and back == data


def measure(quick: bool = False) -> Data:
    """Measure all of it; *quick* with fewer files."""
    few, many = (3, 12) if quick else (3, 300)
    count, size = (6, 40_000) if quick else (60, 400_000)
    large = 60_000 if quick else 500_000
    return {
        "everything": everything(),
        "read": {
            name: reading(address)
            for name, address in (
                ("`GET /`", protocol.PAGE),
                ("`GET /api/v1/status`", protocol.STATUS),
                ("the listing of `/`", protocol.LISTING),
            )
        },
        **upload((5_000, large)),
        "update": {str(number): update(number) for number in (few, many)},
        "release": {"files": count, "bytes": size, **signed_release(count, size)},
        "small_heap": small_heap("200K", large),
    }


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    (small_size, small), (large_size, large) = data["upload"].items()
    few, many = (max(parts.values()) for parts in data["update"].values())
    numbers = " and ".join(data["update"])
    archive = data["release"]
    return [
        at_most(
            "the started service, above `import asyncio`",
            data["started"],
            12 * 1024,
            kb,
            no_worse=24.5 * 1024,
        ),
        at_most(
            "guard, service and Wi-Fi manager, all that runs, above the same",
            data["everything"],
            14.5 * 1024,
            kb,
            no_worse=27 * 1024,
        ),
        *(
            Row(f"peak of {name}, above the started service", kb(held))
            for name, held in data["read"].items()
        ),
        at_most(f"peak of an upload of {_size(large_size)}, above the same", large, 64 * 1024, kb),
        at_most(
            f"… its difference to an upload of {_size(small_size)}", abs(large - small), 2048, kb
        ),
        Row(
            f"an upload of {_size(large_size)} on `sim --heap 200K`",
            "succeeds" if data["small_heap"] else "fails",
            "succeeds",
            data["small_heap"],
        ),
        at_most(
            f"peak of an update of {list(data['update'])[1]} files, above the started service",
            many,
            40 * 1024,
            kb,
            no_worse=58 * 1024,
        ),
        at_most(f"… difference between {numbers} files", abs(many - few), 2048, kb),
        at_most(
            f"peak of a signed release of {archive['files']} files, {archive['bytes'] // 1000} KB,"
            " above the started service",
            archive["release"],
            44 * 1024,
            kb,
            no_worse=60 * 1024,
        ),
    ]


def _size(text: str) -> str:
    return f"{int(text) // 1000} KB"


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
