"""Reads `sw-description`, in the one form that docs/format.md describes. No network.

    text = Text(path)
    conditions = Conditions(text, loose)
    conditions.require(floors)
    for entry in conditions.entries(): ...

Memory does not grow with the text: its lines are read one by one, and what must not be there
twice is seen by comparing neighbours, since all lists are sorted by path.
"""

import sys
from binascii import hexlify, unhexlify
from micropython import const

from ota import paths
from ota.errors import Refused

_CHUNK = const(512)
_MAX_LINE = const(512)
#: Most files, and most deletions, of one update; and files and deletions together.
MAX_ENTRIES = const(1000)
_MAX_BOARDS = const(8)
_MAX_BYTES = const(16777216)  # no board of ours has more flash
_MAX_VERSION = const(40)
_SMALL_INT_BITS = const(31)
# Bits 10 to 13 of sys.implementation._mpy.
_ARCHITECTURES = {"armv6m": 4, "armv7m": 5, "armv7em": 6, "armv7emsp": 7, "rv32imc": 11}
#: Of the board, as releases name it.
REVISION = "1.0"
# Builds before 1.25 do not know their name, but all know the machine.
_MACHINES = (("Pico 2 W", "RPI_PICO2_W"), ("Pico W", "RPI_PICO_W"))
# The SHA-256 of no bytes.
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
# Bytes, since each new character of a text would be interned for ever.
_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Text:
    """A cursor over the lines of the file *path*, of which line *number* begins at byte *at*."""

    def __init__(self, path, at=0, number=0):
        self._path = path
        self._at = at
        self._number = number
        self._rest = b""
        self._from = 0

    def fork(self):
        """Return another cursor at the same line."""
        return Text(self._path, self._at - len(self._rest) + self._from, self._number)

    def take(self):
        """Return the next line without its end. Raises Refused(400) when it is not one."""
        self._number += 1
        while True:
            rest, start = self._rest, self._from
            end = rest.find(b"\n", start)
            if end >= 0:
                break
            chunk = self._read() if len(rest) - start < _MAX_LINE else b""
            if not chunk:
                self.fail("too long, or the end of it all")
            self._rest = rest[start:] + chunk
            self._from = 0
        self._from = end + 1
        line = rest[start:end]
        if len(line) >= _MAX_LINE:
            self.fail("too long")
        try:
            text = line.decode()
            if len(text) != len(line):
                # Only what is not all ASCII needs the slow check of every byte.
                paths.check_utf8(line)
        except ValueError:
            self.fail("not UTF-8")
        return text

    def _read(self):
        # The file is not left open in between: a break would leave that to the collector.
        with open(self._path, "rb") as file:
            file.seek(self._at)
            chunk = file.read(_CHUNK)
        self._at += len(chunk)
        return chunk

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
        """See that no byte is left. Raises Refused(400)."""
        if self._from < len(self._rest) or self._read():
            self._number += 1
            self.fail("the end is before it")


def version_of(path, loose):
    """Return the version of the description at *path*; see Conditions. Raises Refused(400)."""
    return Conditions(Text(path), loose).version


