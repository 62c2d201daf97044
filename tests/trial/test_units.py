"""The console watch and the supervision of a trial on MicroPython, without a board around them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.heap32 import LIBRARY, run32

HERE = Path(__file__).parent
DEVICE = HERE.parents[1] / "device"
MICROPYTHON = Path(sys.executable).with_name("micropython")
SCRIPTS = pytest.mark.parametrize(("script", "checks"), [("console", 16), ("supervision", 10)])


@SCRIPTS
def test_on_micropython(script, checks):
    path = f"{HERE / 'board'}:{DEVICE}:.frozen"
    done = subprocess.run(
        [MICROPYTHON, HERE / "board" / f"{script}.py"],
        env={**os.environ, "MICROPYPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == checks


@SCRIPTS
def test_with_numbers_of_a_board(script, checks):
    """With 32-bit words, where more numbers need heap."""
    if not LIBRARY.exists():
        pytest.skip(f"{LIBRARY} is missing: tools/setup_heap32.sh fetches it")
    names = ("ota_boot.py", "ota/__init__.py", "ota/chip.py", "ota/console.py")
    files = {f"/{name}": (DEVICE / name).read_bytes() for name in names}
    files["/board/machine.py"] = (HERE / "board" / "machine.py").read_bytes()
    said = run32((HERE / "board" / f"{script}.py").read_text(), files)
    assert len(said.splitlines()) == checks, said
