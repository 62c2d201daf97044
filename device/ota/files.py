"""`/fs/…`: single files and folders that are changed by hand; reading is in ota/reading.py.

A file is replaced at once: written aside, checked, and renamed over the old one.
"""

import asyncio
import os
from micropython import const

from ota import changes, flash, load, names, paths
from ota.body import Body
from ota.errors import Refused

# The last name in that folder: in the middle of a rename littlefs loses sight of the next one, and
# may give its blocks to others.
_INCOMING = "/.ota/~incoming"
_EEXIST = const(17)
_ENOSPC = const(28)


# --- requests -----------------------------------------------------------------------------------


async def put(service, head):
    """Take a file, or make a folder."""
    path, wants_dir = paths.target(head.rest)
    paths.guard(path, head)
    paths.check_brought(path)
    _check_way(path, wants_dir)
    if wants_dir:
        _still_open(service)
        return _make_dir(service, path)
    length = head.length
    if length is None:
        raise Refused(411, "length_required/file")
    if "content-range" in head.headers:
        raise Refused(400, "bad_range/whole")
    async with changes.WriteLock(service, path, length) as writing:
        _still_open(service)
        existed = _check_target(path)
        await _check_conditions(service, head, path)
        body = Body(head)
        body.hash()
        flash.check_space(length, path)
        incoming = _Incoming(path)
        try:
            await body.pump(writing.counting(incoming.write), changes.buffer(service))
            # A folder may have been made at this name while the body came in.
            _check_target(path)
            incoming.publish(service)
            _replaced(service, path)
        finally:
            incoming.close()
    service.log("%s written, %d bytes" % (path, length))
    return 204 if existed else 201, None, (("ETag", '"%s"' % body.sha256),)


async def delete(service, head):
    """Remove a file or a folder."""
    path, wants_dir = paths.target(head.rest)
    paths.guard(path, head)
    _keep_start(path)
    async with changes.WriteLock(service, path, 0):
        _still_open(service)
        # Looked at only now: the request before may have removed or replaced it.
        kind = flash.found(path, wants_dir)
        await _check_conditions(service, head, path)
        if kind == "folder" and head.headers.get("x-ota-recursive") == "no":
            for _ in flash.entries(path):
                raise Refused(409, "not_empty/folder", path)
        if path == "/":
            raise Refused(403, "protected/all")
        _replaced(service, path)
        changes.by_hand(service, path)  # last: what is refused has changed nothing
        if kind == "file":
            os.remove(names.real(path))
        else:
            await _remove_tree(path)
    service.log("%s was deleted" % path)
    return 204, None, ()


async def move(service, head):
    """Rename a file or a folder."""
    source, _ = paths.target(head.rest)
    target = head.headers.get("x-destination")
    if not target or not target.startswith("/fs/"):
        raise Refused(400, "bad_path/destination", target)
    target, wants_dir = paths.target(target[4:])
    for path in (source, target):
        paths.guard(path, head)
        _keep_start(path)
    paths.check_brought(target)
    if source == "/":
        raise Refused(403, "protected/all")
    if target.startswith(source + "/"):
        # littlefs would do it, and the whole tree would be gone.
        raise Refused(409, "into_itself")
    async with changes.WriteLock(service, target, 0):
        _still_open(service)
        kind = flash.found(source, wants_dir)
        await _check_conditions(service, head, source)
        if flash.kind(target):
            raise Refused(412, "exists/target", target)
        _check_way(target, kind == "folder")
        if source.rfind("/") != 0 or target.rfind("/") == 0:
            changes.by_hand(service, target)
            _make_folders(target)
            os.rename(names.real(source), target)
        elif kind == "folder":
            raise Refused(409, "root_folder")
        else:
            # A power cut in the middle of a move out of `/` can hide the next name there, which
            # may be boot.py (littlefs 2.9 and newer): copy, then remove.
            await _copy(source, target, service)
            os.remove(names.real(source))
        _replaced(service, source)  # its blocks are now those of another name
    service.log("%s moved to %s" % (source, target))
    return 201, None, ()


# --- what a request may touch -------------------------------------------------------------------


def _keep_start(path):
    """Raise Refused(403) when *path* may be replaced, but not be missing for a moment."""
    if paths.is_fixed(path):
        raise Refused(403, "protected/fixed", path)


def _still_open(service):
    """Raise Refused(409) when the next start is to put other files in place of the live ones."""
    if service.decided:
        raise Refused(409, "busy/decided", retry_after=5)


def _replaced(service, path):
    """Take note that the file or folder *path* was replaced or removed."""
    for reader in service.readers:
        if reader.path == path or reader.path.startswith(path + "/"):
            reader.stale = True


