"""Builds the simulator's own firmware: firmware/*.py, compiled, in a folder for the child."""

from __future__ import annotations

import atexit
import re
import tempfile
from functools import lru_cache
from pathlib import Path

from pico_ota.devicefiles import compile_tree

_FIRMWARE = Path(__file__).parent / "firmware"
_NUMBERS = "_numbers.py"
_IMPORT = re.compile(r"^from _numbers import (?:\([^)]*\)|[^(\n]*)$", re.MULTILINE)

FRAME = "<rom>"
"""What tracebacks call the simulator's own frames; the supervisor leaves their lines out."""


@lru_cache(maxsize=1)
def folder() -> Path:
    """Return a folder with the compiled firmware, made once per process, removed at its end."""
    numbers = (_FIRMWARE / _NUMBERS).read_text()
    # The docstring would end up inside of another module, where it is only noise.
    constants = numbers.split('"""')[2]
    sources = {
        "/" + f.name: _IMPORT.sub(lambda _: constants, f.read_text()).encode()
        for f in sorted(_FIRMWARE.glob("*.py"))
        if f.name != _NUMBERS
    }
    made = tempfile.TemporaryDirectory(prefix="pico-ota-rom-")
    atexit.register(made.cleanup)
    for name, data in compile_tree(sources, FRAME).items():
        Path(made.name, name[1:]).write_bytes(data)
    return Path(made.name)
