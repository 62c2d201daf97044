"""Counts the instructions of the board's process, with valgrind's callgrind.

As a script it stands for the simulator's child.py: it becomes valgrind, which becomes that.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

_FOLDER, _CHILD = "BENCH_CALLGRIND_FOLDER", "BENCH_CALLGRIND_CHILD"
# What calls the flash driver, which is Python here and C on the board: collecting is switched off
# where they are entered, and on again where they are left.
_NOT_COUNTED = tuple(
    f"mp_vfs_blockdev_{name}" for name in ("read", "read_ext", "write", "write_ext")
)
_TOTAL = re.compile(r"^summary: (\d+)", re.MULTILINE)


class Counter:
    """Counts in the process of the board that was started last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self) -> None:
        """Count from here on."""
        self._order("-i", "on")
        self._order("--zero")

    def end(self) -> int:
        """Count no more; return the instructions since begin()."""
        self._order("--dump")
        self._order("-i", "off")
        *_, latest = sorted(self._folder.glob("out.*"), key=lambda file: file.stat().st_mtime_ns)
        return sum(map(int, _TOTAL.findall(latest.read_text())))

    def _order(self, *order: str) -> None:
        pid = (self._folder / "pid").read_text()
        subprocess.run(["callgrind_control", *order, pid], check=True, capture_output=True)


@contextmanager
def counted() -> Iterator[Counter]:
    """Have boards that are started in a `with` block run under callgrind, some 20 times slower."""
    from pico_ota.sim import processor

    with tempfile.TemporaryDirectory() as name:
        found = {_FOLDER: name, _CHILD: str(processor._CHILD)}
        with (
            mock.patch.dict(os.environ, found),
            mock.patch.object(processor, "_CHILD", Path(__file__)),
        ):
            yield Counter(Path(name))


def main() -> None:
    """Become valgrind. Never returns."""
    folder = Path(os.environ[_FOLDER])
    (folder / "pid").write_text(str(os.getpid()))
    valgrind = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"]
    valgrind += [f"--callgrind-out-file={folder}/out.%p"]
    valgrind += [f"--toggle-collect={name}" for name in _NOT_COUNTED]
    valgrind += ["--collect-atstart=yes"]  # those imply the contrary
    os.execvp(
        "valgrind",
        [*valgrind, sys.executable, "-I", "-S", os.environ[_CHILD], *sys.argv[1:]],
    )


if __name__ == "__main__":
    main()
