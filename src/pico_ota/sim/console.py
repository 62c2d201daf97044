"""What the board prints."""

from __future__ import annotations

from collections.abc import Callable


class Console:
    """Passes on what the board prints, without the traceback lines of the simulator's own code.

    Args:
        sink: gets the text as it comes.
        frame: the file name in those lines.
    """

    def __init__(self, sink: Callable[[bytes], None], frame: str) -> None:
        self._sink = sink
        self._frame = f'  File "{frame}"'.encode()
        self._line = b""  # what is held back
        self._inside = False  # of a line whose beginning has been shown

    def feed(self, data: bytes) -> None:
        """Take what the board has written."""
        for part in data.splitlines(keepends=True):
            self._line += part
            ended = part.endswith(b"\n")
            length = min(len(self._line), len(self._frame))
            if not self._inside and self._line[:length] == self._frame[:length]:
                # A line of ours is dropped, what may become one is held back.
                if ended and length == len(self._frame):
                    self._line = b""
                if not ended:
                    continue
            self._show()
            self._inside = not ended

    def end(self) -> None:
        """Show what was held back."""
        self._show()
        self._inside = False

    def _show(self) -> None:
        if self._line:
            self._sink(self._line)
            self._line = b""
