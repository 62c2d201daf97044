"""Reads `sw-description` from flash, line by line, in the one form that docs/format.md describes.

    description = Description("/.ota/release.txt")     # reads the conditions
    description.require(board, revision, micropython, mpy, floor)
    for path in description.deletes(): ...
    for file in description.files(): ...               # (name, path, size, sha256, check)

Memory does not grow with the text. What departs from the form is refused with the line number.
"""

from binascii import hexlify, unhexlify
from micropython import const

from ota import manifest, paths, version
from ota.errors import Refused

#: Longest text in bytes; room for 1000 files with paths of usual length.
MAX_SIZE = 192 * 1024
#: The one format that is read.
FORMAT = 1

_MAX_LINE = const(512)
_CHUNK = const(256)
_MAX_FILES = const(1000)
_MAX_DELETES = const(1000)
_MAX_BOARDS = const(8)
_MAX_BYTES = const(16777216)
_MAX_STEM = const(48)
_SMALL_INT_BITS = const(31)
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = "0123456789"
_SAFE = _LETTERS + "abcdefghijklmnopqrstuvwxyz" + _DIGITS + "._-"
# Bits 10 to 13 of sys.implementation._mpy.
_ARCHITECTURES = {"armv6m": 4, "armv7m": 5, "armv7em": 6, "armv7emsp": 7, "rv32imc": 11}


class _Lines:
    def __init__(self, path):
        self._file = open(path, "rb")
        self._text = b""
        self._at = 0
        self.number = 0

    def take(self):
        """Return the next line as str, without its end."""
        self.number += 1
        while True:
            end = self._text.find(b"\n", self._at)
            if end >= 0:
                line = self._text[self._at : end]
                self._at = end + 1
                return self._decoded(line)
            rest = self._text[self._at :]
            if len(rest) >= _MAX_LINE:
                self.fail("a line has fewer than %d bytes" % _MAX_LINE)
            more = self._file.read(_CHUNK)
            if not more:
                self.fail("the text ends too early")
            self._text = rest + more
            self._at = 0

    def _decoded(self, line):
        if len(line) >= _MAX_LINE:
            self.fail("a line has fewer than %d bytes" % _MAX_LINE)
        try:
            text = line.decode()
            if len(text) != len(line):
                # Only what is not all ASCII needs the slow check of every byte.
                paths._check_utf8(line)
        except ValueError:
            self.fail("not UTF-8")
        return text

    def expect(self, text):
        line = self.take()
        if line != text:
            self.fail("expected %r, got %r" % (text, line[:60]))

    def value(self, name, line, quote='"'):
        """Return what stands between `name = "` and `";` in *line*."""
        start = name + " = " + quote
        end = quote + ";"
        if not line.startswith(start) or not line.endswith(end) or len(line) < len(start + end):
            self.fail("expected %s...%s, got %r" % (start, end, line[:60]))
        return line[len(start) : len(line) - len(end)]

    def count(self, name, low, high):
        text = self.value(name, self.take(), "")
        number = _number(text)
        if number is None or not low <= number <= high:
            self.fail("%s is %d to %d, got %r" % (name, low, high, text[:20]))
        return number

    def end(self):
        self.number += 1
        if len(self._text) != self._at or self._file.read(1):
            self.fail("expected the end of the text")

    def fail(self, reason):
        raise Refused(
            400, "bad_description", "sw-description, line %d: %s." % (self.number, reason)
        )

    def close(self):
        self._file.close()


def _number(text):
    """Return the number that *text* is in its shortest form, at most nine digits, or None."""
    if not 1 <= len(text) <= 9 or (text[0] == "0" and text != "0"):
        return None
    return int(text) if all(char in _DIGITS for char in text) else None


def _triple(text):
    """Return (major, minor, micro) of *text* such as 1.25.0, or None."""
    numbers = [_number(part) if len(part) <= 3 else None for part in text.split(".")]
    return None if len(numbers) != 3 or None in numbers else tuple(numbers)


