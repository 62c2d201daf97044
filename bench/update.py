"""What an update of several files costs: flash, connections, and its roll-back."""

import sys
import tempfile
from pathlib import Path

import httpx

from bench import board, figures, protocol
from bench.figures import Data, Row, at_most
from bench.terminal import counted, pico_ota

TITLE = "Several files as one update"
_SAMPLES = (100, 4200, 9000)  # offsets in a file whose blocks are looked for in the flash
_LENGTH = 64


def install(web: httpx.Client, version: str, files: board.Files) -> None:
    """Install *files* as one update and wait until it is confirmed."""
    protocol.push(web, version, files)
    board.wait_state(web, version)


def places(image: Path, files: dict[str, bytes]) -> set[int]:
    """Return where in the flash the samples of *files* are, every copy of them."""
    flash = image.read_bytes()
    found = set()
    for data in files.values():
        for start in _SAMPLES:
            sample = data[start : start + _LENGTH]
            at = flash.find(sample) if len(sample) == _LENGTH else -1
            while at >= 0:
                found.add(at)
                at = flash.find(sample, at + 1)
    return found


def flash_use(count: int, size: int) -> Data:
    """Return what an update of *count* files, *size* bytes, and its roll-back do to the flash."""
    old, new = (
        {f"/{path}": data for path, data in board.some_files(count, size, seed).items()}
        for seed in (1, 2)
    )
    plain = {path.replace("/app/", "/plain/"): len(data) for path, data in new.items()}
    content = {**old, **{path: bytes(size) for path, size in plain.items()}}
    with board.started(control=True, files=content, board=board.LARGE) as pico:
        with board.client(pico) as web:
            install(web, "1.0.0", {"/app/first.txt": b"1"})
            settled = pico.flash_counts
            board.order(pico, "write", files=list(plain.items()))
            written = pico.flash_counts
            install(web, "2.0.0", new)
            done = pico.flash_counts
            copies = places(pico.image, old)
            before = pico.flash_counts
            web.post("/api/v1/rollback").raise_for_status()
            board.wait_state(web, "1.0.0")
            after = pico.flash_counts
        copied = len(places(pico.image, old) - copies)
    return {
        "files": count,
        "bytes": size,
        "plain": _between(settled, written),
        "update": _between(written, done),
        "rollback": {**_between(before, after), "copied": copied, "looked_at": len(copies)},
    }


def _between(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in after}


def connections(count: int) -> int:
    """Return the TCP connections that `pico-ota push` of *count* files opens, to the commit."""
    with tempfile.TemporaryDirectory() as name, board.started() as pico, counted(pico) as wire:
        board.make_files(Path(name), count, count * 1000)
        done = pico_ota("push", name, "--no-wait", "--json", port=wire.port, cwd=Path(name))
        if len(done.answer["new"]) != count:
            raise ValueError(f"{count} files should have been sent: {done.out}")
        return wire.connections


def measure(quick: bool = False) -> Data:
    """Measure flash and connections."""
    count, size, pushed = (6, 60_000, 12) if quick else (20, 200_000, 60)
    return {
        **flash_use(count, size),
        "small": flash_use(pushed, pushed * 1000),
        "pushed": pushed,
        "connections": connections(pushed),
    }


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    back = data["rollback"]
    return [
        _erases(data, "to the end of its trial"),
        at_most(
            f"flash operations of the roll-back of that (of them {back['erases']} erases)",
            back["erases"] + back["programs"],
            60 + 4 * data["files"],
        ),
        at_most(
            f"… samples of its data that were copied, of {back['looked_at']}", back["copied"], 0
        ),
        _erases(data["small"], "small ones: folders are written six times for each", 85),
        at_most(f"TCP connections of a push of {data['pushed']} files", data["connections"], 3),
    ]


def _erases(data: Data, remark: str, limit: float | None = None) -> Row:
    update, plain = data["update"]["erases"], data["plain"]["erases"]
    relation = f"1.15x + 6 = {1.15 * plain + 6:.0f}"
    return Row(
        f"erases of an update of {data['files']} files, {data['bytes'] // 1000} KB, {remark}",
        f"{update}, overwriting the same files plainly {plain}",
        f"≤ {limit or relation}",
        update <= (limit or 1.15 * plain + 6),
    )


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
