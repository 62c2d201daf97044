"""`POST` or `PUT /api/v1/update`: a description, signed or not, and the files that are lacking.

The body is an archive, whole or only its head. The description is hashed on its way to flash, its
signature checked, and only then read, line by line, into a plan; each file is then staged where
it stands in the archive. Whatever is not as described ends in Refused: nothing live has changed.

Verifying, reading what the update needs, planning, taking files and committing are phases of their
own: what one of them needs is unloaded for the next. So no module of theirs is kept here. The
archive is read by pulling:

    entry = await archive.next()             # (name, size, check), None at the end
    await archive.content(size, write)
"""

import os
from micropython import const

import ota
from ota import changes
from ota.errors import Refused
from ota.record import DESCRIPTION, HOME, is_dir, remove

_MAX_NAME = const(64)  # longest name of an entry, its zero byte included
_HEADER = const(110)
_BLOCK = const(512)

# magic, ino, mode, uid, gid, nlink, mtime, filesize, 4 device numbers, namesize, check
_FORM = b"070702%08X%s%016d00000001%08d%08X%032d%08X%08X"
_FILE = b"000081A4"  # mode: a regular file, 644
_TRAILER = b"TRAILER!!!"
_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"


async def begin(service, head):
    """Take an archive, and say which files are needed; the same description again resumes."""
    if head.length is None:
        raise Refused(411, "length_required/archive")
    async with changes.WriteLock(service, head.path, head.length) as writing:
        # By name, since a fleet client (ota/offer.py) reads archives from elsewhere.
        archive = Archive(ota.load("body").Body(head), changes.buffer(service))
        _, _, entry = await take_head(service, archive)
        if entry:
            try:
                await _phase("staging", "take_files", service, archive, entry, writing)
            except Refused:
                _phase("transaction", "abort")
                raise
            finally:
                changes.renew_lease(service)
        if head.asked("commit") == "yes":
            restart = head.asked("restart") != "no"
            return 202, await _phase("commit", "go_live", service, restart), ()
        return 201, _phase("staging", "answer"), ()


async def take_head(service, archive, judge=None):
    """Check the head of *archive* and begin its update, or go on with it.

    Returns (id, version, entry), *entry* being the first one behind the head, or None. *judge* is
    a function of id and version, once the signature was checked; what it raises ends this. Raises
    Refused.
    """
    if not is_dir(HOME):
        remove(HOME)
        os.mkdir(HOME)
    try:
        session, signer, entry = await _phase("trust", "take_head", archive, service, DESCRIPTION)
        asked = judge and (lambda version: judge(session, version))
        facts = _phase("conditions", "read", service, signer, asked)
        await _phase("planning", "prepare", service, session, facts)
    finally:
        remove(DESCRIPTION)
    changes.renew_lease(service)
    return session, facts["next"], entry


def _phase(module, function, *args):
    """Call *function* of *module*, the entry of a phase.

    In a frame of its own, since a frame keeps alive what was last on its stack.
    """
    return getattr(ota.use(module, True), function)(*args)


class Archive:
    """The cpio archive that *source* gives, read through *buffer*, a bytearray of 512 bytes up.

    *source* is anything with `async readinto(view)`: the body of a request, or a download. Only
    the canonical form of docs/format.md is accepted: each header is put together anew from the
    three numbers that may differ and compared whole, so that no byte of it can be changed
    unnoticed.
    """

    def __init__(self, source, buffer):
        self._source = source
        self._view = memoryview(buffer)
        #: Bytes that have been read, and the number of the present entry.
        self.position = 0
        self.index = 0
        #: Whether the end of the archive was seen, and not only the end of what was sent.
        self.whole = False

    async def next(self):
        """Return (name, size, check) of the next entry.

        None where the archive ends, and where the source ends between two entries. Raises Refused:
        400 for what is no archive of the accepted form, or one that is cut.
        """
        if not await self._fill(self._view[:_HEADER], True):
            return None
        head = bytes(self._view[:_HEADER])
        index, mode = self.index, _FILE
        try:
            size, name_size, check = [int(head[at : at + 8], 16) for at in (54, 94, 102)]
        except ValueError:
            size = name_size = check = 0
        if head[14:22] == b"00000000":
            index, mode, size, check = 0, b"00000000", 0, 0
        wanted = _FORM % (index, mode, 0, 0, size, 0, name_size, check)
        # int() is generous, and a name of no size is no name: both end here.
        if not 2 <= name_size <= _MAX_NAME or head != wanted:
            raise self._bad("head")
        name = self._view[: name_size + -(_HEADER + name_size) % 4]
        await self._fill(name)
        fill, name = any(name[name_size - 1 :]), bytes(name[: name_size - 1])
        if mode != _FILE:
            good = name == _TRAILER
        else:
            good = name[:1] not in b".-" and all(byte in _SAFE for byte in name)
        if fill or not good:
            raise self._bad("name", name)
        if mode == _FILE:
            return name.decode(), size, check
        await self._padding(-self.position % _BLOCK)
        if await self._source.readinto(self._view[:1]):
            raise Refused(400, "trailing_data", self.position)
        self.whole = True
        return None

    async def content(self, size, write):
        """Hand the content of the present entry to *write*, a function of a memoryview.

        Raises Refused(400) when it is cut, and what *write* raises.
        """
        view, left = self._view, size
        while left:
            piece = view[: min(left, len(view))]
            await self._fill(piece)
            left -= len(piece)
            # Other tasks run in between: reading waits for its turn when this has taken long.
            write(piece)
        await self._padding(-size % 4)
        self.index += 1

    async def _fill(self, view, may_end=False):
        """Fill *view*; return False if *may_end* and nothing comes any more."""
        at = 0
        while at < len(view):
            count = await self._source.readinto(view[at:])
            if not count:
                if may_end and not at:
                    return False
                raise Refused(400, "truncated", self.position)
            at += count
            self.position += count
        return True

    async def _padding(self, count):
        if count:
            view = self._view[:count]
            await self._fill(view)
            if any(view):
                raise self._bad("padding")

    def _bad(self, what, *args):
        return Refused(400, "bad_archive/" + what, self.index, *args)
