"""Boards for the tests of trial and rescue."""

import itertools
import shutil

import pytest
import rig

from pico_ota.sim.image import create


@pytest.fixture
def make_board(fresh_image, board_files, tmp_path):
    """Make boards that are off and end with the test: make_board(main, {path: content}, ...).

    *kind* is the board's name in the simulator.
    """
    made = []
    number = itertools.count()

    def make(main=None, files=None, kind="pico_w", **options):
        image = tmp_path / f"board{next(number)}.img"
        if kind == "pico_w":
            shutil.copyfile(fresh_image("trial"), image)
        else:
            create(image, kind, board_files)
        files = {"/main.py": main or rig.app(), **rig.DATA, **(files or {})}
        board = rig.Board(image, files, board=kind, device_files=board_files, **options)
        made.append(board)
        return board

    yield make
    for board in made:
        board.close()
        board.client.close()
