"""`/fs/…`: files and folders, in the shape of CircuitPython's web workflow."""

import asyncio
import json
import os
from micropython import const

from microdot import Response

from ota import flash, paths, protected, store
from ota.errors import Refused
from ota.reader import Reader

_ROOT = "/fs"
_PIECE = const(512)  # bytes of a listing that travel together


def handlers(service, web):
    """Return the handlers of this module; see ota.web."""
    return Files(service, web)


class Files:
    """The handlers; writers take turns at the one buffer."""

    def __init__(self, service, web):
        self._log = service.log
        self._uploads = web.device.uploads

    async def get(self, request):
        """Send a file, or the listing of a folder."""
        path, wants_dir = protected.target(request.g.rest)
        if paths.is_private(path):
            raise Refused(403, "protected/records", paths.PRIVATE)
        if flash.kind(path) is None:
            raise _not_found(path)
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
        tag = '"%s"' % await store.digest(path, bytearray(1024))
        if reader.stale:
            raise Refused(409, "busy/replaced", path)
        headers = {
            "ETag": tag,
            # Never as a page: an uploaded x.html would run with the user's credentials here.
            "Content-Type": "application/octet-stream",
            "Content-Disposition": "attachment",
        }
        if request.headers.get("if-none-match") == tag:
            return Response(b"", 304, headers)
        headers["Content-Length"] = str(os.stat(path)[6])
        if request.method == "HEAD":
            return Response(iter(()), 200, headers)
        return Response(reader, 200, headers)

    async def delete(self, request):
        """Remove a file or a folder."""
        path, wants_dir = protected.target(request.g.rest)
        protected.guard_access(path, protected.allows(request))
        async with self._uploads.turn(path, 0):
            # Looked at only now: the request before may have removed or replaced it.
            if flash.kind(path) is None:
                raise _not_found(path)
            if flash.kind(path) == "file":
                if wants_dir:
                    raise store.not_directory(path)
                os.remove(path)
                self._uploads.replaced(path)
            elif request.headers.get("x-ota-recursive") == "yes":
                self._uploads.replaced(path)
                await _remove_tree(path, protected.allows(request))
            else:
                _remove_empty(path)
        self._log("%s deleted" % path)
        return Response(b"", 204)

    async def move(self, request):
        """Rename a file or a folder."""
        source, _ = protected.target(request.g.rest)
        target = _destination(request.headers.get("x-destination"))
        for path in (source, target):
            protected.guard_access(path, protected.allows(request))
        if protected.holds_updater(source):
            raise Refused(403, "protected/folder", source)
        if target.startswith(source + "/"):
            # littlefs would do it, and the whole tree would be gone.
            raise Refused(409, "into_itself")
        async with self._uploads.turn(target, 0):
            if flash.kind(source) is None:
                raise _not_found(source)
            if flash.kind(target):
                raise Refused(412, "exists/target", target)
            store.check_parents(target)
            await self._rename(source, target)
        self._log("%s moved to %s" % (source, target))
        return Response(b"", 201)

    async def _rename(self, source, target):
        if source.rfind("/") != 0 or target.rfind("/") == 0:
            store.make_folders(target)
            os.rename(source, target)
            return
        # A power cut in the middle of a move out of `/` can hide the next name there, which may
        # be boot.py (littlefs 2.9 and newer): copy, then remove.
        if flash.kind(source) == "folder":
            raise Refused(409, "root_folder")
        await store.copy(source, target, self._uploads.buffer)
        os.remove(source)
        self._uploads.replaced(source)


def _destination(raw):
    if not raw or not raw.startswith(_ROOT + "/"):
        raise Refused(400, "bad_path/destination", raw)
    path, _ = protected.target(raw[len(_ROOT) + 1 :])
    return path


def _not_found(path):
    return Refused(404, "not_found/file", path)


def _listing(folder):
    piece = b'{"free":%d,"total":%d,"block_size":%d,"writable":true,"files":[' % flash.space()
    comma = b""
    for name, is_dir, size in flash.entries(folder):
        path = flash.join(folder, name)
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


def _remove_empty(path):
    for _ in os.ilistdir(path):
        raise Refused(409, "not_empty/folder", path)
    os.rmdir(path)


async def _remove_tree(top, allow_updater):
    if top == "/":
        raise Refused(403, "protected/all")
    # Looked through before the first removal, so that a protected file in it refuses the whole.
    if protected.holds_updater(top):
        for path, _ in flash.walk(top):
            protected.guard_access(path, allow_updater)
    for _ in store.remove_tree(top):
        await asyncio.sleep_ms(0)
