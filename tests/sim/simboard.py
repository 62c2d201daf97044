"""What the tests of the simulator share."""

from textwrap import dedent


def text(source):
    """A program as it is written in a test, as bytes for the board."""
    return dedent(source).encode()


def lines(board):
    """What the program printed, line by line, without the prompt at its end."""
    out = board.console().splitlines()
    return [line for line in out if not line.startswith(("MicroPython ", ">>> "))]


def events(board, name):
    """The events of one kind."""
    return [event for event in board.events if event["event"] == name]
