"""Staged files: new ones arrive under `/.ota/new/`, checked, and can be resumed.

A staged file is complete when it has its full size: the last bytes are written only after the
SHA-256 of the whole was found right. What a break leaves stays for the next request, which says
where it goes on; a power cut costs at most 64 KB.
"""

import asyncio
import hashlib
import json
import os
from binascii import hexlify
from micropython import const

from ota import changes, load, paths, transaction
from ota.errors import Refused
from ota.record import LINE, NAMED_FROM, NEW, PLAN, lines, make_parents
from ota.transaction import CRITICAL, FILES, any_received, check_session, received

_PACKET = const(512)
_DURABLE = const(65536)  # received bytes that a power cut may cost
_ENOSPC = const(28)


# --- requests -----------------------------------------------------------------------------------


async def put(service, head):
    """Answer `PUT /api/v1/update/files/…`: take a file of the update, or the rest of one."""
    path = paths.check("/" + paths.decode(head.rest))
    offset, total = _content_range(head)
    length = head.length
    if total is None:
        total = offset + length
    async with changes.WriteLock(service, path, length) as writing:
        record = check_session(head)
        if record["state"] != "staging":
            raise Refused(409, "wrong_state/put", record["state"], state=record["state"])
        entry = _find(service, record["plan"], path)
        if int(entry[2]) != total:
            raise Refused(400, "wrong_size", path, int(entry[2]), total)
        body = load("body").Body(head)  # by name: a fleet client needs none
        if length == total:
            body.is_compared(entry[3].decode())
        writer = Writer(entry)
        try:
            await writer.begin(offset, changes.buffer(service))
            await body.pump(writing.counting(writer.write), changes.buffer(service))
        finally:
            writer.leave()
            changes.renew_lease(service)
        writer.finish()
    complete = writer.received == writer.size
    return 201 if complete else 202, {"received": writer.received, "size": writer.size}, ()


def _content_range(head):
    """Return (offset, total) of the body within what it is a piece of; total None when whole.

    Raises Refused: 411 without Content-Length, 400 for a Content-Range that does not fit it.
    """
    length = head.length
    if length is None:
        raise Refused(411, "length_required/file")
    text = head.headers.get("content-range")
    if text is None:
        return 0, None
    first = last = total = ""
    if text.startswith("bytes "):
        span, _, total = text[6:].partition("/")
        first, _, last = span.partition("-")
    if not (_is_number(first) and _is_number(last) and _is_number(total)):
        raise Refused(400, "bad_range/form", text[:60])
    first, last, total = int(first), int(last), int(total)
    if last - first + 1 != length or last >= total:
        raise Refused(400, "bad_range/length", text, length)
    return first, total


def _is_number(text):
    return text.isdigit() and len(text) < 9


async def show(service, head):
    """Answer `GET /api/v1/update`: what has arrived of the update that is being staged."""
    record = check_session(head)
    if record["state"] != "staging":
        raise Refused(404, "no_update")
    return 200, _together(_shown(record)), ()


def _together(pieces):
    """Yield the bytes of *pieces* in larger ones: each travels in a packet of its own."""
    found = b""
    for piece in pieces:
        found += piece
        if len(found) > _PACKET:
            yield found
            found = b""
    yield found


def _shown(record):
    about = {"id": record["id"], "version": record["next"], "state": record["state"]}
    yield json.dumps(about)[:-1].encode() + b', "files":['
    comma = b""
    for path, size, here, needed in files():
        row = {"path": path, "size": size, "received": here, "needed": needed}
        yield comma + json.dumps(row).encode()
        comma = b","
    yield b"]}"


def answer():
    """Return the answer to a description, an iterator of JSON: which files are needed."""
    return _together(_needed())


def _needed():
    record = transaction.load()
    about = {"id": record["id"], "version": record["next"], "signer": record["signer"]}
    yield json.dumps(about)[:-1].encode() + b', "state":"staging","need":['
    comma, left = b"", 0
    for path, size, here, needed in files():
        if needed:
            yield comma + json.dumps(path).encode()
            comma = b","
            left += size - here
    yield b'],"bytes":%d}' % left


# --- what is here -------------------------------------------------------------------------------


def files():
    """Yield (path, size, received, needed) of every file of the update; a live one is all here."""
    begun = any_received()
    for does, name, size, _, _, path in lines(PLAN):
        if does in FILES:
            size = int(size)
            here = size if does == "=" else received(name) if begun else -1
            yield path, size, max(here, 0), here != size


def _find(service, plan, path):
    """Return the fields of *path* in the plan. Raises Refused(404).

    The search begins where a line was found last: clients send files in the order of the plan.
    """
    known, start = service.staged or ("", 0)
    for begin in (start if known == plan else 0, 0):
        at = begin
        for entry in lines(PLAN, begin):
            if entry[5] == path and entry[0] in FILES:
                service.staged = (plan, at)
                return entry
            at += len(LINE % entry)
        if not begin:
            break
    raise Refused(404, "not_in_update/path", path)