class Conditions:
    """What *text*, a Text, says before its lists: which boards it is for, and what it needs.

    *loose* is True for one that nobody has signed: its version may be any word, and it need not
    name boards nor a floor. Raises Refused(400) where it departs from the form.
    """

    def __init__(self, text, loose):
        self._text = text
        text.expect("software =", "{")
        self.version = self._value(text.take(), "version")
        self._parts = parse(self.version)
        if not self._parts and not (loose and _is_name(self.version)):
            text.fail(self.version)
        self._boards = []
        line = self._read_boards()
        if line != "pico-ota = {":
            text.fail(line)
        text.expect("format = 1;")
        self._micropython = self._numbers(self._value(text.take(), "micropython"), 3)
        line = self._read_mpy(text.take())
        #: The lowest version that is accepted once this one was confirmed, or None.
        self.floor = None
        if line.startswith("floor = "):
            self.floor = self._value(line, "floor")
            if not self._parts or not parse(self.floor) or compare(self.version, self.floor) < 0:
                text.fail(line)
            line = text.take()
        elif not loose:
            text.fail(line)
        self._any_board = loose and not self._boards
        self.trial = line == "trial = true;"
        if not self.trial and line != "trial = false;":
            text.fail(line)
        self._files = self._limited("files", MAX_ENTRIES)
        self._bytes = self._limited("bytes", _MAX_BYTES)
        self._deletes = self._limited("deletes", MAX_ENTRIES)
        #: How many files and deletions there are.
        self.count = self._files + self._deletes
        if not self.count:
            raise Refused(400, "empty")
        if self.count > MAX_ENTRIES:
            raise Refused(413, "too_many", MAX_ENTRIES)

    def _value(self, line, name, quote='"'):
        """Return what stands between `name = "` and `";` in *line*."""
        value = line[len(name) + 3 + len(quote) : -1 - len(quote)]
        if line != "%s = %s%s%s;" % (name, quote, value, quote):
            self._text.fail(line)
        return value

    def _limited(self, name, high):
        line = self._text.take()
        (number,) = self._numbers(self._value(line, name, ""), 1)
        if number > high:
            self._text.fail(line)
        return number

    def _numbers(self, text, count):
        """Return the *count* numbers in *text*, parted by dots, none with a zero in front."""
        numbers = []
        for part in text.split("."):
            if not _is_number(part) or len(part) > (9 if count == 1 else 3):
                self._text.fail(text)
            numbers.append(int(part))
        if len(numbers) != count:
            self._text.fail(text)
        return tuple(numbers)

    def _read_boards(self):
        """Take the lines of boards, and return the one behind them."""
        before = ""
        while True:
            line = self._text.take()
            name, middle, rest = line.partition(" = { hardware-compatibility = [ ")
            if not middle or rest[-6:] != " ]; };":
                return line
            revisions = rest[:-6].split(", ")
            good = before < name and len(name) <= 40 and len(self._boards) < _MAX_BOARDS
            good = good and "A" <= name[0] <= "Z" and _only(name, _LETTERS[:26] + _DIGITS + b"_")
            for revision in revisions:
                good = good and 3 <= len(revision) <= 17 and revision[0] == revision[-1] == '"'
                good = good and _only(revision[1:-1], _LETTERS + _DIGITS + b".")
            if not good:
                self._text.fail(line)
            self._boards.append((name, [revision[1:-1] for revision in revisions]))
            before = name

    def _read_mpy(self, line):
        """Take what *line* and the one behind it say of `.mpy` files; return the next line."""
        self._mpy = None
        if not line.startswith("mpy = "):
            return line
        major, minor = self._numbers(self._value(line, "mpy"), 2)
        if not 0 < major < 100 or minor > 9:
            self._text.fail(line)
        line = self._text.take()
        arch = 0
        if line.startswith("arch = "):
            arch = _ARCHITECTURES.get(self._value(line, "arch"))
            if not arch:
                self._text.fail(line)
            line = self._text.take()
        # As such a file begins, which is what this firmware is asked about.
        self._mpy = bytes((0x4D, major, arch << 2 | minor & 3, _SMALL_INT_BITS))
        return line

    def require(self, floors):
        """Raise Refused unless this device is meant, and can run it.

        *floors* are the lowest versions still accepted; None among them counts for nothing.
        """
        board = board_name()
        for name, revisions in self._boards:
            if name == board and REVISION in revisions:
                break
        else:
            if not self._any_board:
                names = ", ".join([name for name, _ in self._boards]) or "no board"
                raise Refused(422, "wrong_board", names, board, REVISION)
        own = sys.implementation.version[:3]
        if own < self._micropython:
            form = "%d.%d.%d"
            raise Refused(422, "old_micropython", form % self._micropython, form % own)
        for floor in floors:
            if is_below(self.version, floor):
                raise Refused(409, "downgrade", self.version, floor)
        if self._mpy:
            problem = paths.mpy_problem(self._mpy)
            if problem:
                raise Refused(422, "mpy_incompatible/release", problem)

    # --- the lists ----------------------------------------------------------------------------

    def entries(self):
        """Yield (number, path, size, sha256, chksum) of each file and deletion, sorted by path.

        *number* counts the files, and the deletions, which have None for the last three. Between
        them None is yielded, for other tasks to run. Raises Refused.
        """
        text = self._text
        text.expect("delete = (")
        # The deletions are read twice: to the end, and once more beside the files.
        deletions = self._deletions(text.fork())
        for _ in self._deletions(text):
            yield None
        text.expect(");", "};", "files = (")
        gone = next(deletions, None)
        before, total, files, modules = "", 0, [], []
        for number in range(1, self._files + 1):
            path, size, sha, check = _file(text, number, number == self._files)
            if path <= before:
                text.fail(path)
            before = path
            total += size
            _check_neighbours(path, files, modules)
            while gone and gone[1] < path:
                yield gone
                gone = next(deletions, None)
            if gone and gone[1] == path:
                raise Refused(400, "duplicate/twice", path)
            yield number, path, size, sha, check
        while gone:
            yield gone
            gone = next(deletions, None)
        text.expect(");", "};")
        text.end()
        if total != self._bytes:
            text.fail("the sizes do not add up")

    def _deletions(self, text):
        """Yield an entry for each line of the list of deletions."""
        before = ""
        for number in range(1, self._deletes + 1):
            line = text.take()
            path = line[1 : -1 if number == self._deletes else -2]
            wanted = '"%s"' if number == self._deletes else '"%s",'
            if line != wanted % path or path <= before:
                text.fail(line)
            before = path
            _check_path(path, text)
            if path == "/boot.py":
                raise Refused(403, "protected/boot")
            yield number, path, None, None, None


