"""A simulated Pico with the application of the measurements on it, and files to send there."""

import functools
import json
import random
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from pico_ota.devicefiles import device_files
from pico_ota.sim import SimulatedPico

Files = Mapping[str, bytes]

PASSWORD = "otapico"
#: Where an application of 400 KB and the next version of it have room beside each other.
LARGE = "pico2_w"
APP = Path(__file__).parent / "app"
_CONTROL = 9000  # where the application takes orders


@functools.cache
def ours() -> Files:
    """Return the device files, made once."""
    return device_files()


@contextmanager
def started(
    *, control: bool = False, files: Files | None = None, **options: Any
) -> Iterator[SimulatedPico]:
    """Run a board for a `with` block: the device files, the application, and *files*.

    Args:
        control: with order(), for which the application takes memory.
        options: of SimulatedPico.
    """
    names = ("main.py", "control.py", "others.py") if control else ("main.py",)
    app = {"/" + name: (APP / name).read_bytes() for name in names}
    content = {**ours(), **app, **(files or {})}
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatedPico(Path(folder) / "flash.img", device_files=content, **options) as pico,
    ):
        pico.start()
        pico.wait_listening(60)
        yield pico


def client(pico: SimulatedPico, **options: Any) -> httpx.Client:
    """Return an HTTP client that may do everything."""
    return httpx.Client(
        base_url=pico.url,
        auth=("admin", PASSWORD),
        headers={"X-Requested-With": "bench"},
        timeout=120,
        **options,
    )


def order(pico: SimulatedPico, what: str, **values: Any) -> Any:
    """Let the application on the board do *what* and return its answer."""
    with dial(pico, _CONTROL) as wire:
        wire.sendall(json.dumps({"do": what, **values}).encode() + b"\n")
        with wire.makefile("rb") as answer:
            return json.loads(answer.read())


def dial(pico: SimulatedPico, port: int) -> socket.socket:
    """Connect to *port* of the application, which may have only just started.

    Raises:
        TimeoutError: nobody listens there.
    """
    for _ in range(200):
        numbers = [event["port"] for event in pico.events if event.get("for") == port]
        try:
            if numbers:
                return socket.create_connection(("127.0.0.1", numbers[-1]), 120)
        except ConnectionRefusedError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens at port {port} of the board")


def wait_state(web: httpx.Client, version: str, limit_s: float = 60) -> dict[str, Any]:
    """Wait until *version* is confirmed, and return the status then.

    Raises:
        TimeoutError: it is not.
    """
    end = time.monotonic() + limit_s
    status: dict[str, Any] = {}
    while time.monotonic() < end:
        try:
            status = web.get("/api/v1/status").json()
        except (httpx.HTTPError, ValueError):
            status = {}  # it restarts
        if status.get("state") == "idle" and status.get("version") == version:
            return status
        time.sleep(0.1)
    raise TimeoutError(f"{version} is not confirmed after {limit_s} s: {status}")


def noise(size: int, seed: int = 1) -> bytes:
    """Return *size* bytes that no compression makes smaller, the same for the same *seed*."""
    return random.Random(seed).randbytes(size)


def some_files(count: int, size: int, seed: int = 1) -> dict[str, bytes]:
    """Return *count* files of unequal length, *size* bytes together: path below `/` -> content."""
    rng = random.Random(seed)
    weights = [rng.uniform(0.3, 1.7) for _ in range(count)]
    sizes = [int(size * weight / sum(weights)) for weight in weights]
    sizes[-1] += size - sum(sizes)
    return {
        f"app/part{n % 5}/module{n:02}.bin": rng.randbytes(length)
        for n, length in enumerate(sizes)
    }


def make_files(folder: Path, count: int, size: int, seed: int = 1) -> dict[str, bytes]:
    """Write some_files() into *folder* and return them."""
    files = some_files(count, size, seed)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return files