def _check_target(path):
    """Return whether there is a file at *path*. Raises Refused(409) where none can be."""
    kind = flash.kind(path)
    if kind == "folder":
        raise Refused(409, "is_directory/target", path)
    if kind is None:
        _check_way(path, False)
    return kind is not None


def _check_way(path, is_folder):
    """Raise Refused where a file or folder at *path* would be below a file, or do harm."""
    at = path.find("/", 1)
    while at > 0:
        if flash.kind(path[:at]) == "file":
            raise flash.not_directory(path[:at])
        _check_new(path[:at], True)
        at = path.find("/", at + 1)
    _check_new(path, is_folder)


def _check_new(path, is_folder):
    """Raise Refused where something new at *path* would be found in place of what is needed."""
    if flash.kind(path):
        return
    if is_folder and path == "/main.py":
        raise Refused(409, "not_directory/parent", path)
    if paths.is_updater(path):
        hides = is_folder and any(map(flash.kind, (path + ".py", path + ".mpy")))
        if hides or paths.is_fixed(path):
            raise Refused(403, "protected/fixed", path)


async def _check_conditions(service, head, path):
    headers = head.headers
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is None and none_match is None:
        return
    state = flash.kind(path)
    if state == "file":
        with open(names.real(path), "rb") as source:
            state = await flash.digest(source, changes.buffer(service))
    if match is not None and not flash.is_named(match, state):
        raise Refused(412, "precondition_failed/match", path, state)
    if none_match is not None and flash.is_named(none_match, state):
        raise Refused(412, "precondition_failed/none_match", path)


# --- how it is done -----------------------------------------------------------------------------


class _Incoming:
    """A file on its way in. Use `write`, then `publish`; `close` in any case."""

    def __init__(self, path):
        self._path = path
        self._received = 0
        _make_folders(_INCOMING)
        self._file = open(_INCOMING, "wb")

    def write(self, view):
        """Add the bytes of memoryview *view*. Raises Refused(507) when the flash is full."""
        try:
            self._file.write(view)
        except OSError as error:
            raise self._full(error)
        self._received += len(view)

    def publish(self, service):
        """Make the file live in one step. Raises Refused(422) if the board could not start."""
        # Renaming a file that is still open for writing would lose data without an error.
        file, self._file = self._file, None
        try:
            file.close()
        except OSError as error:
            raise self._full(error)
        if self._path == "/boot.py":
            load("commit").check_start(self._path, _INCOMING)
        changes.by_hand(service, self._path)
        _make_folders(self._path)
        os.rename(_INCOMING, self._path)

    def close(self):
        """Forget the file; harmless after publish."""
        if self._file:
            try:
                self._file.close()
            except OSError:
                pass  # on a full flash closing fails too; what it would have kept is not wanted
        if flash.kind(_INCOMING):
            os.remove(_INCOMING)

    def _full(self, error):
        if error.errno != _ENOSPC:
            return error
        return flash.no_space(self._received, flash.space()[0])


def _make_folders(path):
    """Make the folders above *path* that are missing. Raises OSError.

    ota/record.py has a function like this, and would take 10 KB of heap for every upload.
    """
    at = path.find("/", 1)
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError as error:
            if error.errno != _EEXIST:
                raise
        at = path.find("/", at + 1)


def _make_dir(service, path):
    if flash.kind(path) == "folder":
        return 204, None, ()
    if flash.kind(path):
        raise flash.not_directory(path)
    flash.check_space(0, path + "/")
    changes.by_hand(service, path)  # an import prefers a folder, even an empty one, to the module
    _make_folders(path + "/")
    return 201, None, ()


async def _copy(source, target, service):
    """Make *target* a copy of the file *source*, in one step. Raises Refused(507)."""
    source = names.real(source)
    flash.check_space(os.stat(source)[6], target)
    view = memoryview(changes.buffer(service))
    incoming = _Incoming(target)
    try:
        with open(source, "rb") as file:
            while True:
                count = file.readinto(view)
                if not count:
                    break
                incoming.write(view[:count])
                await asyncio.sleep_ms(0)
        incoming.publish(service)
    finally:
        incoming.close()


async def _remove_tree(top):
    """Remove *top* and all below it, without recursion, other tasks running in between.

    The first entry is looked up anew each time: removing while a listing is under way makes
    littlefs skip names.
    """
    stack = [top]
    while stack:
        folder = stack[-1]
        for name, is_dir, _ in flash.entries(folder):
            path = flash.join(folder, name)
            if is_dir:
                stack.append(path)
            else:
                os.remove(names.real(path))
            break
        else:
            os.rmdir(names.real(stack.pop()))
        await asyncio.sleep_ms(0)
