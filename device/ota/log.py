"""The last lines that the service said, for people who cannot see its console."""

import io
from micropython import const

_RING = const(1024)
_MAX_LINE = const(160)

#: True while a line of the log is printed: it is not part of what the program prints.
telling = False


class Ring:
    """The last *size* bytes of all that is written."""

    def __init__(self, size):
        self._size = size
        self._store = io.BytesIO(size)
        self._put = self._store.write
        self._at = 0
        self._laps = 0

    def write(self, data):
        """Add *data*, which needs no heap, also where a callback comes in between."""
        count = len(data)
        if self._at + count < self._size:
            self._at += count
            self._put(data)
            return
        begin = 0
        while self._at + count - begin >= self._size:
            room = self._size - self._at
            if room > 0:
                self._put(data, begin, room)
            begin += room
            self._store.seek(0)
            self._at = 0
            self._laps += 1
        self._at = count - begin
        self._put(data, begin, count - begin)

    @property
    def next(self):
        """How many bytes have been written in all."""
        return self._laps * self._size + self._at

    def since(self, number):
        """Return (what is still here from byte *number* on, how many bytes of it are lost)."""
        end = self.next
        here = min(end, self._size)
        if number > end:
            number = end - here  # of another start: all that is here
        count = min(end - number, here)
        data = bytearray(count)
        store, view = self._store, memoryview(data)
        older = max(0, count - self._at)
        store.seek(self._size - older if older else self._at - count)
        store.readinto(view[:older])
        if older:
            store.seek(0)
        store.readinto(view[older:])
        store.seek(self._at)
        return data, end - number - count


class Log:
    """Numbered lines, of which about the last thousand bytes are kept."""

    def __init__(self, echo=print):
        #: The number that the next line will have.
        self.next = 0
        self._ring = Ring(_RING)
        self._echo = echo

    def __call__(self, text):
        """Add one line (cut at 160 characters) and print it on the console."""
        global telling
        line = str(text)[:_MAX_LINE].replace("\n", " ")
        if self._echo:
            telling = True
            try:
                self._echo("ota:", line)
            finally:
                telling = False
        self._ring.write(("%s\n" % line).encode())
        self.next += 1

    def since(self, number):
        """Return the lines numbered *number* and up that are still here."""
        data, lost = self._ring.since(0)
        if lost:
            data = data[data.find(b"\n") + 1 :]  # the rest of a line
        lines = bytes(data).decode().split("\n")[:-1]
        return lines[max(0, number - self.next + len(lines)) :]
