"""A small fixed buffer between a stream and who reads it in lines, or in bytes."""

from ota.errors import Refused

#: Size of a connection's buffer in bytes: the longest request line or header line.
LINE_BYTES = 1024


class Lines:
    """Fills *buffer* from a stream and hands out lines; what is left over begins the body."""

    def __init__(self, stream):
        self._stream = stream
        #: What lines are found in, as next() says.
        self.buffer = bytearray(LINE_BYTES)
        self._start = 0
        self._end = 0

    @property
    def empty(self):
        """True when no byte of a next request has come yet."""
        return self._start == self._end

    async def fill(self):
        """Read once into the free part of the buffer. Return False at the end of the stream."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == LINE_BYTES:
            kept = self._end - self._start
            self.buffer[:kept] = self.buffer[self._start : self._end]
            self._start, self._end = 0, kept
        view = memoryview(self.buffer)
        count = await self._stream.readinto(view[self._end :])
        if count:
            self._end += count
        return bool(count)

    def take(self, target):
        """Move bytes that are already here into memoryview *target*; return how many."""
        count = min(len(target), self._end - self._start)
        if count:
            target[:count] = memoryview(self.buffer)[self._start : self._start + count]
            self._start += count
        return count

    def scrap(self):
        """Return the buffer, to read what nobody wants into; only after the head was taken."""
        return memoryview(self.buffer)

    async def next(self):
        """Return (from, to) of the next line in the buffer, without its line end.

        Raises Refused(431) when it is too long, OSError when the client is gone.
        """
        while True:
            at = self.buffer.find(b"\n", self._start, self._end)
            if at >= 0:
                begin, self._start = self._start, at + 1
                if at > begin and self.buffer[at - 1] == 0x0D:
                    at -= 1
                return begin, at
            if self._end - self._start >= LINE_BYTES:
                raise Refused(431, "line_too_long", LINE_BYTES)
            if not await self.fill():
                raise OSError(104)
