"""Builds the simulator's own firmware: firmware/*.py, compiled, as a ROM file system.

MicroPython runs byte code in place out of a ROM file system. So the stand-ins take little of the
heap that belongs to the application, as the board's own C modules take none.
"""

from __future__ import annotations

import os
import re
import tempfile
from functools import lru_cache
from pathlib import Path

from mpremote.romfs import VfsRomWriter  # type: ignore[import-untyped]

from pico_ota.devicefiles import compile_tree

_FIRMWARE = Path(__file__).parent / "firmware"
_NUMBERS = "_numbers.py"
_IMPORT = re.compile(r"^from _numbers import (?:\([^)]*\)|[^(\n]*)$", re.MULTILINE)

FRAME = "<rom>"
"""What tracebacks call the simulator's own frames."""


@lru_cache(maxsize=1)
def content() -> bytes:
    """Return the ROM file system, built once per process."""
    numbers = (_FIRMWARE / _NUMBERS).read_text()
    # The docstring would end up inside of another module, where it is only noise.
    constants = numbers.split('"""')[2]
    sources = {
        "/" + f.name: _IMPORT.sub(lambda _: constants, f.read_text()).encode()
        for f in sorted(_FIRMWARE.glob("*.py"))
        if f.name != _NUMBERS
    }
    writer = VfsRomWriter()
    for name, data in compile_tree(sources, FRAME).items():
        writer.mkfile(name[1:], data)
    return bytes(writer.finalise())


def burn() -> int:
    """Return the descriptor of a file without a name that holds the ROM; to be closed."""
    with tempfile.TemporaryFile(prefix="pico-ota-rom-") as file:
        file.write(content())
        file.flush()
        return os.dup(file.fileno())
