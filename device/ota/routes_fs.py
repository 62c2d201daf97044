"""`/fs/…`: files and folders, in the shape of CircuitPython's web workflow."""

import asyncio
import json
import os
from micropython import const

from microdot import Response

from ota import flash, paths, store
from ota.errors import Refused

_ROOT = "/fs"
_PIECE = const(512)  # bytes of a listing that travel together


def handlers(service, web):
    """Return the handlers of this module; see ota.web."""
    return Files(service, web)


class Files:
    """The handlers; writers take turns at the web's one buffer."""

    def __init__(self, service, web):
        self._log = service.log
        self._web = web

    async def get(self, request):
        """Send a file, or the listing of a folder."""
        path, wants_dir = _target(request.g.rest)
        if paths.is_private(path):
            raise Refused(403, "protected", "%s holds the updater's own records." % paths.PRIVATE)
        if flash.kind(path) is None:
            raise _not_found(path)
        if flash.kind(path) == "folder":
            return Response(_listing(path), 200, {"Content-Type": "application/json"})
        if wants_dir:
            raise _not_directory(path)
        reader = self._web.uploads.reader(path)
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
            raise Refused(409, "busy", "%s was replaced just now. Ask again." % path)
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

    async def put(self, request):
        """Replace or create one file in one step, or make a folder."""
        path, wants_dir = _target(request.g.rest)
        paths.guard_access(path, _allows(request))
        store.check_parents(path)
        if wants_dir:
            return self._make_dir(path)
        if request.g.body.length is None:
            raise Refused(411, "length_required", "Send the file with its Content-Length.")
        store.check_target(path)
        async with self._web.uploads.turn(path, request.g.body.length) as turn:
            return await self._receive(request, path, turn)

    def _make_dir(self, path):
        if flash.kind(path) == "folder":
            return Response(b"", 204)
        if flash.kind(path):
            raise _not_directory(path)
        store.check_space(0, path + "/")
        store.make_folders(path + "/")
        return Response(b"", 201)

    async def _receive(self, request, path, turn):
        existed = flash.kind(path) is not None
        await self._check_conditions(request.headers, path, existed)
        expected = _announced(request.headers)
        store.check_space(request.g.body.length, path)
        incoming = store.Incoming(path)
        try:
            await request.g.body.pump(turn.counting(incoming.write), self._web.buffer)
            # A folder may have been made at this name while the body came in.
            store.check_target(path)
            tag = incoming.publish(expected)
            self._web.uploads.replaced(path)
        finally:
            incoming.drop()
        self._log("%s written, %d bytes" % (path, incoming.received))
        return Response(b"", 204 if existed else 201, {"ETag": '"%s"' % tag})

    async def _check_conditions(self, headers, path, existed):
        match, none_match = headers.get("if-match"), headers.get("if-none-match")
        if match is None and none_match is None:
            return
        tag = '"%s"' % await store.digest(path, self._web.buffer) if existed else None
        if match is not None and not (existed if match == "*" else tag == match):
            raise Refused(412, "precondition_failed", "If-Match: %s has %s." % (path, tag))
        if none_match is not None and (existed if none_match == "*" else tag == none_match):
            raise Refused(412, "precondition_failed", "If-None-Match: %s is there." % path)

    async def delete(self, request):
        """Remove a file or a folder."""
        path, wants_dir = _target(request.g.rest)
        paths.guard_access(path, _allows(request))
        async with self._web.uploads.turn(path, 0):
            # Looked at only now: the request before may have removed or replaced it.
            if flash.kind(path) is None:
                raise _not_found(path)
            if flash.kind(path) == "file":
                if wants_dir:
                    raise _not_directory(path)
                os.remove(path)
                self._web.uploads.replaced(path)
            elif request.headers.get("x-ota-recursive") == "yes":
                self._web.uploads.replaced(path)
                await _remove_tree(path, _allows(request))
            else:
                _remove_empty(path)
        self._log("%s deleted" % path)
        return Response(b"", 204)

    async def move(self, request):
        """Rename a file or a folder."""
        source, _ = _target(request.g.rest)
        target = _destination(request.headers.get("x-destination"))
        for path in (source, target):
            paths.guard_access(path, _allows(request))
        if paths.holds_updater(source):
            raise Refused(403, "protected", "%s holds files of the updater." % source)
        if target.startswith(source + "/"):
            # littlefs would do it, and the whole tree would be gone.
            raise Refused(409, "into_itself", "A folder cannot be moved into itself.")
        async with self._web.uploads.turn(target, 0):
            if flash.kind(source) is None:
                raise _not_found(source)
            if flash.kind(target):
                raise Refused(412, "exists", "%s is there already. Delete it first." % target)
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
            raise Refused(
                409, "root_folder", "A folder in / can be renamed there, not moved elsewhere."
            )
        await store.copy(source, target, self._web.buffer)
        os.remove(source)
        self._web.uploads.replaced(source)


def _target(rest):
    """Return (path, True when a folder was asked for) of what follows `/fs/`."""
    text = paths.decode(rest)
    if not text:
        return "/", True
    wants_dir = text.endswith("/")
    path = paths.check("/" + (text[:-1] if wants_dir else text))
    return path, wants_dir


def _destination(raw):
    if not raw or not raw.startswith(_ROOT + "/"):
        raise Refused(400, "bad_path", "Send 'X-Destination: /fs/<new path>', got %r." % raw)
    path, _ = _target(raw[len(_ROOT) + 1 :])
    return path


def _allows(request):
    return request.headers.get("x-ota-protected") == "yes"


def _announced(headers):
    text = headers.get("x-content-sha256")
    if text is None:
        return None
    text = text.lower()
    if len(text) != 64 or text.strip("0123456789abcdef"):
        raise Refused(400, "bad_digest", "X-Content-SHA256 is 64 hex digits, got %r." % text[:70])
    return text


def _not_found(path):
    return Refused(404, "not_found", "There is no %s on the device." % path)


def _not_directory(path):
    return Refused(409, "not_directory", "%s is a file; a folder was expected." % path)


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
            "protected": paths.is_updater(path),
        }
        piece += comma + json.dumps(row).encode()
        comma = b","
        if len(piece) > _PIECE:
            yield piece
            piece = b""
    yield piece + b"]}"


def _remove_empty(path):
    for _ in os.ilistdir(path):
        raise Refused(
            409, "not_empty", "%s is not empty. Send 'X-OTA-Recursive: yes' to delete all." % path
        )
    os.rmdir(path)


async def _remove_tree(top, allow_updater):
    if top == "/":
        raise Refused(403, "protected", "Deleting all would delete the updater too.")
    # Looked through before the first removal, so that a protected file in it refuses the whole.
    if paths.holds_updater(top):
        for path, _ in flash.walk(top):
            paths.guard_access(path, allow_updater)
    for _ in store.remove_tree(top):
        await asyncio.sleep_ms(0)
