"""A signed release sent whole, against the plain writing of the same files on the same board."""

import sys
import tempfile
import time
from pathlib import Path

from bench import board, figures, protocol
from bench.figures import Data, Row, at_most, seconds, times
from pico_ota import release

TITLE = "A signed release"
_LIMIT = 1.15
_FREE_ERASES = 6


def sent_whole(count: int, size: int, rounds: int) -> Data:
    """Return time and erases of each round: files written plainly, and sent as a release.

    The time of the release is that of the request: then all of it is checked and committed. Its
    erases are counted to the end of the trial.
    """
    plain, sent = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release.keygen(folder / "keys")
        files = board.make_files(folder / "tree", count, size)
        archive = folder / "release.swu"
        release.build(folder / "tree", archive, "2.0.0", sign_key=folder / "keys/private.pem")
        public = {"/public.json": (folder / "keys/public.json").read_bytes()}
        for _ in range(rounds):
            with board.started(
                control=True, files=public, board=board.LARGE, flash_timing=True
            ) as pico:
                plain.append(_plainly(pico, {p: len(data) for p, data in files.items()}))
            with board.started(files=public, board=board.LARGE, flash_timing=True) as pico:
                sent.append(_as_release(pico, archive.read_bytes()))
    return {"files": count, "bytes": size, "plain": plain, "release": sent}


def _plainly(pico: board.SimulatedPico, files: dict[str, int]) -> Data:
    before = pico.flash_counts["erases"]
    order = [(f"/{path}", size) for path, size in files.items()]
    folders = sorted({f"/{path[:at]}" for path in files for at in _slashes(path)})
    took = board.order(pico, "write", files=order, folders=folders) / 1e6
    return {"seconds": took, "erases": pico.flash_counts["erases"] - before}


def _slashes(path: str) -> list[int]:
    return [at for at, char in enumerate(path) if char == "/"]


def _as_release(pico: board.SimulatedPico, archive: bytes) -> Data:
    with board.client(pico) as web:
        web.get("/api/v1/status").raise_for_status()
        before = pico.flash_counts["erases"]
        start = time.perf_counter()
        protocol.release(web, archive)
        took = time.perf_counter() - start
        committed = pico.flash_counts["erases"]
        board.wait_state(web, "2.0.0")
        return {
            "seconds": took,
            "confirmed_after": time.perf_counter() - start,
            "erases_to_commit": committed - before,
            "erases": pico.flash_counts["erases"] - before,
        }


def measure(quick: bool = False) -> Data:
    """Measure it."""
    return sent_whole(4, 20_000, 1) if quick else sent_whole(60, 400_000, 2)


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    plain = min(entry["seconds"] for entry in data["plain"])
    sent = min(entry["seconds"] for entry in data["release"])
    erases = min(entry["erases"] for entry in data["plain"])
    used = max(entry["erases"] for entry in data["release"])
    what = f"{data['files']} files, {data['bytes'] // 1000} KB, with flash timing"
    return [
        at_most(f"time of {what}, against plain writing", sent / plain, _LIMIT, times),
        Row("… that is", f"{seconds(sent)} against {seconds(plain)}"),
        Row(
            "erases, to the end of its trial",
            f"{used}, plainly {erases}",
            f"≤ {_LIMIT}x + {_FREE_ERASES} = {_LIMIT * erases + _FREE_ERASES:.0f}",
            used <= _LIMIT * erases + _FREE_ERASES,
        ),
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
