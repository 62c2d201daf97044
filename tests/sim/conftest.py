"""A board with a few lines of its own on it, for tests of the simulator itself."""

import pytest
from simboard import lines, text

from pico_ota.sim import SimulatedPico


@pytest.fixture
def make_board(tmp_path):
    """Make boards that are off: make_board("print(1)", boot=..., files={path: bytes}, ...)."""
    made = []

    def make(main=None, boot=None, files=None, image=None, **options):
        tree = dict(files or {})
        if main is not None:
            tree["/main.py"] = text(main)
        if boot is not None:
            tree["/boot.py"] = text(boot)
        image = image or tmp_path / f"flash{len(made)}.img"
        made.append(SimulatedPico(image, device_files=tree, **options))
        return made[-1]

    yield make
    for board in made:
        board.close()


@pytest.fixture
def run(make_board):
    """Run a main.py to its end, and return what it printed, line by line."""

    def run(main=None, timeout=10, **options):
        board = make_board(main, **options)
        board.start()
        board.wait_event("prompt", timeout)
        board.stop()
        return lines(board)

    return run
