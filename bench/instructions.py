"""The instructions of the board's processor: the simulated Pico takes no time for those.

MicroPython's process is counted by callgrind, from before a request to after its answer; each kind
on a board of its own, whose modules are not loaded yet. Beside it stands a loop on the board that
writes the same files plainly, and the first edition of this updater, 0.1.0. The processor is
another one than the board's, so the relations count. The flash driver is not counted, which is
Python here and C there. The heap has as many blocks as a Pico W's: the collector goes through all
of them.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from bench import board, figures, protocol
from bench.callgrind import counted
from bench.figures import Data, Row, times
from pico_ota import release

TITLE = "Instructions"
_HEAP = "400K"
_SETTLE_S = 4  # as bench.least_heap has it, and slower
#: What 0.1.0 took for the same, in millions, and the share of it that is allowed.
_BEFORE: dict[str, tuple[float, float | None]] = {
    "`PUT` of 64 KB": (40.3, None),
    "push of 20 files, 200 KB": (277.4, 0.5),
    "signed release of 60 files, 200 KB": (901.8, 0.25),
}


def _case(
    files: dict[str, int], before: board.Files, ask: Callable[[httpx.Client], object]
) -> Data:
    """Return the instructions of *ask*, and of writing *files* (path -> size) plainly."""
    with counted() as counter:
        with board.started(files=before, heap=_HEAP, board=board.LARGE) as pico:
            time.sleep(_SETTLE_S)
            with board.client(pico) as web:
                counter.begin()
                ask(web)
                asked = counter.end()
        with board.started(control=True, heap=_HEAP, board=board.LARGE) as pico:
            time.sleep(_SETTLE_S)
            folders = sorted({path[:at] for path in files for at in _slashes(path)})
            plain = []
            for order in ([], list(files.items())):
                counter.begin()
                board.order(
                    pico, "write", files=order, folders=folders if order else [], digest=False
                )
                plain.append(counter.end())
    return {"asked": asked, "plain": plain[1] - plain[0]}


def _slashes(path: str) -> list[int]:
    return [at for at, char in enumerate(path) if at and char == "/"]


def put(size: int) -> Data:
    """Count for a `PUT` of *size* bytes."""
    data = board.noise(size)
    return _case(
        {"/put.bin": size}, {}, lambda web: web.put("/fs/put.bin", content=data).raise_for_status()
    )


def push(count: int, size: int) -> Data:
    """Count for an update of *count* files, *size* bytes, to its commit."""
    files = {f"/{path}": data for path, data in board.some_files(count, size).items()}
    sizes = {path: len(data) for path, data in files.items()}
    return _case(sizes, {}, lambda web: protocol.push(web, "2.0.0", files, restart=False))


def signed_release(count: int, size: int) -> Data:
    """Count for a signed release of *count* files, *size* bytes, sent whole, to its commit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release.keygen(folder / "keys")
        files = board.make_files(folder / "tree", count, size)
        archive = folder / "release.swu"
        release.build(folder / "tree", archive, "2.0.0", sign_key=folder / "keys/private.pem")
        public = {"/public.json": (folder / "keys/public.json").read_bytes()}
        data = archive.read_bytes()
    sizes = {f"/{path}": len(content) for path, content in files.items()}
    return _case(sizes, public, lambda web: protocol.release(web, data, restart=False))


def measure(quick: bool = False) -> Data:
    """Count all three."""
    if quick:
        return {
            "`PUT` of 20 KB": put(20_000),
            "push of 3 files, 9 KB": push(3, 9_000),
            "signed release of 6 files, 20 KB": signed_release(6, 20_000),
        }
    return {
        "`PUT` of 64 KB": put(64 * 1024),
        "push of 20 files, 200 KB": push(20, 200_000),
        "signed release of 60 files, 200 KB": signed_release(60, 200_000),
    }


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    found = []
    for name, case in data.items():
        count = f"{case['asked'] / 1e6:.1f} million, writing plainly {case['plain'] / 1e6:.1f}"
        before, share = _BEFORE.get(name, (None, None))
        if before is not None:
            ratio = case["asked"] / 1e6 / before
            count += f", 0.1.0 {before:.1f} ({times(ratio)})"
        found.append(
            Row(
                name,
                count,
                f"≤ {times(share)} of 0.1.0" if share else "",
                ratio <= share if share else None,
            )
        )
    return found


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
