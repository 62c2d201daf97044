"""Reads `sw-description` line by line, in the one form that docs/format.md describes.

    description = Description(lines)       # reads the conditions
    description.require(board, revision, micropython, mpy, floors)
    for path in description.deletes(): ...
    for path, size, sha256 in description.files(): ...

Memory does not grow with the text. What departs from the form is refused with the line number.
No disk, no network.
"""

from binascii import hexlify, unhexlify
from micropython import const

from ota import manifest, paths, version
from ota import mpy as firmware
from ota.errors import Refused

#: The one format that is read.
FORMAT = 1

_MAX_FILES = const(1000)
_MAX_DELETES = const(1000)
_MAX_BOARDS = const(8)
_MAX_BYTES = const(16777216)
_SMALL_INT_BITS = const(31)
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
# Bits 10 to 13 of sys.implementation._mpy.
_ARCHITECTURES = {"armv6m": 4, "armv7m": 5, "armv7em": 6, "armv7emsp": 7, "rv32imc": 11}


class Description:
    """What the text in *lines*, an iterator of bytes, says: first its conditions, then its lists.

    Raises Refused(400) where the text departs from the form.
    """

    def __init__(self, lines):
        self._lines = lines
        self._number = 0
        self._expect("software =", "{")
        self.version = self._version(self._value(self._take(), "version"))
        self.boards = []
        line = self._read_boards()
        if line != "pico-ota = {":
            self._fail(line)
        self._expect("format = %d;" % FORMAT)
        self.micropython = self._numbers(self._value(self._take(), "micropython"), 3)
        self._mpy, self._arch = None, ""
        line = self._read_mpy(self._take())
        self.floor = self._version(self._value(line, "floor"))
        if version.compare(self.version, self.floor) < 0:
            self._fail("the floor is above the version")
        line = self._take()
        self.trial = line == "trial = true;"
        if not self.trial and line != "trial = false;":
            self._fail(line)
        self._count = self._limited("files", 1, _MAX_FILES)
        self._bytes = self._limited("bytes", 0, _MAX_BYTES)
        self._delete_count = self._limited("deletes", 0, _MAX_DELETES)

    # --- lines --------------------------------------------------------------------------------

    def _take(self):
        self._number += 1
        line = next(self._lines, None)
        if line is None:
            self._fail("too long, or the end of it all")
        try:
            text = line.decode()
            if len(text) != len(line):
                # Only what is not all ASCII needs the slow check of every byte.
                paths._check_utf8(line)
        except ValueError:
            self._fail("not UTF-8")
        return text

    def _fail(self, what):
        raise Refused(400, "bad_description", self._number, what[:60])

    def _expect(self, *wanted):
        for text in wanted:
            line = self._take()
            if line != text:
                self._fail(line)

    def _value(self, line, name, quote='"'):
        """Return what stands between `name = "` and `";` in *line*."""
        value = line[len(name) + 3 + len(quote) : -1 - len(quote)]
        if line != "%s = %s%s%s;" % (name, quote, value, quote):
            self._fail(line)
        return value

    def _limited(self, name, low, high):
        line = self._take()
        (number,) = self._numbers(self._value(line, name, ""), 1)
        if not low <= number <= high:
            self._fail(line)
        return number

    def _numbers(self, text, count):
        """Return the *count* numbers in *text*, parted by dots, none with a zero in front."""
        numbers = []
        for part in text.split("."):
            if not version.is_number(part) or len(part) > (9 if count == 1 else 3):
                self._fail(text)
            numbers.append(int(part))
        if len(numbers) != count:
            self._fail(text)
        return tuple(numbers)

    # --- conditions ---------------------------------------------------------------------------

    def _version(self, text):
        try:
            version.parse(text)
        except ValueError:
            self._fail(text)
        return text

    def _read_boards(self):
        before = ""
        while True:
            line = self._take()
            name, middle, rest = line.partition(" = { hardware-compatibility = [ ")
            if not middle or rest[-6:] != " ]; };":
                return line
            revisions = rest[:-6].split(", ")
            good = name > before and len(name) <= 40 and len(self.boards) < _MAX_BOARDS
            good = good and "A" <= name[0] <= "Z" and _only(name, "_", "AZ09")
            for revision in revisions:
                good = good and 3 <= len(revision) <= 17 and revision[0] == revision[-1] == '"'
                good = good and _only(revision[1:-1], ".", "AZaz09")
            if not good:
                self._fail(line)
            self.boards.append((name, [revision[1:-1] for revision in revisions]))
            before = name

    def _read_mpy(self, line):
        if not line.startswith("mpy = "):
            return line
        self._mpy = self._numbers(self._value(line, "mpy"), 2)
        if not 0 < self._mpy[0] < 100 or self._mpy[1] > 9:
            self._fail(line)
        line = self._take()
        if line.startswith("arch = "):
            self._arch = self._value(line, "arch")
            if self._arch not in _ARCHITECTURES:
                self._fail(line)
            line = self._take()
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

    # --- lists --------------------------------------------------------------------------------

    def deletes(self):
        """Yield the paths to delete, in ascending order. Raises Refused."""
        self._expect("delete = (")
        before = ""
        for left in range(self._delete_count, 0, -1):
            line = self._item(left)
            if len(line) < 2 or line[0] != '"' or line[-1] != '"':
                self._fail(line)
            before = self._path(line[1:-1], before)
            yield before
        self._expect(");", "};")

    def files(self):
        """Yield (path, size, sha256) of each file, in ascending order, after deletes().

        Raises Refused.
        """
        self._expect("files = (")
        before = ""
        total = 0
        for left in range(self._count, 0, -1):
            path, size, sha = self._file(self._item(left), self._count - left + 1)
            before = self._path(path, before)
            total += size
            yield path, size, sha
        self._expect(");", "};")
        if next(self._lines, self) is not self:
            self._number += 1
            self._fail("the end is before it")
        if total != self._bytes:
            self._fail("the sizes do not add up")

    def _item(self, left):
        line = self._take()
        if left == 1:
            return line
        if line[-1:] != ",":
            self._fail(line)
        return line[:-1]

    def _file(self, line, number):
        # Nothing inside the quotes may hold a quote, so they part the line without a parser; and
        # what was understood has to give the same line again.
        try:
            _, name, _, path, _, sha, size, check, _ = line.split('"')
            size, check = int(size[9:-11]), int(check, 16)
            good = hexlify(unhexlify(sha)).decode() == sha and len(sha) == 64
        except ValueError:
            self._fail(line)
        stem = name[5:]
        if (
            not good
            or not 0 <= size < 1000000000
            or (size == 0 and sha != _EMPTY)
            or not 0 < len(stem) <= 48
            or not _only(stem, "._-", "AZaz09")
            or line
            != '{ filename = "%04d-%s"; path = "%s"; sha256 = "%s"; size = %d; chksum = "%08X"; }'
            % (number, stem, path, sha, size, check)
        ):
            self._fail(line)
        return path, size, sha

    def _path(self, path, before):
        manifest.check_path(path)
        if path <= before or '"' in path:
            self._fail(path)
        return path


def _only(text, singles, ranges):
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
