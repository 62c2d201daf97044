"""Cuts a stream of bytes into the entries of a cpio archive. No disk, no network.

Only the canonical form of docs/format.md is accepted: each header is put together anew from the
three numbers that may differ and compared whole, so that no byte of it can be changed unnoticed.
"""

from micropython import const

from ota.errors import Refused

#: Longest name of an entry, its zero byte included.
MAX_NAME = 64
_HEADER = const(110)
_BLOCK = const(512)
_PIECE = const(2048)  # most bytes handed on at once, however much came in

_HEAD, _NAME, _DATA, _FILL, _TAIL, _DONE = range(6)

# magic, ino, mode, uid, gid, nlink, mtime, filesize, 4 device numbers, namesize, check
_FORM = "070702%08X%s%016d00000001%08d%08X%032d%08X%08X"
_FILE = "000081A4"  # mode: a regular file, 644
_TRAILER = b"TRAILER!!!"
_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"


def span(name, size):
    """Return how many bytes an entry called *name* with *size* bytes of content takes up."""
    head = _HEADER + len(name) + 1
    return head + -head % 4 + size + -size % 4


class Entries:
    """Hands the entries of a stream to *sink*, piece by piece, without holding any.

    *sink* has entry(index, name, size, check), data(view), entry_end(index) and trailer(index),
    and an attribute `busy`: while it is true nothing more is taken in.
    """

    def __init__(self, sink, index=0, position=0, state=_HEAD, left=_HEADER, head=None):
        """*index* and *position* say which entry comes next and where it starts.

        With the rest, from place(), it goes on within one.
        """
        self._sink = sink
        self._index = index
        self.position = position
        self._buffer = bytearray(_HEADER + MAX_NAME + 4)
        self._fill = 0
        self._state = state
        self._left = left
        self._head = head  # size, size of the name, check; of the trailer only the second

    def place(self):
        """Return what another Entries goes on with, where the sink is told of an entry."""
        return self._index, self.position, self._state, self._left, self._head

    @property
    def complete(self):
        """True when the whole archive has been seen."""
        return self._state == _DONE

    def skip_into(self, name, size, offset):
        """Go on *offset* bytes inside the content of the next entry, called *name*."""
        self.position += span(name, 0) + offset
        self._head = (size, 0, 0)
        self._state = _DATA
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
            raise Refused(400, "trailing_data", self.position)
        elif any(piece):
            raise self._bad("fill")

    def _advance(self):
        """Go on to the next part, now that the present one is complete."""
        state = self._state
        if state == _HEAD:
            self._read_header()
        elif state == _NAME:
            self._read_name()
        elif state == _DATA:
            self._enter(_FILL, -self._head[0] % 4)
            self._sink.entry_end(self._index)
        elif state == _FILL:
            self._enter(_HEAD, _HEADER)
            self._fill = 0
            self._index += 1
        else:
            self._enter(_DONE, 0)

    def _enter(self, state, left):
        self._state = state
        self._left = left

    def _read_header(self):
        head = bytes(self._buffer[:_HEADER])
        index, mode = self._index, _FILE
        try:
            size, name_size, check = [int(head[at : at + 8], 16) for at in (54, 94, 102)]
        except ValueError:
            name_size = 0
        if head[14:22] == b"00000000":
            index, mode, size, check = 0, "00000000", 0, 0
        # int() is generous, and a name of no size is no name: both end here.
        if (
            not 2 <= name_size <= MAX_NAME
            or head != (_FORM % (index, mode, 0, 0, size, 0, name_size, check)).encode()
        ):
            raise self._bad("head")
        self._head = (size if mode == _FILE else None, name_size, check)
        self._enter(_NAME, name_size + -(_HEADER + name_size) % 4)

    def _read_name(self):
        size, name_size, check = self._head
        end = _HEADER + name_size - 1
        name = bytes(self._buffer[_HEADER:end])
        good = not any(memoryview(self._buffer)[end : self._fill])
        if size is None:
            good = good and name == _TRAILER
        else:
            good = good and name[:1] not in b".-" and all(byte in _SAFE for byte in name)
        if not good:
            raise self._bad("name", name)
        if size is None:
            self._enter(_TAIL, -self.position % _BLOCK)
            self._sink.trailer(self._index)
        else:
            self._enter(_DATA, size)
            self._sink.entry(self._index, name.decode(), size, check)

    def _bad(self, what, *args):
        return Refused(400, "bad_archive/" + what, self._index, *args)
