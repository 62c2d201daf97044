"""A file on its way out, which notices when it is written meanwhile."""

import asyncio

from ota import flash


class Reader:
    """A file on its way out.

    littlefs gives the blocks of a replaced file to others, also while somebody still reads it:
    from then on reading raises OSError, which cuts the answer short, instead of sending a mixture.
    """

    def __init__(self, readers, path):
        """Open the file *path* and enter it into the list *readers*. Raises OSError."""
        self.path = path
        self.stale = False
        self._file = open(path, "rb")
        self._readers = readers
        readers.append(self)
        #: Bytes that are still to be read; what is appended from now on does not count.
        self.left = self._file.seek(0, 2)
        self._file.seek(0)

    async def digest(self):
        """Return the SHA-256 (64 hex) of what will be read, other tasks running in between."""
        step = None
        for step in flash.hash_steps(self._file):
            await asyncio.sleep_ms(0)
        self._file.seek(0)
        return step

    def readinto(self, view):
        """Read into *view* and return the count."""
        self._check()
        count = self._file.readinto(memoryview(view)[: self.left])
        self.left -= count
        return count

    def read(self, size):
        """Read up to *size* bytes, which is what an application's own Microdot calls."""
        self._check()
        data = self._file.read(min(size, self.left))
        self.left -= len(data)
        return data

    def _check(self):
        if self.stale:
            raise OSError(5)

    def close(self):
        """Close the file; harmless when it is closed already."""
        self._file.close()
        if self in self._readers:
            self._readers.remove(self)
