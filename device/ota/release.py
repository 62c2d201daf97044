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

import sys
from micropython import const

from ota import call, let_go, load
from ota.errors import Refused

_STEPS = const(8)  # of planning in one feed(): a few lines of text, a few KB hashed
_ENOSPC = const(28)
# What is loaded for one part of the work; each after what it imports itself, since an import
# inside of an import takes C stack that the board has not.
_STORE = ("release_store",)
_HEAD_ROOMS = (
    "cpio",
    "flash",
    "signature",
    "keyring",
    "paths",
    "records",
    "release_store",
    "release_head",
)
_FILE_ROOMS = ("cpio", "session", "staging", "release_store", "release_files")
_RESUME_ROOMS = ("cpio", "records", "session", "arrivals", "release_store", "release_resume")
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
        self._trust = (public_key, required, force)
        self._device = (board, revision, min_version, trial_s)
        #: True while feed() takes nothing in because there is work to do first.
        self.busy = False
        #: Version and id of the signing key, once they are known.
        self.version = None
        self.signer = None
        self._entries = None
        self._position = 0  # while there are no entries
        self._part = None  # what takes the entries: release_head.Head, then release_files.Files
        self._steps = None  # of planning, between the two
        self._held = None  # a file whose header came before the plan was ready
        self._rooms = ()  # modules that were loaded for the present part of the work
        self._session = None  # of the transaction
        self._ours = False  # what release_store holds is of this release

    @property
    def received(self):
        """How many bytes of the archive have been taken in."""
        return self._entries.position if self._entries else self._position

    def feed(self, view):
        """Take in bytes of *view*, a memoryview, and return how many; 0 when there was other work.

        Raises Refused when the release is not accepted; it is forgotten then.
        """
        try:
            if self._steps is None:
                if self._part is None:
                    self._begin()
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
        call(_STORE, "remove")

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
            call(_STORE, "remove")

    def _leave(self):
        if self._part:
            self._part.leave()
            self._ours = self._ours or self._part.begun
        if self._steps:
            self._steps.close()
        self._position = self.received
        self._entries = self._part = self._steps = None
        self.busy = False
        self._close_rooms()

    # --- what Entries calls -------------------------------------------------------------------

    def entry(self, index, name, size, check):
        """Begin an entry of the archive. Raises Refused."""
        self._part.entry(index, name, size, check)
        if self._session is None and self._part.complete:
            self._held = (index, name, size, check)
            self._begin_plan()

    def data(self, view):
        """Take a piece of the content of the present entry. Raises Refused."""
        self._part.data(view)

    def entry_end(self, index):
        """End the present entry. Raises Refused."""
        self._part.entry_end(index)
        if self._session is None and self._part.complete:
            self._begin_plan()

    def trailer(self, index):
        """See that nothing is missing. Raises Refused."""
        self._part.trailer(index)

    # --- description and signature ------------------------------------------------------------

    def _begin(self):
        # Not when the first entry comes: there is no C stack left deeper down.
        self._open_rooms(_HEAD_ROOMS)
        from ota.cpio import Entries
        from ota.release_head import Head

        self._part = Head(*self._trust)
        self._entries = Entries(self)

    def _begin_plan(self):
        self.busy = True
        self.signer = self._part.signer
        head, self._part = self._part.facts(), None
        self._ours = True
        # The keys have done their work, and so has what checked them.
        self._close_rooms()
        self._steps = self._planning(head)

    def _planning(self, head):
        # Begun by feed() like all that follows: where the entry ends there is no C stack left.
        self._position = self.received
        place, self._entries = self._entries.place(), None
        let_go("cpio")
        yield from call(("release_plan",), "plan", head, *self._device)
        let_go("release_plan")
        yield place

    def _plan_on(self, result):
        if result is None:
            return
        if self._session is None:
            self.version, self._session = result
            return
        self._steps = None
        self.busy = False
        self._begin_files(*result)
        held, self._held = self._held, None
        if held:
            self._part.entry(*held)

    def _begin_files(self, *place):
        let_go("flash")
        load(*_FILE_ROOMS)
        from ota.cpio import Entries
        from ota.release_files import Files

        self._part = Files()
        self._entries = Entries(self, *place)

    def _open_rooms(self, names):
        self._rooms = [name for name in names if "ota." + name not in sys.modules]
        load(*names)

    def _close_rooms(self):
        rooms, self._rooms = self._rooms, ()
        if rooms:
            let_go(*rooms)

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
        self._close_rooms()
        self._begin_files((2 if record["signature"] else 1) + here, position)
        for _ in range(here):
            self._part.advance()
        if inside:
            self._entries.skip_into(*self._part.go_on(inside))
