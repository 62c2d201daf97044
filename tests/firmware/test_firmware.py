"""What the simulated Pico shows, shown again by the real firmware in the rp2040py emulator.

The firmware cannot be had from a package index, so those runs need `PICO_W_UF2`, the path of
MicroPython's RPI_PICO_W image, and `pip install 'rp2040py[fs]'`; without them they are skipped.
The same programs run on the simulated Pico in any case.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pico_ota.devicefiles import device_files
from pico_ota.sim import SimulatedPico

APPS = Path(__file__).parent / "apps"
EXPECTED = {
    "imports": ["IMPORTED True"],
    "reverts": [
        "COMMITTED",
        "OUTCOME reverted the application ended in an exception",
        "STATE idle None",
    ],
}
UF2 = os.environ.get("PICO_W_UF2")


@pytest.fixture(params=EXPECTED)
def program(request):
    return request.param


@pytest.fixture(scope="module")
def board_files():
    """The device files with all their names, since the programs here ask for some of them."""
    return device_files(debug=True)


def test_on_the_simulated_pico(program, board_files, tmp_path):
    pico = SimulatedPico(tmp_path / "flash.img", app=APPS / program, device_files=board_files)
    with pico:
        pico.start()
        for line in EXPECTED[program]:
            pico.wait_console(line)


@pytest.mark.skipif(not UF2, reason="PICO_W_UF2 does not name a firmware image of the Pico W")
def test_on_the_real_firmware(program, board_files, tmp_path):
    if find_spec("rp2040py") is None:
        pytest.fail("PICO_W_UF2 is set, but rp2040py is missing: pip install 'rp2040py[fs]'")
    image = tmp_path / "flash.img"
    SimulatedPico(image, app=APPS / program, device_files=board_files).prepare()
    command = [sys.executable, "-m", "rp2040py", "micropython", "--image", str(UF2)]
    command += ["--board", "pico_w", "--littlefs", str(image), "--expect-regex"]
    for line in EXPECTED[program]:
        command += ["--expect-text", re.escape(line)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
