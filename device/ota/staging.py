"""Staged files: new ones arrive under `/.ota/new/`, checked, and can be resumed.

A staged file is complete when it has its full size: the last piece is written only after the
SHA-256 of the whole, that piece included, was found right. Nothing is durable before a file is
closed, and reopening one copies its last block. So between pieces of one file it stays open, and
is closed after every 64 KB, when the client goes away, or when another file is opened; a power
cut loses at most that much, and the client is told where to go on.
"""

import hashlib
import os
from binascii import hexlify
from micropython import const

import ota
from ota import session
from ota.errors import Refused
from ota.session import EACH, NEW, PLAN, STARTS

_CHUNK = const(1024)
_DURABLE = const(65536)  # received bytes that a power cut may cost
_EEXIST = const(17)
_ENOSPC = const(28)

# The Writer in use is "active", the one left open between two pieces "parked".
_writers = ota.writers
_cursor = ("", 0)  # plan, and where in it to go on: clients send files in its order


def lookup(path, plan):
    """Return the line of *path* in the plan, parted at its blanks. Raises Refused(404)."""
    global _cursor
    known, start = _cursor
    with open(PLAN, "rb") as file:
        for at in (start if known == plan else 0, 0):
            file.seek(at)
            while True:
                line = file.readline()
                if not line:
                    break
                at += len(line)
                entry = line[:-1].decode().split(" ", 4)
                if entry[4] == path and entry[0] in EACH:
                    _cursor = (plan, at)
                    return entry
    raise Refused(404, "not_in_update/path", path)


def open_file(path, offset=0):
    """Return a Writer for the file *path* of the update; see open_steps()."""
    writer = None
    for writer in open_steps(path, offset):
        pass
    return writer


def open_steps(path, offset=0, total=None):
    """Yield None while what is here is hashed again, then a Writer that goes on at *offset*.

    *total* is the size that the sender names. Raises Refused: 404 for a file not listed, 400 for
    another size, 409 when another is being written or *offset* is
    neither 0 nor what has been received.
    """
    plan, _ = session.current()
    if not plan:
        raise Refused(409, "wrong_state/put")
    entry = lookup(path, plan)
    if total not in (None, int(entry[2])):
        raise Refused(400, "wrong_size", path, int(entry[2]), total)
    active = _writers.get("active")
    if active:
        raise Refused(409, "busy/file", active.path)
    parked = _writers.pop("parked", None)
    if parked and (parked.path != path or parked.received != offset):
        parked.leave()
        parked = None
    writer = parked or Writer(entry)
    if not parked:
        here = max(session.received(writer.name), 0)
        if offset not in (0, here) or offset > writer.size or (offset and offset == writer.size):
            raise Refused(409, "wrong_offset/file", here, path, received=here)
    _writers["active"] = writer
    try:
        if parked:
            parked.go_on()
        else:
            for _ in writer.begin(offset):
                yield None
    except BaseException as error:
        writer.abandon()
        raise _no_space(error) if isinstance(error, OSError) else error
    yield writer


def _no_space(error):
    if error.errno != _ENOSPC:
        return error
    return Refused(507, "no_space/staging")


class Writer:
    """Takes the bytes of one file; close() or abandon() has to follow."""

    def __init__(self, entry):
        kind, self.name, size, self._sha, self.path = entry
        self.size = int(size)
        # What is live already is checked but not stored.
        self._stored = kind != "="
        self._file = None
        self._hash = hashlib.sha256()
        self._head = bytearray()
        self._durable = 0
        self.received = 0
        self.complete = False

    def begin(self, offset):
        """Open the file, yielding while the *offset* bytes that are here are hashed again."""
        if not self._stored:
            return
        target = self._target()
        try:
            os.mkdir(NEW)
        except OSError as error:
            if error.errno != _EEXIST:
                raise
        if offset:
            buf = memoryview(bytearray(_CHUNK))
            with open(target, "rb") as source:
                while self.received < offset:
                    count = source.readinto(buf[: min(_CHUNK, offset - self.received)])
                    if not count:
                        break
                    self._take(buf[:count])
                    yield None
        self._durable = offset
        self._file = open(target, "ab" if offset else "wb")

    def go_on(self):
        """Continue after a piece: what was hashed need not be hashed again."""
        if self._file is None and self._stored:
            self._file = open(self._target(), "ab")
            self._durable = self.received

    def _target(self):
        return NEW + "/" + self.name

    def _take(self, data):
        self.received += len(data)
        self._hash.update(data)
        if self.path.endswith(".mpy") and len(self._head) < 4:
            self._head.extend(bytes(data[: 4 - len(self._head)]))
            if len(self._head) == 4 or self.received == self.size:
                self._check_mpy()

    def write(self, data):
        """Take the next bytes, a memoryview of at most 4 KB.

        Raises Refused: 409 when it was closed meanwhile, 413 for more than was announced, 422 for
        another digest or a `.mpy` of another firmware, which drop what was staged of the file, and
        507 when the flash is full.
        """
        if self._stored and self._file is None:
            raise Refused(409, "interrupted/file", self.path)
        if self.received + len(data) > self.size:
            raise Refused(413, "too_large/file", self.path, self.size)
        self._take(data)
        if self.received == self.size:
            self._check()
        if self._file and data:
            try:
                self._file.write(data)
                if self.received - self._durable >= _DURABLE and not self.complete:
                    self._file.flush()
                    self._durable = self.received
            except OSError as error:
                self.received -= len(data)
                self.abandon()
                raise _no_space(error)

    def _check(self):
        sha = hexlify(self._hash.digest()).decode()
        if sha != self._sha:
            self._drop()
            raise Refused(
                422,
                "digest_mismatch/file",
                self.path,
                self._sha,
                sha,
                expected=self._sha,
                actual=sha,
            )
        self.complete = True

    def _check_mpy(self):
        from ota.mpy import problem_here

        problem = problem_here(self._head)
        if problem:
            self._drop()
            raise Refused(422, "mpy_incompatible/file", self.path, problem)

    def _drop(self):
        self.complete = False
        self.abandon()
        self._remove()
        self.received = 0

    def _remove(self):
        if self._stored:
            try:
                os.remove(self._target())
            except OSError:
                pass  # it had not come so far

    def close(self):
        """End this piece; return True if the file is complete and right.

        Raises Refused(422) for a boot.py or a guard that would not start, 507 when full.
        """
        self._no_longer_active()
        if self.size == 0 and not self.complete:
            self._check()
        if not self.complete:
            if self.received - self._durable >= _DURABLE:
                self.leave()
            _writers["parked"] = self
            return False
        self.leave()
        if self._stored and self.path in STARTS:
            from ota import start

            try:
                start.check(self.path, self._target())
            except Refused:
                self._remove()
                raise
        return True

    def abandon(self):
        """End it because the client is gone: what has come stays for a resume."""
        self._no_longer_active()
        self.leave()

    def _no_longer_active(self):
        if _writers.get("active") is self:
            _writers.pop("active")

    def leave(self):
        """Close the file, which makes it durable."""
        file, self._file = self._file, None
        if file:
            try:
                file.close()
            except OSError as error:
                raise _no_space(error)