class Description:
    """The text at *path*: its conditions at once, its lists when they are asked for, in order.

    Raises Refused(400) where the text departs from the form.
    """

    def __init__(self, path):
        self._lines = _Lines(path)
        self.arch = ""
        self._mpy = None
        try:
            self._read_conditions(self._lines)
        except Refused:
            self.close()
            raise

    def close(self):
        """Close the file; the rest can no longer be read."""
        self._lines.close()

    def _read_conditions(self, lines):
        lines.expect("software =")
        lines.expect("{")
        self.version = self._version(lines.value("version", lines.take()))
        self.boards = []
        line = self._read_boards(lines)
        if line != "pico-ota = {":
            lines.fail("expected a board or 'pico-ota = {', got %r" % line[:60])
        lines.expect("format = %d;" % FORMAT)
        text = lines.value("micropython", lines.take())
        self.micropython = _triple(text)
        if self.micropython is None:
            lines.fail("micropython is like 1.25.0, got %r" % text[:20])
        line = self._read_mpy(lines, lines.take())
        self.floor = self._version(lines.value("floor", line))
        if version.compare(self.version, self.floor) < 0:
            lines.fail("floor %s is above the version %s" % (self.floor, self.version))
        line = lines.take()
        if line not in ("trial = true;", "trial = false;"):
            lines.fail("expected trial = true; or false, got %r" % line[:60])
        self.trial = line == "trial = true;"
        self.count = lines.count("files", 1, _MAX_FILES)
        self.size = lines.count("bytes", 0, _MAX_BYTES)
        self.delete_count = lines.count("deletes", 0, _MAX_DELETES)

    def _version(self, text):
        try:
            version.parse(text)
        except ValueError as error:
            self._lines.fail(str(error))
        return text

    def _read_boards(self, lines):
        before = ""
        while True:
            line = lines.take()
            at = line.find(" = { hardware-compatibility = [ ")
            if at < 0 or not line.endswith(" ]; };"):
                return line
            name = line[:at]
            revisions = line[at + 32 : -6].split(", ")
            if (
                not 1 <= len(name) <= 40
                or name[0] not in _LETTERS
                or not all(char in _LETTERS or char in _DIGITS or char == "_" for char in name)
            ):
                lines.fail("a board is named like RPI_PICO_W, got %r" % name[:48])
            if name <= before:
                lines.fail("board %s is out of order" % name)
            if len(self.boards) == _MAX_BOARDS:
                lines.fail("at most %d boards" % _MAX_BOARDS)
            self.boards.append((name, [self._revision(text) for text in revisions]))
            before = name

    def _revision(self, text):
        if not 3 <= len(text) <= 17 or text[0] != '"' or text[-1] != '"':
            self._lines.fail("a hardware revision is like 1.0, got %r" % text[:20])
        for char in text[1:-1]:
            if char not in _SAFE or char in "_-":
                self._lines.fail("a hardware revision is like 1.0, got %r" % text)
        return text[1:-1]

    def _read_mpy(self, lines, line):
        if not line.startswith("mpy = "):
            return line
        text = lines.value("mpy", line)
        major, _, minor = text.partition(".")
        if not 1 <= len(major) <= 2 or len(minor) != 1 or not _number(major):
            lines.fail("mpy is like 6.3, got %r" % text[:20])
        if _number(minor) is None:
            lines.fail("mpy is like 6.3, got %r" % text[:20])
        self._mpy = _number(major), _number(minor)
        line = lines.take()
        if line.startswith("arch = "):
            self.arch = lines.value("arch", line)
            if self.arch not in _ARCHITECTURES:
                lines.fail("arch is one of a board, got %r" % self.arch[:20])
            line = lines.take()
        return line

    def require(self, board, revision, micropython, mpy, floor):
        """Raise Refused unless the release suits this device.

        *micropython* is a tuple of three numbers, *mpy* is sys.implementation._mpy, *floor* the
        lowest version still accepted, or None.
        """
        for name, revisions in self.boards:
            if name == board and revision in revisions:
                break
        else:
            listed = ", ".join([name for name, _ in self.boards]) or "no board at all"
            raise Refused(
                422,
                "wrong_board",
                "The release is for %s, this is a %s %s." % (listed, board, revision),
            )
        if tuple(micropython) < self.micropython:
            raise Refused(
                422,
                "old_micropython",
                "The release needs MicroPython %d.%d.%d, this is %d.%d.%d: update it over USB."
                % (self.micropython + tuple(micropython)),
            )
        if not version.floor_allows(self.version, floor):
            raise Refused(
                409,
                "downgrade",
                "Version %s is older than %s, the lowest still accepted here."
                % (self.version, floor),
            )
        self._require_mpy(mpy)

    def _require_mpy(self, own):
        if self._mpy is None:
            return
        major, minor = self._mpy
        index = _ARCHITECTURES.get(self.arch, 0)
        head = bytes((0x4D, major, index << 2 | minor & 3, _SMALL_INT_BITS))
        problem = manifest.mpy_problem(head, own, _SMALL_INT_BITS)
        if problem:
            raise Refused(422, "mpy_incompatible", "The release has .mpy files: %s." % problem)

    def deletes(self):
        """Yield the paths to delete, in ascending order. Raises Refused."""
        lines = self._lines
        lines.expect("delete = (")
        before = ""
        for index in range(self.delete_count):
            line = self._item(index == self.delete_count - 1)
            if len(line) < 2 or line[0] != '"' or line[-1] != '"':
                lines.fail("expected a path in double quotes, got %r" % line[:60])
            before = self._path(line[1:-1], before)
            yield before
        lines.expect(");")
        lines.expect("};")

    def files(self):
        """Yield (name in the archive, path, size, sha256, checksum) of each file, after deletes().

        Raises Refused.
        """
        lines = self._lines
        lines.expect("files = (")
        before = ""
        total = 0
        for index in range(self.count):
            name, path, sha, size, check = self._file(self._item(index == self.count - 1))
            self._check_name(name, index + 1)
            before = self._path(path, before)
            total += size
            yield name, path, size, sha, check
        lines.expect(");")
        lines.expect("};")
        lines.end()
        if total != self.size:
            lines.fail("the sizes of all files do not add up to %d" % self.size)

    def _item(self, last):
        line = self._lines.take()
        if last:
            return line
        if not line.endswith(","):
            self._lines.fail("expected ',' at the end of the line")
        return line[:-1]

    def _file(self, line):
        # Nothing inside the quotes may hold a quote, so they part the line without a parser.
        part = line.split('"')
        if len(part) == 9 and part[0::2] == _BETWEEN[:3] + [part[6], "; }"]:
            name, path, sha, check = part[1::2]
            middle = part[6]
            if middle.startswith(_SIZE) and middle.endswith(_CHECK) and len(middle) > 20:
                size = _number(middle[len(_SIZE) : -len(_CHECK)])
                value = _hex(check)
                if size is not None and value is not None and _is_digest(sha, size):
                    return name, path, sha, size, value
        self._lines.fail("not a file as docs/format.md writes it: %r" % line[:60])

    def _check_name(self, name, number):
        stem = name[5:]
        good = name[:5] == "%04d-" % number and 1 <= len(stem) <= _MAX_STEM
        if not good or not all(char in _SAFE for char in stem):
            self._lines.fail("filename of file %d is %r" % (number, name[:60]))

    def _path(self, path, before):
        manifest.check_path(path)
        if '"' in path:
            self._lines.fail("a double quote in %r" % path)
        if path <= before:
            self._lines.fail("%r is out of order or listed twice" % path)
        return path


_BETWEEN = ["{ filename = ", "; path = ", "; sha256 = "]
_SIZE = "; size = "
_CHECK = "; chksum = "


def _hex(text):
    try:
        value = int(text, 16)
    except ValueError:
        return None
    return value if "%08X" % value == text else None


def _is_digest(text, size):
    if size == 0:
        return text == _EMPTY
    try:
        return len(text) == 64 and hexlify(unhexlify(text)).decode() == text
    except ValueError:
        return False
