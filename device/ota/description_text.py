"""The lines of `sw-description`, one by one; what departs from the form is refused.

No disk, no network.
"""

from ota import paths
from ota.errors import Refused


class Text:
    """Hands out the lines of *lines*, an iterator of bytes, and counts them."""

    def __init__(self, lines):
        self._lines = lines
        self._number = 0

    def take(self):
        """Return the next line. Raises Refused(400) when there is none, or it is no text."""
        self._number += 1
        line = next(self._lines, None)
        if line is None:
            self.fail("too long, or the end of it all")
        try:
            text = line.decode()
            if len(text) != len(line):
                # Only what is not all ASCII needs the slow check of every byte.
                paths.check_utf8(line)
        except ValueError:
            self.fail("not UTF-8")
        return text

    def fail(self, what):
        """Raise Refused(400) with the number of the line and *what* is wrong with it."""
        raise Refused(400, "bad_description", self._number, what[:60])

    def expect(self, *wanted):
        """Take the lines *wanted*. Raises Refused(400) for others."""
        for text in wanted:
            line = self.take()
            if line != text:
                self.fail(line)

    def end(self):
        """See that no line is left. Raises Refused(400)."""
        if next(self._lines, self) is not self:
            self._number += 1
            self.fail("the end is before it")


def only(text, singles, ranges):
    """Return True if *text* has only characters of *singles* and of the *ranges*, as in "AZ09"."""
    for char in text:
        if char in singles:
            continue
        for at in range(0, len(ranges), 2):
            if ranges[at] <= char <= ranges[at + 1]:
                break
        else:
            return False
    return True