# --- an archive ---------------------------------------------------------------------------------


async def take_files(service, archive, entry, writing):
    """Stage the files that follow the head of *archive*, of which *entry* is the first.

    Those that are here already are compared with what was listed. Raises Refused.
    """
    begun = any_received()
    for listed in lines(PLAN):
        if listed[0] not in FILES:
            continue
        if entry is None:
            if archive.whole:
                raise Refused(400, "missing_entry/end", listed[5])
            raise Refused(400, "truncated", archive.position)
        _check_entry(archive.index, listed, entry)
        name, size = listed[1], int(listed[2])
        if listed[0] == "=" or (begun and received(name) == size):
            sha = hashlib.sha256()
            await archive.content(size, writing.counting(sha.update))
            if hexlify(sha.digest()) != listed[3]:
                raise Refused(422, "digest_mismatch/release", listed[5])
        else:
            writer = Writer(listed)
            try:
                await writer.begin(0, None)
                await archive.content(size, writing.counting(writer.write))
            finally:
                writer.leave()
            writer.finish()
        entry = await archive.next()
    if entry is not None:
        raise Refused(400, "unexpected_entry/unlisted", entry[0])
    if not archive.whole:
        raise Refused(400, "truncated", archive.position)


def _check_entry(index, listed, entry):
    _, name, size, _, check, path = listed
    wanted = (paths.entry_name(NAMED_FROM - int(name[:4]), path), int(size), int(check, 16))
    if entry != wanted:
        raise Refused(400, "unexpected_entry/other", index, *wanted + entry)


class Writer:
    """Takes the bytes of the file of a line of the plan: begin, write, leave, finish."""

    def __init__(self, entry):
        does, self.name, size, self._sha, _, self._path = entry
        self.size = int(size)
        # What is live already is checked but not stored.
        self._target = None if does == "=" else NEW + "/" + self.name
        self._file = None
        self._hash = hashlib.sha256()
        self._head = b""
        self._durable = 0
        self.received = 0

    async def begin(self, offset, buffer):
        """Open the file; the *offset* bytes that are here are read once more through *buffer*.

        Raises Refused(409) when *offset* is neither 0 nor what has been received, 507.
        """
        if offset:
            here = max(received(self.name), 0) if self._target else 0
            if offset != here or offset >= self.size:
                raise Refused(409, "wrong_offset/file", here, self._path, received=here)
        if not self._target:
            return
        if offset:
            view = memoryview(buffer)
            with open(self._target, "rb") as source:
                while self.received < offset:
                    count = source.readinto(view)
                    if not count:
                        break
                    self._take(view[:count])
                    await asyncio.sleep_ms(0)
        self._durable = offset
        mode = "ab" if offset else "wb"
        try:
            try:
                self._file = open(self._target, mode)
            except OSError:
                make_parents(self._target)  # somebody removed the folder since
                self._file = open(self._target, mode)
        except OSError as error:
            raise _no_space(error)

    def _take(self, data):
        self._hash.update(data)
        if len(self._head) < 4 and self._path.endswith(".mpy"):
            self._head += bytes(data[: 4 - len(self._head)])
        self.received += len(data)

    def write(self, data):
        """Take the next bytes, a memoryview.

        Raises Refused: 413 for more than was announced, 422 for another digest or a `.mpy` of
        another firmware, and then drops what is here of the file; 507 when the flash is full.
        """
        if self.received + len(data) > self.size:
            raise Refused(413, "too_large/file", self._path, self.size)
        self._take(data)
        if self.received == self.size:
            self._check()
        if self._file:
            try:
                self._file.write(data)
                if self.received - self._durable >= _DURABLE and self.received < self.size:
                    self._file.flush()
                    self._durable = self.received
            except OSError as error:
                raise _no_space(error)

    def _check(self):
        sha = hexlify(self._hash.digest())
        if sha != self._sha:
            self._drop()
            wanted, sha = self._sha.decode(), sha.decode()
            about = {"expected": wanted, "actual": sha}
            raise Refused(422, "digest_mismatch/file", self._path, wanted, sha, **about)
        if self._path.endswith(".mpy"):
            problem = paths.mpy_problem(self._head)
            if problem:
                self._drop()
                raise Refused(422, "mpy_incompatible/file", self._path, problem)

    def _drop(self):
        self.leave()
        if self._target:
            os.remove(self._target)

    def leave(self):
        """Close the file, which makes durable what has come; harmless when it is closed."""
        file, self._file = self._file, None
        if file:
            try:
                file.close()
            except OSError as error:
                raise _no_space(error)

    def finish(self):
        """See that a complete file can be started with. Raises Refused(422) and drops it else."""
        if self.size == 0:
            self._check()
        if self.received == self.size and self._target and self._path in CRITICAL:
            try:
                load("commit").check_whole(self._path, self._target)
            except Refused:
                os.remove(self._target)
                raise


def _no_space(error):
    if error.errno != _ENOSPC:
        return error
    return Refused(507, "no_space/staging")
