"""What replacing one file with `PUT` costs, against a loop on the board that only writes it."""

import sys
import time

from bench import board, figures
from bench.figures import Data, Row, at_most, times

TITLE = "One file replaced by `PUT`"
_BYTES = 500_000
_FREE_ERASES = 3


def erases(sizes: tuple[int, ...], rounds: int) -> dict[str, Data]:
    """Return the erases for each size: the file overwritten plainly, and replaced by `PUT`.

    Averages over *rounds*: how often littlefs has to compact a folder is a matter of luck.
    """
    files = {f"/data/{who}{size}": board.noise(size) for size in sizes for who in ("plain", "put")}
    found = {}
    with (
        board.started(control=True, files=files, board=board.LARGE) as pico,
        board.client(pico) as web,
    ):
        for size in sizes:
            count = {"plain": 0, "put": 0}
            for number in range(rounds):
                data = board.noise(size, number + 2)
                before = pico.flash_counts["erases"]
                board.order(pico, "write", files=[[f"/data/plain{size}", size]])
                between = pico.flash_counts["erases"]
                web.put(f"/fs/data/put{size}", content=data).raise_for_status()
                count["plain"] += between - before
                count["put"] += pico.flash_counts["erases"] - between
            found[str(size)] = {who: total / rounds for who, total in count.items()}
    return found


def durations(size: int, rounds: int, flash_timing: bool) -> Data:
    """Return the seconds of each round for *size* bytes: plain loop and `PUT`, in turn."""
    plain, put = [], []
    data = board.noise(size)
    with (
        board.started(control=True, flash_timing=flash_timing) as pico,
        board.client(pico) as web,
    ):
        for _ in range(rounds):
            plain.append(board.order(pico, "write", files=[["/plain.bin", size]], chunk=0) / 1e6)
            board.order(pico, "remove", paths=["/plain.bin"])
            start = time.perf_counter()
            web.put("/fs/put.bin", content=data).raise_for_status()
            put.append(time.perf_counter() - start)
            web.delete("/fs/put.bin").raise_for_status()
    return {"plain": plain, "put": put}


def measure(quick: bool = False) -> Data:
    """Measure operations and times."""
    size = 60_000 if quick else _BYTES
    return {
        "bytes": size,
        "erases": erases(
            (300, 20_000) if quick else (300, 5_000, 60_000, 200_000), 2 if quick else 8
        ),
        "fast": durations(size, 3 if quick else 60, False),
        "timed": durations(size, 1 if quick else 4, True),
    }


def ratio(data: Data) -> float:
    """Return the ratio of the shortest times."""
    return min(data["put"]) / min(data["plain"])


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    extra = {size: count["put"] - count["plain"] for size, count in data["erases"].items()}
    worst = max(extra, key=lambda size: extra[size])
    plain = data["erases"][worst]["plain"]
    size = f"{data['bytes'] // 1000} KB"
    speed = data["bytes"] / 1024 / min(data["timed"]["put"])
    return [
        Row(
            f"erases over an existing file; worst of {', '.join(map(_size, extra))}",
            f"{plain:.1f} plainly, {plain + extra[worst]:.1f} by `PUT` ({_size(worst)})",
            f"+ {_FREE_ERASES}",
            extra[worst] <= _FREE_ERASES,
        ),
        at_most(
            f"time of {size} without flash timing, against the loop",
            ratio(data["fast"]),
            1.3,
            times,
        ),
        at_most(
            f"time of {size} with flash timing, against the loop", ratio(data["timed"]), 1.1, times
        ),
        Row("… that is", f"{speed:.0f} KB/s"),
    ]


def _size(text: str) -> str:
    return f"{int(text) / 1000:g} KB"


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
