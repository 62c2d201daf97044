"""Takes in a release, a signed archive, as a stream; docs/format.md describes every byte.

    reader = Reader(public_key=...)
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

What is needed for one part of the work only is loaded for it and let go afterwards.
"""

import hashlib
import sys
from binascii import hexlify
from micropython import const

from ota import let_go, load, release_store, staging
from ota.cpio import Entries
from ota.errors import Refused

_STEPS = const(8)  # of planning in one feed(): a few lines of text, a few KB hashed
_ENOSPC = const(28)
# What is loaded for the description and its signature, and for the plan; each after what it
# imports itself, since an import inside of an import takes C stack that the board has not.
_HEAD_ROOMS = ("records", "signature", "keyring", "release_head")
_PLAN_ROOMS = ("release_plan",)
_RESUME_ROOMS = ("records", "arrivals", "release_resume")
_ABORT_ROOMS = ("records", "states", "current")


class Reader:
    """Takes in one release, or goes on with one; see resume().

    *public_key* and *required* say who may have signed it, *board* and *revision* what it has to
    be for (default: this board), *min_version* the lowest version accepted. *trial_s* is what the
    transaction is told when it asks for a trial, *force* whether another update that is being
    staged gives way. Without keys a release is taken with or without a signature.
    """

    def __init__(
        self,
        public_key=None,
        required=False,
        board=None,
        revision="1.0",
        min_version=None,
        trial_s=True,
        force=False,
    ):
        self._public_key = public_key
        self._required = required
        self._device = (board, revision, min_version, trial_s)
        self._force = force
        self._entries = Entries(self)
        #: True while feed() takes nothing in because there is work to do first.
        self.busy = False
        #: Version and id of the signing key, once they are known.
        self.version = None
        self.signer = None
        self._head = None
        self._steps = None  # of planning
        self._held = None  # a file whose header came before the plan was ready
        self._rooms = ()  # modules that were loaded for the present part of the work
        self._session = None
        self._ours = False  # what release_store holds is of this release
        self._first = 2  # number of the entry with the first file
        self._listed = None  # the files, as described
        self._file = None  # the next of them
        self._writer = None
        self._hash = None
        self._ring = None  # content of a new keyring

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
                if not self.received:
                    self._open_rooms(_HEAD_ROOMS)  # here, for there is no C stack left deeper down
                return self._entries.feed(view)
            for _ in range(_STEPS):
                if self._steps is not None:
                    self._plan_on(next(self._steps))
            return 0
        except OSError as error:
            self.abort()
            if error.errno == _ENOSPC:
                raise Refused(507, "no_space/release")
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
            raise Refused(400, "truncated", self.received)

    def pause(self):
        """End the stream early because the client is gone: resume() may go on from here."""
        if self._session is None:
            self.abort()
        else:
            self._leave()

    def close(self):
        """Remove what only a resume would need, after the transaction has been committed."""
        self._leave()
        release_store.remove()

    def abort(self):
        """Forget the release, and abort its transaction."""
        self._leave()
        session, self._session = self._session, None
        if session is not None:
            self._open_rooms(_ABORT_ROOMS)
            from ota import current

            record = current.load()
            # Somebody else may have aborted it meanwhile, and begun another.
            if record["state"] == "staging" and record["id"] == session:
                current.abort()
            self._close_rooms()
        if self._ours:
            self._ours = False
            release_store.remove()

    def _leave(self):
        if self._head:
            self._head.leave()
        if self._writer:
            self._writer.abandon()
        for generator in (self._steps, self._listed):
            if generator:
                generator.close()
        self._head = self._writer = self._steps = self._listed = None
        self.busy = False
        self._close_rooms()

    # --- what Entries calls -------------------------------------------------------------------

    def entry(self, index, name, size, check):
        """Begin an entry of the archive. Raises Refused."""
        if index == 0:
            self._begin_head(name, size, check)
        elif index == 1:
            self._head.begin_signature(name, size, check)
            if not self._head.sign_size:
                self._first = 1
                self._held = (index, name, size, check)
                self._begin_plan()
        else:
            self._begin_file(index, name, size, check)

    def data(self, view):
        """Take a piece of the content of the present entry. Raises Refused."""
        if self._head:
            self._head.data(view)
        elif self._writer:
            if self._ring is not None:
                self._ring.extend(view)
            self._writer.write(view)
        else:
            self._hash.update(view)

    def entry_end(self, index):
        """End the present entry. Raises Refused."""
        if not self._head:
            self._end_file()
            return
        self._head.end()
        if index == 1:
            self._begin_plan()

    def trailer(self, index):
        """See that nothing is missing. Raises Refused."""
        if self._head:
            self._head.begin_signature("the end", 0, 0)
        if self._head or not index or self._file:
            missing = self._file[0] if self._file else "any file" if index else "a description"
            raise Refused(400, "missing_entry/end", missing)

    # --- description and signature ------------------------------------------------------------

    def _begin_head(self, name, size, check):
        self._refuse_other_update()
        from ota.release_head import Head

        self._ours = True
        release_store.remove()
        self._head = Head(self._public_key, self._required)
        self._head.begin_text(name, size, check)

    def _refuse_other_update(self):
        from ota import records

        state = records.load()["state"]
        if state == "staging" and (self._force or release_store.load()):
            # An earlier upload that nobody came back for makes room.
            load(*_ABORT_ROOMS).abort()
            let_go(*_ABORT_ROOMS)
        elif state != "idle":
            raise Refused(409, "busy/state", state, state=state)

    def _begin_plan(self):
        self.busy = True
        self.signer = self._head.signer
        head, self._head = self._head, None
        # The keys have done their work, and so has what checked them.
        self._close_rooms()
        self._steps = self._planning(head)

    def _planning(self, head):
        # Begun by feed() like all that follows: where the entry ends there is no C stack left.
        self._open_rooms(_PLAN_ROOMS)
        from ota.release_plan import plan

        yield from plan(head, *self._device)

    def _plan_on(self, result):
        if result is None:
            return
        self.version, self._session = result
        self._steps = None
        self.busy = False
        self._close_rooms()
        self._open_lists()
        held, self._held = self._held, None
        if held:
            self._begin_file(*held)

    def _open_rooms(self, names):
        self._rooms = [name for name in names if "ota." + name not in sys.modules]
        for name in names:
            __import__("ota." + name)

    def _close_rooms(self):
        rooms, self._rooms = self._rooms, ()
        if rooms:
            let_go(*rooms)

    # --- files --------------------------------------------------------------------------------

    def _open_lists(self):
        """Begin to read the list of files once more."""
        self._listed = release_store.files()
        self._advance()

    def _advance(self):
        self._file = next(self._listed, None)

    def _begin_file(self, index, name, size, check):
        if self._file is None:
            raise Refused(400, "unexpected_entry/unlisted", name)
        wanted, path, wanted_size, _, wanted_check = self._file
        if (name, size, check) != (wanted, wanted_size, wanted_check):
            raise Refused(
                400,
                "unexpected_entry/other",
                index,
                wanted,
                wanted_size,
                wanted_check,
                name,
                size,
                check,
            )
        self._open(path, size, 0)

    def _open(self, path, size, offset):
        if path == release_store.KEYRING:
            from ota.keyring import check_size

            check_size(path, size)
            self._ring = bytearray()
        if path == release_store.KEYRING or staging.needs(path):
            self._writer = staging.open_file(path, offset)
        else:
            # Here already: only to be compared with what was listed.
            self._hash = hashlib.sha256()

    def _end_file(self):
        if self._writer:
            writer, self._writer = self._writer, None
            writer.close()
        elif hexlify(self._hash.digest()).decode() != self._file[3]:
            raise Refused(422, "digest_mismatch/release", self._file[1])
        if self._ring is not None:
            from ota.keyring import parse

            # One that cannot be read would end all updates of this device.
            ring, self._ring = self._ring, None
            parse(ring)
        self._advance()

    # --- resume -------------------------------------------------------------------------------

    def resume(self, offset):
        """Go on with the release that pause(), or a restart, interrupted; before any feed().

        Raises Refused(409) with `received`, where to go on, unless that is *offset*.
        """
        self._open_rooms(_RESUME_ROOMS)
        from ota.release_resume import find_place

        record, here, position, inside = find_place(offset)
        self._session = record["id"]
        self._ours = True
        self.version = record["version"]
        self.signer = record["signer"]
        self._first = 2 if record["signature"] else 1
        self._close_rooms()
        self._open_lists()
        for _ in range(here):
            self._advance()
        self._entries = Entries(self, self._first + here, position)
        if inside:
            name, path, size, _, _ = self._file
            self._open(path, size, inside)
            self._entries.skip_into(name, size, inside)
