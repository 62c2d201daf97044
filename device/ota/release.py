"""Takes in a release, a signed archive, as a stream; docs/format.md describes every byte.

    reader = Reader(transaction, keys, board_name(), floor=floor)
    while there is data:                  # a memoryview, in pieces of any size
        while data:
            data = data[reader.feed(data) :]
            (let others run)
    reader.finish()
    transaction.commit()
    reader.close()

The description is hashed on its way to flash, its signature checked, and only then read, line by
line, into a transaction; each file is then staged where it stands in the archive. Whatever is not
as described ends in Refused and an aborted transaction: nothing live has changed by then.
"""

import sys
from micropython import const

from ota import keyring, release_record
from ota.cpio import Entries, span
from ota.description import MAX_SIZE, Description
from ota.errors import Refused
from ota.flash import space
from ota.release_parts import Keyring, Same, Signature, Staged, Text

_DESCRIPTION = "sw-description"
_SIGNATURE = "sw-description.sig"
_MAX_SIGNATURE = const(8192)
_STEPS = const(8)  # of planning in one feed(): a few lines of text, a few KB hashed
_ENOSPC = const(28)


class Reader:
    """Takes in one release for a device that trusts *keys*, a list of signature.Key.

    *transaction* is the module ota.transaction, *board* the name of this board and *revision* its
    hardware revision, *floor* the lowest version still accepted or None. *trial_s* is what
    the transaction is told when the release asks for a trial, *force* whether another update
    that is being staged gives way. Without keys a release is taken with or without a signature,
    and raises no floor: nobody vouches for it.
    """

    def __init__(
        self, transaction, keys, board, revision="1.0", floor=None, trial_s=True, force=False
    ):
        self._transaction = transaction
        self._keys = keys
        own = sys.implementation
        self._device = (board, revision, own.version[:3], getattr(own, "_mpy", 0), floor)
        self._trial_s = trial_s
        self._force = force
        self._entries = Entries(self)
        #: True while feed() takes nothing in because there is work to do first.
        self.busy = False
        #: Version and id of the signing key, once they are known.
        self.version = None
        self.signer = None
        self._steps = None  # of planning
        self._held = None  # a file whose header came before the plan was ready
        self._draft = None
        self._session = None
        self._ours = False  # the files of release_record are of this release
        self._first = 2  # number of the entry with the first file
        self._text_size = self._sign_size = 0
        self._digest = None
        self._part = None  # what takes the content of the present entry
        self._description = None
        self._listed = self._staged = None  # the files, as described and as in the transaction
        self._file = self._row = None  # the next of each

    @property
    def received(self):
        """How many bytes of the archive have been taken in."""
        return self._entries.position

    def feed(self, view):
        """Take in bytes of *view*, a memoryview, and return how many; 0 when there was other work.

        Raises Refused when the release is not accepted; it is forgotten then.
        """
        try:
            if self._steps is None:
                return self._entries.feed(view)
            self._work()
            return 0
        except OSError as error:
            self.abort()
            if error.errno == _ENOSPC:
                raise _no_space()
            raise
        except Exception:
            self.abort()
            raise

    def finish(self):
        """End the stream: every file of the release is staged now. Raises Refused."""
        nothing = memoryview(b"")
        while self._steps is not None:
            self.feed(nothing)
        self.feed(nothing)
        if not self._entries.complete:
            self.abort()
            raise Refused(
                400, "truncated", "The archive was cut off after %d bytes." % self.received
            )

    def pause(self):
        """End the stream early because the client is gone: resume() may go on from here."""
        if self._session is None:
            self.abort()
        else:
            self._leave()

    def close(self):
        """Remove our files, after the transaction has been committed."""
        self._leave()
        release_record.remove()

    def abort(self):
        """Forget the release, and abort its transaction."""
        self._leave()
        self.busy = False
        self._steps = None
        if self._draft is not None:
            self._draft.drop()
            self._draft = None
        session, self._session = self._session, None
        now = self._transaction.status()
        # Somebody else may have aborted it meanwhile, and begun another.
        if session is not None and now["state"] == "staging" and now["id"] == session:
            self._transaction.abort()
        if self._ours:
            release_record.remove()

    def _leave(self):
        if self._part is not None:
            self._part.leave()
            self._part = None
        if self._staged is not None:
            self._staged.close()
            self._staged = None
        if self._description is not None:
            self._description.close()
            self._description = None

    # --- what Entries calls -------------------------------------------------------------------

    def entry(self, index, name, size, check):
        """Begin an entry of the archive. Raises Refused."""
        if index == 0:
            self._begin_text(name, size, check)
        elif index == 1 and name == _SIGNATURE:
            _at_most(name, size, _MAX_SIGNATURE)
            self._sign_size = size
            self._part = Signature(self._keys, self._digest, check)
        elif index == 1:
            self._refuse_unsigned(name)
            self._first = 1
            self._held = (index, name, size, check)
            self._begin_plan()
        else:
            self._begin_file(index, name, size, check)

    def data(self, view):
        """Take a piece of the content of the present entry. Raises Refused."""
        self._part.data(view)

    def entry_end(self, index):
        """End the present entry. Raises Refused."""
        self._part.end()
        part, self._part = self._part, None
        if index >= self._first:
            self._advance()
        elif index == 0:
            self._digest = part.digest
        else:
            self.signer = part.signer
            self._begin_plan()

    def trailer(self, index):
        """See that nothing is missing. Raises Refused."""
        if index == 1:
            self._refuse_unsigned("the end")
        if index < self._first or self._file is not None:
            missing = self._file[0] if self._file else "any file" if index else _DESCRIPTION
            raise Refused(400, "missing_entry", "The archive ends without %s." % missing)

    def _refuse_unsigned(self, came):
        if self._keys:
            raise Refused(
                403,
                "unsigned",
                "The second entry should be %s, got %s: the release is not signed, and this device"
                " only takes signed ones." % (_SIGNATURE, came),
            )

    def _begin_text(self, name, size, check):
        if name != _DESCRIPTION:
            raise Refused(
                400, "unexpected_entry", "Entry 0 should be %s, got %s." % (_DESCRIPTION, name)
            )
        _at_most(name, size, MAX_SIZE)
        self._refuse_other_update()
        release_record.remove()
        free, _, block = space()
        if free < size + 4 * block:
            raise _no_space()
        self._ours = True
        self._text_size = size
        self._part = Text(release_record.TEXT, check)

    def _refuse_other_update(self):
        now = self._transaction.status()
        if now["state"] == "idle":
            return
        if (now["state"] == "staging" and self._force) or release_record.load(now) is not None:
            # An earlier upload that nobody came back for makes room.
            self._transaction.abort()
            return
        raise Refused(
            409,
            "busy",
            "The device is in state '%s': finish or undo that update first." % now["state"],
            state=now["state"],
        )

    # --- the plan -----------------------------------------------------------------------------

    def _begin_plan(self):
        self.busy = True
        self._steps = self._plan()

    def _work(self):
        for _ in range(_STEPS):
            try:
                next(self._steps)
            except StopIteration:
                self._steps = None
                self.busy = False
                held, self._held = self._held, None
                if held:
                    self._begin_file(*held)
                return

    def _plan(self):
        """Read the description into a transaction, yielding after each small step."""
        description = self._description = Description(release_record.TEXT)
        description.require(*self._device)
        self.version = description.version
        floor = description.floor if self._keys else None
        draft = self._draft = self._transaction.begin(
            description.version, description.trial and self._trial_s, "release", floor
        )
        for path in description.deletes():
            draft.add_delete(path)
            yield
        for _, path, size, sha, _ in description.files():
            for step in draft.file_steps(path, size, sha):
                yield step
            yield
        description.close()
        self._session = draft.seal()
        self._draft = None
        release_record.save(self._session, self._text_size, self._sign_size, self.signer)
        yield
        for step in self._open_lists():
            yield step

    def _open_lists(self):
        """Begin to read the files once more, beside those of the transaction."""
        self._description = Description(release_record.TEXT)
        for _ in self._description.deletes():
            yield
        self._listed = self._description.files()
        self._staged = self._transaction.files()
        self._advance()

    def _advance(self):
        self._file = next(self._listed, None)
        self._row = next(self._staged, None)
        if (self._file and self._file[1]) != (self._row and self._row[0]):
            raise RuntimeError("the plan is not that of the release")

    # --- files --------------------------------------------------------------------------------

    def _begin_file(self, index, name, size, check):
        if self._file is None:
            raise Refused(
                400, "unexpected_entry", "%s is not listed; all listed files came before." % name
            )
        wanted, path, wanted_size, _, wanted_check = self._file
        if (name, size, check) != (wanted, wanted_size, wanted_check):
            raise Refused(
                400,
                "unexpected_entry",
                "Entry %d should be %s, %d bytes, checksum %08X; got %s, %d bytes, %08X."
                % (index, wanted, wanted_size, wanted_check, name, size, check),
            )
        if path == keyring.KEYRING and size > keyring.MAX_KEYRING:
            raise Refused(
                422, "bad_keyring", "A keyring has at most %d bytes." % keyring.MAX_KEYRING
            )
        self._part = self._taker(0)

    def _taker(self, offset):
        """Return what takes the content of the next file from *offset* on."""
        _, path, _, sha, _ = self._file
        if path == keyring.KEYRING:
            return Keyring(self._transaction.open_file(path, 0))
        if self._row[3]:
            return Staged(self._transaction.open_file(path, offset))
        return Same(path, sha)

    # --- resume -------------------------------------------------------------------------------

    def resume(self, offset):
        """Go on with the release that pause(), or a restart, interrupted; before any feed().

        Raises Refused(409) with `received`, where to go on, unless that is *offset*.
        """
        inside = self._find_place()
        if self.received + inside != offset:
            self._leave()
            raise Refused(
                409,
                "wrong_offset",
                "%d bytes of the release are here: go on there." % (self.received + inside),
                received=self.received + inside,
            )
        if inside:
            name, _, size, _, _ = self._file
            here = self._row[2]
            self._part = self._taker(here)
            self._entries.skip_into(name, size, here)

    def _find_place(self):
        """Pass over the files that are here; return how far into the next entry to go on."""
        record = release_record.load(self._transaction.status())
        if record is None:
            return 0
        self._session = record["id"]
        self._ours = True
        self.signer = record["signer"]
        self._text_size = record["size"]
        self._sign_size = record["signature"]
        self._first = 2 if self._sign_size else 1
        for _ in self._open_lists():
            pass
        self.version = self._description.version
        position = span(_DESCRIPTION, self._text_size)
        if self._sign_size:
            position += span(_SIGNATURE, self._sign_size)
        index = self._first
        while self._file is not None and not self._row[3]:
            position += span(self._file[0], self._file[2])
            index += 1
            self._advance()
        self._entries = Entries(self, index, position)
        return self._inside()

    def _inside(self):
        # A keyring is read as a whole, so it comes as a whole.
        if self._file is None or self._file[1] == keyring.KEYRING:
            return 0
        here = self._row[2]
        return span(self._file[0], 0) + here if 0 < here < self._file[2] else 0


def pending(transaction):
    """Return {"received", "version", "signer", "sha256"} of a release half here, or None.

    *received* is the byte of the archive to go on with, *sha256* that of its sw-description.
    """
    record = release_record.load(transaction.status())
    if record is None:
        return None
    reader = Reader(transaction, [], None)
    try:
        reader.resume(-1)
    except Refused as error:
        received = error.extra["received"]
    return {
        "received": received,
        "version": reader.version,
        "signer": record["signer"],
        "sha256": record["text"],
    }


def _at_most(name, size, limit):
    if not 1 <= size <= limit:
        raise Refused(
            413, "too_large", "%s has %d bytes, 1 to %d are accepted." % (name, size, limit)
        )


def _no_space():
    return Refused(507, "no_space", "The flash has no room for the release: delete something.")
