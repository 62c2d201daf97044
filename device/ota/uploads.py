"""One write at a time: two uploads share one buffer, one private file and one slow flash.

And readers that notice when their file was written meanwhile.
"""

import asyncio
import time
from micropython import const

from ota.errors import Refused

_WAIT_MS = const(10000)
_POLL_MS = const(50)


class Uploads:
    """Hands out turns. *on_progress* is None or a function of (path, received, size)."""

    def __init__(self, on_progress=None):
        #: {"path", "received", "size"} of the write under way, or None.
        self.current = None
        self._on_progress = on_progress
        self._readers = []

    def reader(self, path):
        """Open the file *path* to be sent; see Reader. Raises OSError."""
        reader = Reader(self._readers, path)
        self._readers.append(reader)
        return reader

    def replaced(self, path):
        """Take note that the file or folder *path* was replaced or removed."""
        for reader in self._readers:
            if reader.path == path or reader.path.startswith(path + "/"):
                reader.stale = True

    def turn(self, path, size):
        """Return the turn to write *size* bytes to *path*, for `async with`.

        Entering waits for the one before, at most 10 s. Raises Refused: 409 when that one writes
        the same path, 503 when it takes longer.
        """
        return Turn(self, path, size, self._on_progress)


class Turn:
    """The right to write, from `async with` to its end."""

    def __init__(self, uploads, path, size, on_progress):
        self._uploads = uploads
        self._entry = {"path": path, "received": 0, "size": size}
        self._on_progress = on_progress

    async def __aenter__(self):
        until = time.ticks_add(time.ticks_ms(), _WAIT_MS)
        uploads = self._uploads
        while uploads.current is not None:
            if uploads.current["path"] == self._entry["path"]:
                raise Refused(
                    409,
                    "busy",
                    "%s is being written by another request. Try again." % self._entry["path"],
                    retry_after=2,
                )
            if time.ticks_diff(until, time.ticks_ms()) < 0:
                raise Refused(503, "busy", "Another upload is under way.", retry_after=5)
            await asyncio.sleep_ms(_POLL_MS)
        uploads.current = self._entry
        return self

    async def __aexit__(self, kind, error, trace):
        self._uploads.current = None

    def counting(self, write):
        """Return *write* (a function of a memoryview) that also counts what was written."""
        entry, on_progress = self._entry, self._on_progress

        def counted(view):
            write(view)
            entry["received"] += len(view)
            if on_progress:
                try:
                    on_progress(entry["path"], entry["received"], entry["size"])
                except Exception as error:  # the application's: no reason to refuse the file
                    print("ota: on_progress raised %r" % error)

        return counted


class Reader:
    """A file on its way out.

    littlefs gives the blocks of a replaced file to others, also while somebody still reads it:
    from then on reading raises OSError, which cuts the answer short, instead of sending a mixture.
    """

    def __init__(self, readers, path):
        self.path = path
        self.stale = False
        self._readers = readers
        self._file = open(path, "rb")

    def readinto(self, view):
        """Read into *view* and return the count."""
        self._check()
        return self._file.readinto(view)

    def read(self, size):
        """Read up to *size* bytes, which is what an application's own Microdot calls."""
        self._check()
        return self._file.read(size)

    def _check(self):
        if self.stale:
            raise OSError(5)

    def close(self):
        """Close the file; harmless when it is closed already."""
        self._file.close()
        if self in self._readers:
            self._readers.remove(self)
