"""The body of a request, read in pieces into memory that is already there."""

import json
from micropython import const

from ota.errors import Gone, Refused

#: Bytes read, hashed and written in one go: at most one flash erase (45 ms) holds up the loop.
CHUNK = 3072
_SMALL = const(2048)


class Body:
    """What the client sends after the head. *source* has `async readinto(view)` and `take(view)`.

    The latter only takes what is here already, without a wait.
    """

    def __init__(self, source, length):
        self._source = source
        #: Declared length in bytes, None when the client declared none.
        self.length = length

    async def readinto(self, view):
        """Read into memoryview *view*; return the count, 0 at the end. Raises Gone."""
        return await self._source.readinto(view)

    async def read_small(self, limit=_SMALL):
        """Return the whole body as bytes. Raises Refused(413) when it is longer than *limit*."""
        length = self.length or 0
        if length > limit:
            raise Refused(413, "too_large/body", limit, length)
        data = bytearray(length)
        view = memoryview(data)
        at = 0
        while at < length:
            count = await self.readinto(view[at:])
            if not count:
                raise Gone(104)
            at += count
        return bytes(data)

    async def json(self, limit=_SMALL):
        """Return the body as a JSON object, {} when it is empty. Raises Refused(400)."""
        data = await self.read_small(limit)
        if not data:
            return {}
        try:
            value = json.loads(data)
        except (ValueError, RuntimeError):  # RuntimeError: nested deeper than the stack
            raise Refused(400, "bad_json/no_json")
        if not isinstance(value, dict):
            raise Refused(400, "bad_json/no_object")
        return value

    async def pump(self, write, buf):
        """Hand the whole body to *write* (a function of a memoryview) through *buf*.

        Raises what *write* raises, and Gone.
        """
        view = memoryview(buf)
        take, readinto = self._source.take, self._source.readinto
        filled = 0
        while True:
            rest = view[filled:]
            count = take(rest) or await readinto(rest)
            filled += count
            # Full chunks only: small network pieces would cost a flash call each.
            if filled and (not count or filled == len(view)):
                # Other tasks run in between: a read waits for its turn when this has taken long.
                write(view[:filled])
                filled = 0
            if not count:
                return
