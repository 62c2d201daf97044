"""Cuts a stream of bytes into the entries of a cpio archive. No disk, no network.

Only the canonical form of docs/format.md is accepted: of every header field the one value that it
can have, so that no byte of an archive can be changed without being noticed.
"""

from micropython import const

from ota.errors import Refused

#: Longest name of an entry, its zero byte included.
MAX_NAME = 64
_HEADER = const(110)
_BLOCK = const(512)
_PIECE = const(2048)  # most bytes handed on at once, however much came in

_HEAD, _NAME, _DATA, _FILL, _TAIL, _DONE = range(6)

_MAGIC = b"070702"
# mode, uid, gid, nlink, mtime: of a file and of the trailer; and the four device numbers.
_FILE_FIELDS = b"000081A40000000000000000" + b"0000000100000000"
_TRAILER_FIELDS = b"000000000000000000000000" + b"0000000100000000"
_NO_DEVICE = b"0" * 32
_TRAILER = "TRAILER!!!"
_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"


def span(name, size):
    """Return how many bytes an entry called *name* with *size* bytes of content takes up."""
    head = _HEADER + len(name) + 1
    return head + -head % 4 + size + -size % 4


class Entries:
    """Hands the entries of a stream to *sink*, piece by piece, without holding any.

    *sink* has entry(index, name, size, check), data(view), entry_end(index) and trailer(index),
    and an attribute `busy`: while it is true nothing more is taken in.
    """

    def __init__(self, sink, index=0, position=0):
        """*index* and *position* say which entry comes next and where it starts."""
        self._sink = sink
        self.index = index
        self.position = position
        self._buffer = bytearray(_HEADER + MAX_NAME + 4)
        self._fill = 0
        self._state = _HEAD
        self._left = _HEADER
        self._size = 0
        self._check = 0
        self._name_size = 0
        self._is_trailer = False

    @property
    def complete(self):
        """True when the whole archive has been seen."""
        return self._state == _DONE

    def skip_into(self, name, size, offset):
        """Go on *offset* bytes inside the content of the next entry, called *name*."""
        self.position += span(name, 0) + offset
        self._state = _DATA
        self._size = size
        self._left = size - offset

    def feed(self, view):
        """Take in bytes of *view*, a memoryview, and return how many were taken.

        Raises Refused when they are no archive of the accepted form.
        """
        taken = 0
        while not self._sink.busy:
            if self._left == 0 and self._state != _DONE:
                self._advance()
                continue
            count = min(len(view) - taken, self._left if self._state != _DONE else 1, _PIECE)
            if count == 0:
                break
            self._take(view[taken : taken + count])
            taken += count
            self.position += count
            self._left -= count
        return taken

    def _take(self, piece):
        if self._state <= _NAME:
            self._buffer[self._fill : self._fill + len(piece)] = piece
            self._fill += len(piece)
        elif self._state == _DATA:
            self._sink.data(piece)
        elif self._state == _DONE:
            raise Refused(
                400, "trailing_data", "The archive ended after %d bytes." % self.position
            )
        elif any(piece):
            raise self._bad("the filling after it is not all zero bytes")

    def _advance(self):
        """Go on to the next part, now that the present one is complete."""
        state = self._state
        if state == _HEAD:
            self._read_header()
        elif state == _NAME:
            self._read_name()
        elif state == _DATA:
            self._enter(_FILL, -self._size % 4)
            self._sink.entry_end(self.index)
        elif state == _FILL:
            self._enter(_HEAD, _HEADER)
            self._fill = 0
            self.index += 1
        else:
            self._enter(_DONE, 0)

    def _enter(self, state, left):
        self._state = state
        self._left = left

    def _read_header(self):
        head = memoryview(self._buffer)
        if head[:6] != _MAGIC:
            raise self._bad("it should begin with 070702 (cpio with checksum)")
        self._is_trailer = head[14:54] == _TRAILER_FIELDS
        if not self._is_trailer and head[14:54] != _FILE_FIELDS:
            raise self._bad("mode, owner, links or time are not those of a release")
        if head[62:94] != _NO_DEVICE:
            raise self._bad("a device number is not 0")
        ino = self._number(6)
        self._size = self._number(54)
        self._name_size = self._number(94)
        self._check = self._number(102)
        if self._is_trailer:
            if ino or self._size or self._check or self._name_size != len(_TRAILER) + 1:
                raise self._bad("a trailer has no number, content or checksum")
        elif ino != self.index:
            raise self._bad("its number is %d" % ino)
        if not 2 <= self._name_size <= MAX_NAME:
            raise self._bad("its name has %d bytes" % self._name_size)
        self._enter(_NAME, self._name_size + -(_HEADER + self._name_size) % 4)

    def _number(self, at):
        digits = bytes(self._buffer[at : at + 8])
        try:
            value = int(digits, 16)
        except ValueError:
            value = -1
        # int() is generous: signs, blanks, lower case.
        if ("%08X" % value).encode() != digits:
            raise self._bad("%r is not eight upper-case hex digits" % digits)
        return value

    def _read_name(self):
        end = _HEADER + self._name_size - 1
        raw = bytes(self._buffer[_HEADER:end])
        if any(memoryview(self._buffer)[end : self._fill]):
            raise self._bad("its name is not filled up with zero bytes")
        if self._is_trailer:
            if raw != _TRAILER.encode():
                raise self._bad("a trailer is called %s" % _TRAILER)
            self._enter(_TAIL, -self.position % _BLOCK)
            self._sink.trailer(self.index)
            return
        for code in raw:
            if chr(code) not in _SAFE:
                raise self._bad("its name %r is not letters, digits, '.', '_' and '-'" % raw)
        if raw[:1] in (b".", b"-"):
            raise self._bad("its name %r begins with %r" % (raw, raw[:1]))
        self._enter(_DATA, self._size)
        self._sink.entry(self.index, raw.decode(), self._size, self._check)

    def _bad(self, reason):
        return Refused(400, "bad_archive", "Entry %d: %s." % (self.index, reason))
