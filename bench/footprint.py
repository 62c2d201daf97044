"""The room that the updater takes on the file system of a Pico W, and how much code it is."""

import sys
import tempfile
from pathlib import Path

from littlefs import LittleFS

from bench import figures
from bench.figures import Data, Row, at_most, kb
from pico_ota.devicefiles import device_files
from pico_ota.pack import unpacked
from pico_ota.sim import image

TITLE = "Size"
ROOT = Path(__file__).parents[1]
_GENERATED = "ota_boot.py"  # put together from its sources in guard/, and two modules of device/


def used(files: dict[str, bytes]) -> int:
    """Return the bytes of the blocks that *files* take, on a file system with nothing else."""
    with tempfile.TemporaryDirectory() as name:
        blocks = []
        for content in ({}, files):
            path = Path(name, f"{len(content)}.img")
            image.create(path, "pico_w", content)
            size = image.check(path).blocks
            fs = LittleFS(block_size=4096, block_count=size, mount=False)
            fs.context.buffer = bytearray(path.read_bytes())
            fs.mount()
            blocks.append(fs.used_block_count)
    return (blocks[1] - blocks[0]) * 4096


def lines(folder: Path) -> dict[str, int]:
    """Return the lines of each source file in *folder*, and of the texts of refusals."""
    sources = [*folder.rglob("*.py"), *folder.rglob("reasons.txt")]
    return {str(f.relative_to(folder)): len(f.read_text().splitlines()) for f in sorted(sources)}


def measure(quick: bool = False) -> Data:
    """Measure both forms, and the source text."""
    files = device_files()
    return {
        "files": len(files),
        "packed": used(files),
        "one by one": used(unpacked(files)),
        "lines": lines(ROOT / "device"),
        "guard": lines(ROOT / "guard"),
    }


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    modules = [name for name in data["lines"] if name.endswith(".py")]
    written = {name: data["lines"][name] for name in modules if name != _GENERATED}
    longest = max(written, key=lambda name: written[name])
    guard = sum(data["guard"].values())
    return [
        at_most(
            f"the updater, {data['files']} files, of the 848 KB of a Pico W",
            data["packed"],
            132 * 1024,
            kb,
            no_worse=164 * 1024,
        ),
        Row("… with each module as a file of its own", kb(data["one by one"])),
        at_most(
            f"lines under device/, without the page (and {guard} in guard/, which one is made of)",
            sum(data["lines"].values()),
            6900,
            no_worse=9700,
        ),
        at_most("modules under device/", len(modules), 30, no_worse=44),
        at_most(f"lines of the longest of them, {longest}", written[longest], 450),
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
