"""`GET /fs/…`: listings, and files on their way out."""

import json
from micropython import const

from ota import flash, names, paths
from ota.errors import Refused

_PIECE = const(512)  # bytes of a listing that travel together
_EIO = const(5)


async def get(service, head):
    """Send a file, or the listing of a folder."""
    path, wants_dir = paths.target(head.rest)
    if paths.is_private(path):
        raise Refused(403, "protected/records", paths.PRIVATE)
    kind = flash.found(path, wants_dir)
    if kind == "folder":
        return 200, _listing(path), ()
    reader = _Reader(service.readers, path)
    try:
        digest = await reader.digest()
        if reader.stale:
            raise Refused(409, "busy/replaced", path)
        # Never as a page: an uploaded x.html would run with the user's credentials here.
        headers = (
            ("ETag", '"%s"' % digest),
            ("Content-Type", "application/octet-stream"),
            ("Content-Disposition", "attachment"),
        )
        known = head.headers.get("if-none-match")
        if not known or not flash.is_named(known, digest):
            answer, reader = reader, None
            return 200, answer, headers
        return 304, None, headers[:1]
    finally:
        if reader:
            reader.close()


class _Reader:
    """A file on its way out.

    littlefs gives the blocks of a replaced file to others, also while somebody still reads it:
    from then on reading raises OSError, which cuts the answer short, instead of sending a mixture.
    """

    def __init__(self, readers, path):
        """Open the file *path* and enter it into the list *readers*. Raises OSError."""
        self.path = path
        self.stale = False
        self._file = open(names.real(path), "rb")
        self._readers = readers
        readers.append(self)
        #: Bytes that are still to be read; what is appended from now on does not count.
        self.left = self._file.seek(0, 2)
        self._file.seek(0)

    async def digest(self):
        """Return the SHA-256 (64 hex) of what will be read, other tasks running in between."""
        found = await flash.digest(self._file)
        self._file.seek(0)
        return found

    def readinto(self, view):
        """Read into memoryview *view* and return the count. Raises OSError when it is stale."""
        if self.stale:
            raise OSError(_EIO)
        count = self._file.readinto(view[: self.left])
        self.left -= count
        return count

    def close(self):
        """Close the file; harmless when it is closed already."""
        self._file.close()
        if self in self._readers:
            self._readers.remove(self)


def _listing(folder):
    free, total, block = flash.space()
    piece = '{"free":%d,"total":%d,"block_size":%d,"writable":true,"files":[' % (
        free // block,
        total // block,
        block,
    )
    comma = ""
    for name, is_dir, size in flash.entries(folder):
        path = flash.join(folder, name)
        if paths.is_private(path):
            continue
        # The board's clock begins anew at each start, and asking for a time would search the
        # folder once for each name in it: modified_ns is 0.
        piece += '%s{"name":%s,"directory":%s,"file_size":%d,"modified_ns":0,"protected":%s}' % (
            comma,
            json.dumps(name),
            json.dumps(is_dir),
            size,
            json.dumps(paths.is_updater(path)),
        )
        comma = ","
        if len(piece) > _PIECE:
            yield piece.encode()
            piece = ""
    yield piece.encode() + b"]}"
