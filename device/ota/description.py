"""Reads `sw-description`, in the one form that docs/format.md describes. No network.

    text = Text(path)
    for entry in Lists(...).entries(): ...

Memory does not grow with the text: its lines are read one by one, and what must not be there
twice is seen by comparing neighbours, since all lists are sorted by path. What stands before the
lists is read by ota/conditions.py.
"""

from binascii import hexlify, unhexlify
from micropython import const

from ota import names, paths
from ota.errors import Refused

_CHUNK = const(512)
_MAX_LINE = const(512)
#: Most files, and most deletions, of one update; and files and deletions together.
MAX_ENTRIES = const(1000)
# The SHA-256 of no bytes.
_EMPTY = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class Text:
    """A cursor over the lines of the file *path*, of which line *number* begins at byte *at*."""

    def __init__(self, path, at=0, number=0):
        self._path = path
        self._at = at
        self._number = number
        self._rest = b""
        self._from = 0

    def place(self):
        """Return what another Text at the same line is made with."""
        return self._path, self._at - len(self._rest) + self._from, self._number

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
                names.check_utf8(line)
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


class Lists:
    """The lists of *files* files, with *size* bytes in all, and *deletes* deletions.

    *place* is where they begin, as Text takes it.
    """

    def __init__(self, place, files, size, deletes):
        self._text = Text(*place)
        self._files = files
        self._bytes = size
        self._deletes = deletes

    def entries(self):
        """Yield (number, path, size, sha256, chksum, once) of each file and deletion, by path.

        *number* counts the files, and the deletions, which have None for the last four. *once*
        says that the file is left alone where there is one. Between them None is yielded, for
        other tasks to run. Raises Refused.
        """
        text = self._text
        text.expect("delete = (")
        # The deletions are read twice: to the end, and once more beside the files.
        deletions = self._deletions(Text(*text.place()))
        for _ in self._deletions(text):
            yield None
        text.expect(");", "};", "files = (")
        gone = next(deletions, None)
        before, total, files, modules = "", 0, [], []
        for number in range(1, self._files + 1):
            made = _file(text, number, number == self._files, self._bytes)
            path, size, sha, check, once = made
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
            yield number, path, size, sha, check, once
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
            yield number, path, None, None, None, None


def _file(text, number, last, most):
    """Return (path, size, sha256, chksum, once) of the next line; *most* bytes at most."""
    line = text.take()
    # Nothing inside the quotes may hold a quote, so they part the line without a parser; and
    # what was understood has to give the same line again. Bytes, since MicroPython looks each
    # new text up among all names that it knows.
    raw = line.encode()
    try:
        _, _, _, path, _, sha, size, check, end = raw.split(b'"')
        size = int(size[9:-11])
        once = end.startswith(b"; once")
        good = b"%08X" % int(check, 16) == check and hexlify(unhexlify(sha)) == sha
    except ValueError:
        text.fail(line)
    path = path.decode()
    _check_path(path, text)
    paths.check_brought(path)
    wanted = b'{ filename = "%s"; path = "%s"; sha256 = "%s"; size = %d; chksum = "%s"; %s}%s'
    mark = b"once = true; " if once else b""
    name = paths.entry_name(number, path)
    if (
        not good
        or len(sha) != 64
        or not 0 <= size <= most
        or (size == 0 and sha != _EMPTY)
        or raw != wanted % (name, path, sha, size, check, mark, b"" if last else b",")
    ):
        text.fail(line)
    return path, size, sha, check, once


def _check_path(path, text):
    paths.check(path)
    if '"' in path or len(names.real(path)) != len(path.encode()):
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
