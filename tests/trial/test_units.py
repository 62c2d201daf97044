"""The console watch and the supervision of a trial on MicroPython, without a board around them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MICROPYTHON = Path(sys.executable).with_name("micropython")


@pytest.mark.parametrize(("script", "checks"), [("console", 8), ("supervision", 8)])
def test_on_micropython(script, checks):
    path = f"{HERE / 'board'}:{HERE.parents[1] / 'device'}:.frozen"
    done = subprocess.run(
        [MICROPYTHON, HERE / "board" / f"{script}.py"],
        env={**os.environ, "MICROPYPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == checks
