"""The body of an HTTP request, read in pieces; a short one: Head.json() in ota/request.py."""

import hashlib
from binascii import hexlify

from ota.errors import Refused


class Body:
    """What a client sends after *head*: `head.length` bytes, as far as it declared them."""

    def __init__(self, head):
        self._source = head.source
        self._sha = None
        self._expected = head.announced()
        #: SHA-256 (64 hex) of the whole once it is read, if one was announced, or after hash().
        self.sha256 = None
        if self._expected is not None:
            self.hash()

    def hash(self):
        """Have `sha256` made on the way."""
        self._sha = self._sha or hashlib.sha256()

    def is_compared(self, text):
        """Leave it to somebody else to compare the whole with the SHA-256 *text*."""
        if self._expected == text:
            self._sha = None

    def readinto(self, view):
        """Read into memoryview *view*; awaited, the count, 0 at the end.

        Raises Gone, and Refused(422) at the end when another body was announced.
        """
        # Not in a frame of its own where it can be helped: the C stack is small.
        return self._source.readinto(view) if self._sha is None else self._read(view)

    async def _read(self, view):
        count = await self._source.readinto(view)
        self._took(view[:count])
        return count

    def _took(self, view):
        if self._sha is None:
            return
        if view:
            self._sha.update(view)
            return
        found = self.sha256 = hexlify(self._sha.digest()).decode()
        self._sha = None
        if self._expected not in (None, found):
            raise Refused(422, "digest_mismatch/body", expected=self._expected, found=found)

    async def pump(self, write, buf):
        """Hand the whole body to *write* (a function of a memoryview) through *buf*.

        Raises what *write* raises, Gone, and Refused(422) when another body was announced.
        """
        view = memoryview(buf)
        source = self._source
        filled = 0
        while True:
            rest = view[filled:]
            count = source.take(rest) or await source.readinto(rest)
            filled += count
            # Full chunks only: small network pieces would cost a flash call each.
            if filled and (not count or filled == len(view)):
                # Other tasks run in between: a read waits for its turn when this has taken long.
                self._took(view[:filled])
                write(view[:filled])
                filled = 0
            if not count:
                self._took(b"")
                return