def _file(text, number, last):
    """Return (path, size, sha256, chksum) of the next line of the list of files."""
    line = text.take()
    # Nothing inside the quotes may hold a quote, so they part the line without a parser; and
    # what was understood has to give the same line again.
    try:
        _, _, _, path, _, sha, size, check, _ = line.split('"')
        size = int(size[9:-11])
        good = "%08X" % int(check, 16) == check and hexlify(unhexlify(sha)).decode() == sha
    except ValueError:
        text.fail(line)
    _check_path(path, text)
    paths.check_brought(path)
    wanted = '{ filename = "%s"; path = "%s"; sha256 = "%s"; size = %d; chksum = "%s"; }%s'
    name = paths.entry_name(number, path)
    if (
        not good
        or len(sha) != 64
        or not 0 <= size <= _MAX_BYTES
        or (size == 0 and sha != _EMPTY)
        or line != wanted % (name, path, sha, size, check, "" if last else ",")
    ):
        text.fail(line)
    return path, size, sha, check


def _check_path(path, text):
    paths.check(path)
    if '"' in path or len(paths.real(path)) != len(path.encode()):
        text.fail(path)
    if paths.is_private(path):
        raise Refused(403, "protected/leave_out", paths.PRIVATE)


def _check_neighbours(path, files, modules):
    """Raise Refused when *path* goes below a file, or is the other form of a module.

    *files* and *modules* hold the paths before, and the `.mpy` among them without their ends, as
    far as *path* begins with them: no more of them can still be met.
    """
    for known in (files, modules):
        while known and not path.startswith(known[-1]):
            known.pop()
    for file in files:
        if path[len(file)] == "/":
            raise Refused(409, "not_directory/parent", file)
    if path.endswith(".py") and path[:-2] in modules:
        raise Refused(400, "both_forms", path, path[:-2] + "mpy")
    files.append(path)
    if path.endswith(".mpy"):
        modules.append(path[:-3])


# --- versions -----------------------------------------------------------------------------------


def _only(text, allowed):
    for code in text.encode():
        if code not in allowed:
            return False
    return bool(text)


def _is_number(text):
    return _only(text, _DIGITS) and (text == "0" or text[0] != "0")


def _is_name(text):
    """Return True if *text* can name a version: printable ASCII without quotes and blanks."""
    for code in text.encode():
        if not 0x21 <= code <= 0x7E or code in b'"\\':
            return False
    return 0 < len(text) <= _MAX_VERSION


def parse(text):
    """Return (major, minor, patch, pre) of *text*; *pre* is a list of the pre-release's parts.

    None when it is not MAJOR.MINOR.PATCH[-pre][+build] as semver.org says, or too long.
    """
    rest, plus, build = text[: _MAX_VERSION + 1].partition("+")
    core, dash, pre = rest.partition("-")
    numbers = core.split(".")
    words = pre.split(".") if dash else []
    good = len(text) <= _MAX_VERSION and len(numbers) == 3
    for part in numbers:
        good = good and _is_number(part)
    for part in words:
        # 1.0.0-01 is refused: two texts would mean the same number.
        good = good and _only(part, _LETTERS + _DIGITS + b"-")
        good = good and (_is_number(part) or not _only(part, _DIGITS))
    for part in build.split(".") if plus else ():
        good = good and _only(part, _LETTERS + _DIGITS + b"-")
    if not good:
        return None
    return int(numbers[0]), int(numbers[1]), int(numbers[2]), words


def compare(one, other):
    """Return -1, 0 or 1 as version *one* is older than *other*, the same or newer.

    Both have to be versions that parse() knows.
    """
    a, b = parse(one), parse(other)
    if a[:3] != b[:3]:
        return -1 if a[:3] < b[:3] else 1
    if not a[3] or not b[3]:
        # A pre-release comes before its release.
        return bool(b[3]) - bool(a[3])
    for left, right in zip(a[3], b[3]):
        if left != right:
            # Numbers come before words.
            left = (0, int(left)) if _only(left, _DIGITS) else (1, left)
            right = (0, int(right)) if _only(right, _DIGITS) else (1, right)
            return -1 if left < right else 1
    return (len(a[3]) > len(b[3])) - (len(a[3]) < len(b[3]))


def is_below(version, other):
    """Return True when both are versions that parse() knows and *version* is the older one."""
    known = other is not None and parse(version) and parse(other)
    return bool(known) and compare(version, other) < 0


def board_name():
    """Return the name of the build, such as RPI_PICO_W, without its variant, or None."""
    build = getattr(sys.implementation, "_build", "")
    if build.startswith("RPI_"):
        return build.split("-")[0]
    for text, name in _MACHINES:
        if text in getattr(sys.implementation, "_machine", ""):
            return name
    return build or None
