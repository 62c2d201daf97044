"""Boards that several tests use one after the other."""

import shutil
import time
from pathlib import Path

import pytest
from wire import ask, until

from pico_ota.devicefiles import compile_tree, device_files
from pico_ota.sim import SimulatedPico

APPS = Path(__file__).parents[1] / "apps"


def settle(pico):
    """Wait until *pico*, with the application `settled`, writes nothing by itself any more."""
    pico.wait_listening(20)
    until(lambda: pico.flash_operations)
    seen = 0
    while seen != pico.flash_operations:
        seen = pico.flash_operations
        time.sleep(0.3)
    return pico


@pytest.fixture
def calm_board(make_pico):
    """A board of this test's own that writes nothing by itself."""
    return settle(make_pico("settled"))


IMPATIENT = {
    "/ota/connection.py": {"_STALL_MS": (10000, 1500), "_DRAIN_MS": (8000, 1500)},
    "/ota/server.py": {"_IDLE_MS": (60000, 1000)},
    "/ota/changes.py": {"_WAIT_MS": (10000, 1500)},
}


@pytest.fixture(scope="session")
def impatient_files():
    """The device files with time limits that a test can wait for.

    What the limits are without that is said by test_clients_that_stall_are_told_and_cut_in_time
    and in tests/device.
    """
    sources = device_files(mpy=False)
    for path, limits in IMPATIENT.items():
        for name, (real, short) in limits.items():
            line = f"{name} = const({real})".encode()
            assert sources[path].count(line) == 1, (path, line)
            sources[path] = sources[path].replace(line, f"{name} = const({short})".encode())
    return compile_tree(sources)


@pytest.fixture
def impatient_board(impatient_files, tmp_path):
    """A board, still off, with the plain application and short time limits."""
    with SimulatedPico(
        tmp_path / "impatient.img", app=APPS / "plain", device_files=impatient_files
    ) as pico:
        pico.prepare()
        yield pico


@pytest.fixture(scope="session")
def _one_board(fresh_image, board_files, tmp_path_factory):
    image = tmp_path_factory.mktemp("board") / "flash.img"
    shutil.copyfile(fresh_image("settled"), image)
    with SimulatedPico(image, device_files=board_files) as pico:
        pico.start()
        settle(pico)
        before = ask(pico, "GET", "/fs/").json
        yield pico
        after = ask(pico, "GET", "/fs/").json
    # All that the tests have written, moved, refused and broken off is gone again.
    assert after["files"] == before["files"]
    assert after["free"] >= before["free"] - 4


@pytest.fixture
def board(_one_board):
    """A listening Pico that other tests use too: leave it as you found it.

    Fails the test that made it restart, or that it does not answer any more.
    """
    before = ask(_one_board, "GET", "/api/v1/info").json["boot_id"]
    yield _one_board
    after = until(lambda: ask(_one_board, "GET", "/api/v1/status", x_requested_with=None))
    # Also forgets the wrong passwords that the test tried.
    assert after.status == 200, after
    assert after.json["boot_id"] == before, _one_board.console()[-2000:]


@pytest.fixture
def folder(board, request):
    """A folder of the shared board for this test alone, as a path; emptied afterwards."""
    name = "/t/" + request.node.name.replace("[", "-").rstrip("]")[:40].replace("/", "_")
    name = "".join(c if c.isalnum() or c in "-_/" else "_" for c in name)
    yield name
    answer = ask(board, "DELETE", "/fs/t", x_ota_recursive="yes")
    assert answer.status in (204, 404), answer
