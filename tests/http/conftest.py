"""Boards that several tests use one after the other."""

import shutil
import time
from pathlib import Path

import pytest
from wire import ask, until

from pico_ota.sim import SimulatedPico


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


@pytest.fixture(scope="session")
def _one_board(fresh_image, board_files, tmp_path_factory):
    image = tmp_path_factory.mktemp("board") / "flash.img"
    shutil.copyfile(fresh_image("settled"), image)
    with SimulatedPico(image, device_files=board_files) as pico:
        pico.start()
        yield settle(pico)


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


@pytest.fixture(scope="session")
def apps() -> Path:
    """The folder with the applications of the tests."""
    return Path(__file__).parents[1] / "apps"
