"""A board and gooseBit itself, as `pico-ota fleet serve` starts it."""

import importlib.util
import re
import sys
import time
from pathlib import Path

import pytest

_PLACE = Path(__file__).parents[1] / "fleet_server/update_server.py"
_spec = importlib.util.spec_from_file_location("update_server", _PLACE)
_module = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("update_server", _module)
_spec.loader.exec_module(_module)

BROKEN = "import no_such_module\n"


@pytest.fixture
def goosebit(tmp_path):
    server = _module.Server(tmp_path / "fleet", "--poll", "2")
    yield server
    server.stop()


def rolled_out(server, tmp_path, release, version):
    path = tmp_path / f"app-{version}.swu"
    path.write_bytes(release)
    server("upload", path)
    words = ("--stages", "1,100%", "--max-failures", "0", "--deadline", "3m", "--wait")
    return server("rollout", path, *words, check=None)


def test_from_registration_to_a_release_that_is_undone(
    goosebit, make_board, make_release, tmp_path
):
    name = "pico-kitchen"
    token = goosebit("token", name)["token"]
    board = make_board(goosebit.url, {"token": token, "id": name})
    until = time.monotonic() + 60
    while board.status()["fleet"]["state"] != "idle":
        assert time.monotonic() < until, board.status()["fleet"]
        time.sleep(0.5)
    rolled_out(goosebit, tmp_path, make_release("1.0.0"), "1.0.0")
    assert board.status()["version"] == "1.0.0"
    told = rolled_out(goosebit, tmp_path, make_release("1.1.0", {"main.py": BROKEN}), "1.1.0")
    assert "no_such_module" in str(told), told
    assert board.status()["version"] == "1.0.0"
    # What comes next is taken, although gooseBit offers nothing to a board that has failed.
    number = re.search(r"1\.1\.0-[0-9-]+", str(goosebit("rollout", "status")))[0]
    goosebit("rollout", "abort", number)
    told = rolled_out(goosebit, tmp_path, make_release("1.2.0"), "1.2.0")
    assert board.status()["version"] == "1.2.0", told
