"""Boards for the tests of trial and rescue."""

import itertools
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import rig


@pytest.fixture
def make_board(fresh_image, board_files, tmp_path):
    """Make boards that are off and end with the test: make_board(main, {path: content}, ...)."""
    made = []
    number = itertools.count()

    def make(main=None, files=None, **options):
        image = tmp_path / f"board{next(number)}.img"
        shutil.copyfile(fresh_image("trial"), image)
        files = {"/main.py": main or rig.app(), **rig.DATA, **(files or {})}
        board = rig.Board(image, files, device_files=board_files, **options)
        made.append(board)
        return board

    yield make
    for board in made:
        board.close()
        board.client.close()


@pytest.fixture
def board(make_board):
    """A board with the usual application, running."""
    board = make_board()
    board.start()
    board.wait_listening(20)
    return board
