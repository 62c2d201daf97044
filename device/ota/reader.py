"""A file on its way out, which notices when it is written meanwhile."""


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
