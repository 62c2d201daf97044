"""What changes `/fs/…`: files put in one step, files and folders removed and renamed."""

import asyncio
import os

from ota import etag, flash, load, protected, store
from ota.errors import Refused

_ROOT = "/fs"


async def put(device, head):
    """Take a file, or make a folder; see ota/routes.py."""
    path, wants_dir = protected.target(head.rest)
    protected.guard_access(path, protected.allows(head))
    store.check_parents(path)
    if wants_dir:
        _still_open(device)
        return _make_dir(path)
    length = head.body.length
    if length is None:
        raise Refused(411, "length_required/file")
    if "content-range" in head.headers:
        raise Refused(400, "bad_range/whole")
    store.check_target(path)
    uploads = device.uploads
    async with uploads.turn(path, length) as turn:
        _still_open(device)
        existed = flash.kind(path) is not None
        await _check_conditions(head.headers, path, uploads)
        expected = _announced(head.headers)
        store.check_space(length, path)
        incoming = store.Incoming(path)
        try:
            await head.body.pump(turn.counting(incoming.write), uploads.buffer)
            # A folder may have been made at this name while the body came in.
            store.check_target(path)
            tag = incoming.publish(expected)
            uploads.replaced(path)
        finally:
            incoming.drop()
    device.service.log("%s written, %d bytes" % (path, length))
    return 204 if existed else 201, None, (("ETag", etag.quoted(tag)),)


async def delete(device, head):
    """Remove a file or a folder."""
    path, wants_dir = protected.target(head.rest)
    protected.guard_access(path, protected.allows(head))
    protected.keep_start(path)
    uploads = device.uploads
    async with uploads.turn(path, 0):
        _still_open(device)
        # Looked at only now: the request before may have removed or replaced it.
        if flash.kind(path) is None:
            raise store.not_found(path)
        await _check_conditions(head.headers, path, uploads)
        if flash.kind(path) == "file":
            if wants_dir:
                raise store.not_directory(path)
            os.remove(path)
            uploads.replaced(path)
        elif head.headers.get("x-ota-recursive") == "yes":
            uploads.replaced(path)
            await _remove_tree(path, protected.allows(head))
        else:
            _remove_empty(path)
    device.service.log("%s deleted" % path)
    return 204, None


async def move(device, head):
    """Rename a file or a folder."""
    source, _ = protected.target(head.rest)
    target, wants_dir = _destination(head.headers.get("x-destination"))
    for path in (source, target):
        protected.guard_access(path, protected.allows(head))
        protected.keep_start(path)
    if protected.holds_updater(source):
        raise Refused(403, "protected/folder", source)
    if target.startswith(source + "/"):
        # littlefs would do it, and the whole tree would be gone.
        raise Refused(409, "into_itself")
    uploads = device.uploads
    async with uploads.turn(target, 0):
        _still_open(device)
        if flash.kind(source) is None:
            raise store.not_found(source)
        if wants_dir and flash.kind(source) == "file":
            raise store.not_directory(source)
        await _check_conditions(head.headers, source, uploads)
        if flash.kind(target):
            raise Refused(412, "exists/target", target)
        store.check_parents(target)
        await _rename(uploads, source, target)
    device.service.log("%s moved to %s" % (source, target))
    return 201, None


def _still_open(device):
    """Raise Refused(409) when the next start is to put other files in place of the live ones."""
    if device.service.decided:
        raise Refused(409, "busy/decided", retry_after=5)


def _make_dir(path):
    if flash.kind(path) == "folder":
        return 204, None
    if flash.kind(path):
        raise store.not_directory(path)
    store.check_space(0, path + "/")
    store.make_folders(path + "/")
    return 201, None


async def _check_conditions(headers, path, uploads):
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is None and none_match is None:
        return
    found = flash.kind(path)
    digest = await store.digest(path, uploads.buffer) if found == "file" else found
    if match is not None and not etag.names(match, digest):
        raise Refused(412, "precondition_failed/match", path, digest)
    if none_match is not None and etag.names(none_match, digest):
        raise Refused(412, "precondition_failed/none_match", path)


def _announced(headers):
    text = headers.get("x-content-sha256")
    if text is None:
        return None
    text = text.lower()
    if len(text) != 64 or text.strip("0123456789abcdef"):
        raise Refused(400, "bad_digest/header", text[:70])
    return text


async def _rename(uploads, source, target):
    if source.rfind("/") != 0 or target.rfind("/") == 0:
        store.make_folders(target)
        os.rename(source, target)
        uploads.replaced(source)  # its blocks are now those of another name
        return
    # A power cut in the middle of a move out of `/` can hide the next name there, which may
    # be boot.py (littlefs 2.9 and newer): copy, then remove.
    if flash.kind(source) == "folder":
        raise Refused(409, "root_folder")
    await store.copy(source, target, uploads.buffer)
    os.remove(source)
    uploads.replaced(source)


def _destination(raw):
    if not raw or not raw.startswith(_ROOT + "/"):
        raise Refused(400, "bad_path/destination", raw)
    return protected.target(raw[len(_ROOT) + 1 :])


def _remove_empty(path):
    for _ in os.ilistdir(path):
        raise Refused(409, "not_empty/folder", path)
    os.rmdir(path)


async def _remove_tree(top, allow_updater):
    if top == "/":
        raise Refused(403, "protected/all")
    # Looked through before the first removal, so that a protected file in it refuses the whole.
    if protected.holds_updater(top):
        for path, _ in load("tree").walk(top):
            protected.guard_access(path, allow_updater)
    for _ in store.remove_tree(top):
        await asyncio.sleep_ms(0)
