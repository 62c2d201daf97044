"""Staged files: new ones arrive under `/.ota/new/`, checked, and can be resumed.

A staged file is complete when it has its full size: the last piece is written only after the
SHA-256 of the whole, that piece included, was found right. Nothing is durable before a file is
closed, and reopening one copies its last block. So between pieces of one file it stays open, and
is closed after every 64 KB, when the client goes away, or when another file is opened; a power
cut loses at most that much, and the client is told where to go on.
"""

import hashlib
import os
import sys
from binascii import hexlify
from micropython import const

import ota_boot
from ota import manifest
from ota.errors import Refused
from ota_boot import NEW, PLAN, is_dir, lines, remove

_CHUNK = const(1024)
_DURABLE = const(65536)  # received bytes that a power cut may cost
_MAX_START = const(32768)  # of a boot.py or an ota_boot.py, which is read and compiled whole
_ENOSPC = const(28)
_EACH = "aArR"

# The Writer in use, "active", and the one left open between two pieces, "parked". They are kept
# where they outlive this module, which is unloaded when nobody is connected: a second handle on
# a file that is open would put the older content back when the first one is closed.
_writers = ota_boot.writers
_cursor = (None, 0)  # plan, and where in it to go on: clients send files in its order


def entries():
    """Yield (kind, name, size, sha256, path) of the files in the plan; size is a number."""
    for kind, name, size, sha, path in lines(PLAN):
        if kind in _EACH or kind == "=":
            yield kind, name, int(size), sha, path


def received(name):
    """Return how many bytes of the staged file *name* are here, -1 if none was begun."""
    for writer in _writers.values():
        if writer.name == name:
            return writer.received
    try:
        return os.stat(NEW + "/" + name)[6]
    except OSError:
        return -1


def files():
    """Yield (path, size, received, needed) of every file of the update."""
    for kind, name, size, _, path in entries():
        if kind == "=":
            yield path, size, size, False
        else:
            here = received(name)
            yield path, size, max(here, 0), here != size


def needed():
    """Yield (path, size, received) of the files that are still to be sent, wholly or in part."""
    for path, size, here, need in files():
        if need:
            yield path, size, here


def _lookup(path, plan):
    global _cursor
    known, start = _cursor
    for at in (start if known == plan else 0, 0):
        for kind, name, size, sha, found in lines(PLAN, at):
            at += len(found.encode()) + len(kind) + len(name) + len(size) + len(sha) + 5
            if found == path and kind in _EACH + "=":
                _cursor = (plan, at)
                return kind, name, int(size), sha, path
    raise Refused(404, "not_in_update", "%s is not in the manifest of this update." % path)


def open_file(path, offset=0):
    """Return a Writer for the file *path* of the update; see open_steps()."""
    writer = None
    for writer in open_steps(path, offset):
        pass
    return writer


def open_steps(path, offset=0):
    """Yield None while what is here is hashed again, then a Writer that goes on at *offset*.

    Raises Refused: 404 for a file not listed, 409 when another is being written or *offset* is
    neither 0 nor what has been received.
    """
    record = ota_boot.load()
    if record["state"] != "staging":
        raise Refused(409, "wrong_state", "No update is being staged: begin one first.")
    entry = _lookup(path, record["plan"])
    active = _writers.get("active")
    if active:
        raise Refused(409, "busy", "%s is being received: send one file at a time." % active.path)
    parked = _writers.pop("parked", None)
    if parked and (parked.path != path or parked.received != offset):
        parked.leave()
        parked = None
    writer = parked or Writer(entry)
    if not parked:
        here = max(received(entry[1]), 0)
        if offset not in (0, here) or offset > entry[2] or (offset and offset == entry[2]):
            raise Refused(
                409,
                "wrong_offset",
                "%d bytes of %s are here: go on there or start at 0." % (here, path),
                received=here,
            )
    _writers["active"] = writer
    try:
        if parked:
            parked.go_on()
        else:
            for _ in writer.begin(offset):
                yield None
    except OSError as error:
        writer.abandon()
        raise _no_space(error)
    except Refused:
        writer.abandon()
        raise
    yield writer


def release():
    """Close what is left open between two pieces, so that nothing of it is lost."""
    if "active" in _writers:
        _writers["active"].abandon()
    if "parked" in _writers:
        _writers.pop("parked").leave()


def _no_space(error):
    if error.errno != _ENOSPC:
        return error
    return Refused(507, "no_space", "The flash is full: abort the update or delete something.")


class Writer:
    """Takes the bytes of one file; close() or abandon() has to follow."""

    def __init__(self, entry):
        kind, self.name, self.size, self._sha, self.path = entry
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
        target = NEW + "/" + self.name
        if not self._stored:
            return
        if not is_dir(NEW):
            os.mkdir(NEW)
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
            self._file = open(NEW + "/" + self.name, "ab")
            self._durable = self.received

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
            raise Refused(
                409,
                "interrupted",
                "%s was closed by another request: ask what has arrived, and go on there."
                % self.path,
            )
        if self.received + len(data) > self.size:
            raise Refused(
                413, "too_large", "%s was announced with %d bytes." % (self.path, self.size)
            )
        self._take(data)
        if self.received == self.size:
            self._check()
        if self._file and data:
            try:
                self._file.write(data)
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
                "digest_mismatch",
                "%s should have the SHA-256 %s, what came has %s: send it again."
                % (self.path, self._sha, sha),
                expected=self._sha,
                actual=sha,
            )
        self.complete = True

    def _check_mpy(self):
        own = getattr(sys.implementation, "_mpy", None)
        if own is None:
            return  # this firmware loads no .mpy at all, or is CPython
        bits = 31 if sys.maxsize < 1 << 32 else 63
        problem = manifest.mpy_problem(self._head, own, bits)
        if problem:
            self._drop()
            raise Refused(
                422,
                "mpy_incompatible",
                "%s cannot be loaded here: %s. Compile it for this firmware (mpy-cross), or"
                " send the .py." % (self.path, problem),
            )

    def _drop(self):
        self.complete = False
        self.abandon()
        if self._stored:
            remove(NEW + "/" + self.name)
        self.received = 0

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
        if self._stored:
            try:
                check_start(self.path, NEW + "/" + self.name)
            except Refused:
                remove(NEW + "/" + self.name)
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


def check_start(path, content):
    """Raise Refused(422) if *path* is what the board starts with, and *content* would not start.

    *content* is the path of the file that is to be *path*. A boot.py that cannot be compiled would
    not even call the guard, and nothing could undo it.
    """
    if path not in ("/boot.py", "/ota_boot.py"):
        return
    if os.stat(content)[6] > _MAX_START:
        raise Refused(
            422,
            "boot_too_large",
            "%s has at most %d bytes: import the rest from it, or send the guard as .mpy."
            % (path, _MAX_START),
        )
    try:
        with open(content) as file:
            text = file.read()
        if path == "/boot.py" and not manifest.guard_first(text.split("\n")):
            raise Refused(
                422,
                "boot_without_guard",
                "/boot.py has to begin with the two lines 'import ota_boot' and"
                " 'ota_boot.run()': without them no update could be undone.",
            )
        compile(text, path, "exec")
    except (SyntaxError, ValueError) as error:
        raise Refused(
            422,
            "boot_syntax",
            "%s cannot be compiled (%r): the board would not start." % (path, error),
        )
