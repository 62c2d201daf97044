"""What the guard reads and writes at a boot where nothing is to be done.

A board that has taken an update and keeps the set before is started with a boot.py that counts:
file operations in a file system that passes everything on, reads of the flash in a block device
that does. What the guard does is counted apart from loading it, and from the modules that it
loads to leave them running, for the watch on the console.
"""

import json
import sys
from typing import Any

from bench import board, figures
from bench.figures import Data, Row, at_most
from pico_ota.sim.image import write_files

TITLE = "A boot with nothing to do"
_KB = 1024
_CHANGED = {"/lib/x.py": b"x = 2\n", "/data.bin": bytes(9000)}
_MARK = "counted: "

# The first lines stand in for the board's own start, before anything of ours is read.
_BOOT = """
import io, json, os, rp2, vfs

class Flash:
    def __init__(self, chip):
        self.chip, self.calls, self.bytes = chip, 0, 0
    def readblocks(self, block, buf, offset=0):
        self.calls += 1
        self.bytes += len(buf)
        return self.chip.readblocks(block, buf, offset)
    def writeblocks(self, *args):
        log.append(["write", "flash", 0])
        return self.chip.writeblocks(*args)
    def ioctl(self, op, arg):
        if op == 6:
            log.append(["write", "flash", 0])
        return self.chip.ioctl(op, arg)

class File(io.IOBase):
    def __init__(self, file, entry):
        self.file, self.entry = file, entry
    def readinto(self, buf):
        count = self.file.readinto(buf)
        self.entry[2] += count or 0
        return count
    def read(self, size=-1):
        data = self.file.read(size)
        self.entry[2] += len(data)
        return data
    def ioctl(self, op, arg):
        if op == 4:
            self.file.close()
        return 0
    def close(self):
        self.file.close()
    def __enter__(self):
        return self
    def __exit__(self, *args):
        self.close()

class Files:
    def __init__(self, fs):
        self.fs = fs
    def mount(self, readonly, mkfs):
        pass
    def umount(self):
        pass
    def open(self, path, mode):
        entry = ["read" if mode in ("r", "rb") else "write", path, 0]
        log.append(entry)
        return File(self.fs.open(path, mode), entry)
    def __getattr__(self, name):
        def call(*args):
            log.append(["stat" if name == "stat" else name, args[0] if args else "", 0])
            return getattr(self.fs, name)(*args)
        return call

log = []
chip = Flash(rp2.Flash())
fs = vfs.VfsLfs2(chip, progsize=256)
vfs.umount("/")
vfs.mount(Files(fs), "/")
parts = []

def part(name):
    parts.append({"name": name, "log": log[:], "calls": chip.calls, "bytes": chip.bytes})
    log.clear()
    chip.calls = chip.bytes = 0

chip.calls = chip.bytes = 0
log.clear()
import ota_boot
part("import")
ota_boot.run()
part("run")
vfs.umount("/")
vfs.mount(fs, "/")
print("counted: " + json.dumps(parts))
"""


def measure(quick: bool = False) -> Data:
    """Boot such a board and return what its boot.py has counted."""
    with board.started() as pico:
        with board.client(pico) as web:
            _install(web)
        pico.stop()
        write_files(pico.image, {"/boot.py": _BOOT.encode()})
        pico.start()
        pico.wait_listening(60)
        line = next(row for row in pico.console().splitlines() if row.startswith(_MARK))
        written = pico.flash_operations
    parts = {part["name"]: part for part in json.loads(line[len(_MARK) :])}
    own, loaded = [], []
    for entry in parts["run"]["log"]:
        (own if entry[1].startswith("/.ota") else loaded).append(entry)
    return {
        "reads": [e for e in own if e[0] != "write"],
        "writes": len([e for part in parts.values() for e in part["log"] if e[0] == "write"]),
        "flash_operations": written,
        "loaded": [e for e in loaded if e[0] == "read"],
        "lookups": len([e for e in loaded if e[0] != "read"]),
        "guard": [e for e in parts["import"]["log"] if e[0] == "read"],
        "blocks": {name: [part["calls"], part["bytes"]] for name, part in parts.items()},
    }


def _install(web: Any) -> None:
    # bench.update does the same; that script imports much that is not needed here.
    from bench.update import install

    install(web, "1.0.0", _CHANGED)


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    reads, loaded = data["reads"], data["loaded"]
    files = f"{len(loaded)} files, {data['lookups']} look-ups"
    return [
        at_most("reads: for traces of a cut, and of the record", len(reads), 3),
        at_most("bytes of the largest of them", max(entry[2] for entry in reads), _KB),
        at_most("writes", max(data["writes"], data["flash_operations"]), 0),
        Row(f"loading what watches the console ({files})", _bytes(loaded)),
        Row("loading the guard itself (1 file)", _bytes(data["guard"])),
        Row("all that, as littlefs reads the flash", _blocks(data)),
    ]


def _bytes(entries: list[Any]) -> str:
    return f"{sum(entry[2] for entry in entries)} B"


def _blocks(data: Data) -> str:
    calls, size = (sum(part[n] for part in data["blocks"].values()) for n in (0, 1))
    return f"{calls} reads, {size // _KB} KB"


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
