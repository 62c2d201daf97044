"""The conditions of `sw-description`, in the one form that docs/format.md describes.

    description = Description(Text(lines))
    description.require(board, revision, micropython, mpy, floors)

The lists that follow are read by ota/listing.py. No disk, no network.
"""

import sys
from micropython import const

from ota import mpy as firmware
from ota import version
from ota.board import board_name
from ota.description_text import only
from ota.errors import Refused

#: The one format that is read.
FORMAT = 1

_MAX_FILES = const(1000)
_MAX_DELETES = const(1000)
_MAX_BOARDS = const(8)
_MAX_BYTES = const(16777216)
_SMALL_INT_BITS = const(31)
# Bits 10 to 13 of sys.implementation._mpy.
_ARCHITECTURES = {"armv6m": 4, "armv7m": 5, "armv7em": 6, "armv7emsp": 7, "rv32imc": 11}


def accepted(text, hardware, floors):
    """Return (version, trial, floor), and the counts, of the Description in *text*.

    *hardware* is (board, revision), None for what this is; *floors* are `min_version` and the
    floor so far, which never sinks. Raises Refused unless it suits.
    """
    own = sys.implementation
    description = Description(text)
    board, revision = hardware
    description.require(
        board or board_name(), revision, own.version[:3], getattr(own, "_mpy", 0), floors
    )
    floor = description.floor
    if floors[1] is not None and version.compare(floor, floors[1]) < 0:
        floor = floors[1]
    return (description.version, description.trial, floor), description.counts


class Description:
    """What *text*, a Text, says before its lists.

    Raises Refused(400) where it departs from the form.
    """

    def __init__(self, text):
        self._text = text
        self._text.expect("software =", "{")
        self.version = self._version(self._value(self._text.take(), "version"))
        self.boards = []
        line = self._read_boards()
        if line != "pico-ota = {":
            self._text.fail(line)
        self._text.expect("format = %d;" % FORMAT)
        self.micropython = self._numbers(self._value(self._text.take(), "micropython"), 3)
        self._mpy, self._arch = None, ""
        line = self._read_mpy(self._text.take())
        self.floor = self._version(self._value(line, "floor"))
        if version.compare(self.version, self.floor) < 0:
            self._text.fail("the floor is above the version")
        line = self._text.take()
        self.trial = line == "trial = true;"
        if not self.trial and line != "trial = false;":
            self._text.fail(line)
        #: Number of files, bytes of them all, and number of deletions.
        self.counts = (
            self._limited("files", 1, _MAX_FILES),
            self._limited("bytes", 0, _MAX_BYTES),
            self._limited("deletes", 0, _MAX_DELETES),
        )

    def _value(self, line, name, quote='"'):
        """Return what stands between `name = "` and `";` in *line*."""
        value = line[len(name) + 3 + len(quote) : -1 - len(quote)]
        if line != "%s = %s%s%s;" % (name, quote, value, quote):
            self._text.fail(line)
        return value

    def _limited(self, name, low, high):
        line = self._text.take()
        (number,) = self._numbers(self._value(line, name, ""), 1)
        if not low <= number <= high:
            self._text.fail(line)
        return number

    def _numbers(self, text, count):
        """Return the *count* numbers in *text*, parted by dots, none with a zero in front."""
        numbers = []
        for part in text.split("."):
            if not version.is_number(part) or len(part) > (9 if count == 1 else 3):
                self._text.fail(text)
            numbers.append(int(part))
        if len(numbers) != count:
            self._text.fail(text)
        return tuple(numbers)

    # --- conditions ---------------------------------------------------------------------------

    def _version(self, text):
        try:
            version.parse(text)
        except ValueError:
            self._text.fail(text)
        return text

    def _read_boards(self):
        before = ""
        while True:
            line = self._text.take()
            name, middle, rest = line.partition(" = { hardware-compatibility = [ ")
            if not middle or rest[-6:] != " ]; };":
                return line
            revisions = rest[:-6].split(", ")
            good = name > before and len(name) <= 40 and len(self.boards) < _MAX_BOARDS
            good = good and "A" <= name[0] <= "Z" and only(name, "_", "AZ09")
            for revision in revisions:
                good = good and 3 <= len(revision) <= 17 and revision[0] == revision[-1] == '"'
                good = good and only(revision[1:-1], ".", "AZaz09")
            if not good:
                self._text.fail(line)
            self.boards.append((name, [revision[1:-1] for revision in revisions]))
            before = name

    def _read_mpy(self, line):
        if not line.startswith("mpy = "):
            return line
        self._mpy = self._numbers(self._value(line, "mpy"), 2)
        if not 0 < self._mpy[0] < 100 or self._mpy[1] > 9:
            self._text.fail(line)
        line = self._text.take()
        if line.startswith("arch = "):
            self._arch = self._value(line, "arch")
            if self._arch not in _ARCHITECTURES:
                self._text.fail(line)
            line = self._text.take()
        return line

    def require(self, board, revision, micropython, mpy, floors):
        """Raise Refused unless the release suits this device.

        *micropython* is a tuple of three numbers, *mpy* is sys.implementation._mpy, *floors* are
        the lowest versions still accepted; None among them counts for nothing.
        """
        for name, revisions in self.boards:
            if name == board and revision in revisions:
                break
        else:
            raise Refused(
                422,
                "wrong_board",
                ", ".join([name for name, _ in self.boards]) or "no board",
                board,
                revision,
            )
        if micropython < self.micropython:
            raise Refused(
                422, "old_micropython", "%d.%d.%d" % self.micropython, "%d.%d.%d" % micropython
            )
        for floor in floors:
            if not version.floor_allows(self.version, floor):
                raise Refused(409, "downgrade", self.version, floor)
        if self._mpy:
            index = _ARCHITECTURES.get(self._arch, 0)
            head = bytes((0x4D, self._mpy[0], index << 2 | self._mpy[1] & 3, _SMALL_INT_BITS))
            problem = firmware.mpy_problem(head, mpy, _SMALL_INT_BITS)
            if problem:
                raise Refused(422, "mpy_incompatible/release", problem)
