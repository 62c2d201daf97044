"""The room that the updater takes on the file system of a Pico W, as `install` puts it there."""

import sys
import tempfile
from pathlib import Path

from littlefs import LittleFS

from bench import figures
from bench.figures import Data, Row, kb
from pico_ota.devicefiles import device_files
from pico_ota.rooms import unpacked
from pico_ota.sim import image

TITLE = "Room on the flash"


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


def measure(quick: bool = False) -> Data:
    """Measure both forms."""
    files = device_files()
    return {"files": len(files), "packed": used(files), "one by one": used(unpacked(files))}


def rows(data: Data) -> list[Row]:
    """Show them."""
    return [
        Row(f"the updater, {data['files']} files, of the 848 KB of a Pico W", kb(data["packed"])),
        Row("… with each module as a file of its own", kb(data["one by one"])),
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
