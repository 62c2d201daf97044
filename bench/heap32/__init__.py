"""Heap figures that hold on the board: scripts on a MicroPython whose objects have a Pico's sizes.

The unix port has 64-bit objects, about twice as large. The WebAssembly build from npm (fetched by
tools/setup_heap32.sh) has 32-bit ones: a tuple, a function, a class take the bytes they take on a
Pico, and .mpy files load the same. Compared with real firmware: Microdot from .mpy holds 20.2 KB
here and 18.5 KB there, where more names are in the firmware already.

    from bench.heap32 import run32
    from pico_ota.devicefiles import device_files

    run32('''
    def scenario():
        before = yield               # a yield collects all garbage and returns the bytes held
        import manager_wifi
        print((yield) - before)
    ''', device_files())

What a figure holds, and what it does not:
- Only a yield collects. This build cannot look for pointers on WebAssembly's own stack: until
  Python has returned to JavaScript gc.collect() does nothing and gc.mem_alloc() counts garbage.
  So a peak is the largest of the values at yields, one after each step of a task: buffers that
  live across an `await` are in it, what one step allocates and drops is not.
- asyncio is a stand-in (board/asyncio.py): the firmware's C tasks, and a loop that runs one step
  at a time. On the board its code lies in flash, so take the difference to a start that has
  imported it. The firmware loads its streams on first use, for 0.9 KB that are not in here.
- Sockets are objects of board/socket.py, 200 bytes and more each where the board's take 64, and
  files are the host's: a file that is open on littlefs holds 1.2 KB more on the board.
- The heap lies behind 160 MB that nobody uses, as runner.mjs explains: where its addresses are
  small, numbers in loaded modules keep garbage alive by chance.
- The heap grows on demand, so nothing here ever runs out of memory.
"""

import base64
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pico_ota.devicefiles import compile_tree

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
LIBRARY = (
    ROOT / ".tools/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"
)


class ScriptError(Exception):
    """The script raised on the 32-bit MicroPython; the message is its output and traceback."""


def run32(
    script: str,
    files: Mapping[str, bytes] | None = None,
    *,
    heap: int = 1 << 20,
    timeout_s: float = 120,
) -> str:
    """Run *script*, then step through its `scenario()` if it has one; return what it printed.

    A value that `scenario` yields is the number of milliseconds to wait before the next step.

    Args:
        script: MicroPython source text.
        files: further files for its file system; the search path is /board, / and /lib.
        heap: bytes of heap to begin with; it grows on demand.
        timeout_s: limit for the whole run.

    Raises:
        ScriptError: the script raised.
        FileNotFoundError: the 32-bit MicroPython is not installed.
    """
    if not LIBRARY.exists():
        raise FileNotFoundError(f"{LIBRARY} is missing: run tools/setup_heap32.sh")
    everything = {**_stand_ins(), **(files or {})}
    order = {
        "library": str(LIBRARY),
        "script": script,
        "files": {path: base64.b64encode(data).decode() for path, data in everything.items()},
        "heap": heap,
        "stack": 32 * 1024,
    }
    result = subprocess.run(
        [_command("node"), str(HERE / "runner.mjs")],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if result.returncode:
        raise ScriptError(result.stdout + result.stderr)
    return result.stdout


@functools.cache
def _stand_ins() -> dict[str, bytes]:
    sources = {f"/board/{f.name}": f.read_bytes() for f in (HERE / "board").glob("*.py")}
    return compile_tree(sources)


def _command(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; `make setup` does it")
    return found
