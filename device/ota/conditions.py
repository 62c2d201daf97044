"""Who an update is for, and what it needs: the head of `sw-description`, before its lists.

    facts = read(service, signer)

The form is that of docs/format.md. The lists are read later, in a phase of their own; see
ota/description.py.
"""

import sys
from micropython import const

from ota import paths, record
from ota.description import MAX_ENTRIES, Text
from ota.errors import Refused

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
# Bytes, since each new character of a text would be interned for ever.
_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def read(service, signer, judge=None):
    """Return what the text in DESCRIPTION asks of this board, as a dict, before its lists.

    *signer* is the id of the key that has signed it, or None. With `next`, `trial`, `next_floor`
    and `signer` as the record has them, and `lists`: what Lists() takes. *judge*, a function of
    the version, is asked first. Raises Refused: 400 where the text departs from the form, else
    where this board is not meant; and what *judge* raises.
    """
    text = Text(record.DESCRIPTION)
    conditions = Conditions(text, not service.require_signed and signer is None)
    if judge:
        judge(conditions.version)
    floor = record.load()["floor"]
    conditions.require((service.min_version, floor))
    return {
        "next": conditions.version,
        "signer": signer,
        "trial": service.trial_deadline_s if conditions.trial else 0,
        # Without a signature nobody vouches for the floor, and anybody could lock all others out.
        "next_floor": _higher(conditions.floor, floor) if signer else None,
        "lists": (text.place(), conditions.files, conditions.bytes, conditions.deletes),
    }


def _higher(floor, known):
    """Return the higher of two floors, which may be None: it never sinks."""
    if floor is None or known is None:
        return floor or known
    return floor if compare(floor, known) > 0 else known


class Conditions:
    """What *text*, a Text, says before its lists.

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
        #: How many files, their bytes, and how many deletions there are.
        self.files = self._limited("files", MAX_ENTRIES)
        self.bytes = self._limited("bytes", _MAX_BYTES)
        self.deletes = self._limited("deletes", MAX_ENTRIES)
        if not self.files + self.deletes:
            raise Refused(400, "empty")
        if self.files + self.deletes > MAX_ENTRIES:
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
