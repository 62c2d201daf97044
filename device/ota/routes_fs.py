"""`GET /fs/…`: files and listings, in the shape of CircuitPython's web workflow."""

import json
from micropython import const

from microdot import Response

from ota import etag, flash, paths, protected, store, tree
from ota.errors import Refused
from ota.reader import Reader

_PIECE = const(512)  # bytes of a listing that travel together


def handlers(service, web):
    """Return the handlers of this module; see ota.web."""
    return Files(service, web)


class Files:
    """The handlers; writers take turns at the one buffer."""

    def __init__(self, service, web):
        self._uploads = web.device.uploads

    async def get(self, request):
        """Send a file, or the listing of a folder."""
        path, wants_dir = protected.target(request.g.rest)
        if paths.is_private(path):
            raise Refused(403, "protected/records", paths.PRIVATE)
        if flash.kind(path) is None:
            raise store.not_found(path)
        if flash.kind(path) == "folder":
            return Response(_listing(path), 200, {"Content-Type": "application/json"})
        if wants_dir:
            raise store.not_directory(path)
        reader = Reader(self._uploads.readers, path)
        try:
            response = await self._file(request, path, reader)
        except BaseException:
            reader.close()
            raise
        if response.body is not reader:
            reader.close()
        return response

    async def _file(self, request, path, reader):
        digest = await reader.digest()
        if reader.stale:
            raise Refused(409, "busy/replaced", path)
        headers = {
            "ETag": etag.quoted(digest),
            # Never as a page: an uploaded x.html would run with the user's credentials here.
            "Content-Type": "application/octet-stream",
            "Content-Disposition": "attachment",
        }
        known = request.headers.get("if-none-match")
        if known and etag.names(known, digest):
            return Response(b"", 304, headers)
        headers["Content-Length"] = str(reader.left)
        if request.method == "HEAD":
            return Response(iter(()), 200, headers)
        return Response(reader, 200, headers)


def _listing(folder):
    piece = b'{"free":%d,"total":%d,"block_size":%d,"writable":true,"files":[' % flash.space()
    comma = b""
    for name, is_dir, size in tree.entries(folder):
        path = tree.join(folder, name)
        if paths.is_private(path):
            continue
        row = {
            "name": name,
            "directory": is_dir,
            "file_size": size,
            # The board's clock begins anew at each start, and asking would search the folder
            # once for each name in it.
            "modified_ns": 0,
            "protected": protected.is_updater(path),
        }
        piece += comma + json.dumps(row).encode()
        comma = b","
        if len(piece) > _PIECE:
            yield piece
            piece = b""
    yield piece + b"]}"
