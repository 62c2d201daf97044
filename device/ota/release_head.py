"""The first two entries of a release: the description and its signature."""

import hashlib
import os
from micropython import const

from ota import call, keyring, let_go, release_store
from ota.errors import Refused
from ota.flash import kind, space
from ota.paths import PRIVATE
from ota.signature import MAX_BYTES, find_signer

DESCRIPTION = "sw-description"
SIGNATURE = "sw-description.sig"
#: Longest description; room for 1000 files with paths of usual length.
MAX_TEXT = 192 * 1024
_MAX_SIGNATURE = const(8192)


class Head:
    """Writes the description to flash while hashing it, then checks who signed it.

    *public_key* and *required* are those of the service. Raises Refused.
    """

    def __init__(self, public_key, required, force):
        self._keys = keyring.load(public_key)
        if required and not self._keys:
            raise Refused(403, "no_key/release")
        self._force = force
        #: Whether what release_store holds is of this release.
        self.begun = False
        #: Whether both have been seen, or that there is no signature.
        self.complete = False
        self.signer = None
        self._text_size = self._sign_size = 0
        self._hash = hashlib.sha256()
        self._out = None
        self._tail = None
        self._check = self._sum = 0

    def facts(self):
        """Return (sizes of the description and the signature, signer, whether keys were asked)."""
        return self._text_size, self._sign_size, self.signer, bool(self._keys)

    def entry(self, index, name, size, check):
        """Begin an entry. Raises Refused unless it is the one that belongs there."""
        if index == 0:
            self._begin_text(name, size, check)
        else:
            self._begin_signature(name, size, check)

    def trailer(self, index):
        """Raise Refused: there has to be more."""
        if index:
            self._begin_signature("the end", 0, 0)
        raise Refused(400, "missing_entry/end", "any file" if index else "a description")

    def _begin_text(self, name, size, check):
        if name != DESCRIPTION:
            raise Refused(400, "unexpected_entry/first", DESCRIPTION, name)
        _at_most(name, size, MAX_TEXT)
        free, _, block = space()
        if free < size + 4 * block:
            raise Refused(507, "no_space/release")
        self._make_way(size)
        if kind(PRIVATE) != "folder":
            os.mkdir(PRIVATE)
        self._out = open(release_store.TEXT, "wb")
        self._text_size = size
        self._check = check

    def _make_way(self, size):
        """Make room for this release. Raises Refused(409) when another update is in the way."""
        state = call(("records",), "load")["state"]
        if state == "staging" and (self._force or _is_same(release_store.load(), size)):
            # Nobody came back for it, or it begins anew.
            call(("records", "states", "current"), "abort")
            let_go("states", "current")
        elif state != "idle":
            raise Refused(409, "busy/state", state, state=state)
        let_go("records")
        self.begun = True
        release_store.remove()

    def _begin_signature(self, name, size, check):
        if name == SIGNATURE:
            _at_most(name, size, _MAX_SIGNATURE)
            self._tail = bytearray()
            self._sign_size = size
            self._check = check
            self._sum = 0
        elif self._keys:
            raise Refused(403, "unsigned", DESCRIPTION, SIGNATURE, name)
        else:
            self.complete = True

    def data(self, view):
        """Take a piece of the one or the other."""
        self._sum += sum(view)
        if self._tail is None:
            self._hash.update(view)
            self._out.write(view)
            return
        self._tail.extend(view[max(0, len(view) - MAX_BYTES) :])
        self._tail = self._tail[max(0, len(self._tail) - MAX_BYTES) :]

    def entry_end(self, index):
        """End the one or the other. Raises Refused."""
        self.leave()
        if self._sum & 0xFFFFFFFF != self._check:
            raise Refused(422, "bad_checksum")
        if self._tail is None:
            return
        self.signer = find_signer(self._keys, memoryview(self._tail), self._hash.digest())
        if self._keys and self.signer is None:
            raise Refused(403, "bad_signature", ", ".join([key.id for key in self._keys]))
        self.complete = True

    def leave(self):
        """Close what is open."""
        if self._out is not None:
            self._out.close()
            self._out = None


def _is_same(record, size):
    """Whether what is staged may be this release: the description is still to come."""
    return record is not None and record["size"] == size


def _at_most(name, size, limit):
    if not 1 <= size <= limit:
        raise Refused(413, "too_large/entry", name, size, limit)
