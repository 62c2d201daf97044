"""The first two entries of a release: the description and its signature."""

import hashlib
import os
from micropython import const

from ota import keyring, release_store
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

    def __init__(self, public_key, required):
        self.keys = keyring.load(public_key)
        if required and not self.keys:
            raise Refused(403, "no_key/release")
        self.text_size = self.sign_size = 0
        self.signer = None
        self._hash = hashlib.sha256()
        self._out = None
        self._tail = None
        self._check = self._sum = 0

    def begin_text(self, name, size, check):
        """Begin the description. Raises Refused."""
        if name != DESCRIPTION:
            raise Refused(400, "unexpected_entry/first", DESCRIPTION, name)
        _at_most(name, size, MAX_TEXT)
        free, _, block = space()
        if free < size + 4 * block:
            raise Refused(507, "no_space/release")
        if kind(PRIVATE) != "folder":
            os.mkdir(PRIVATE)
        self._out = open(release_store.TEXT, "wb")
        self.text_size = size
        self._check = check

    def begin_signature(self, name, size, check):
        """Begin the signature; any other entry is none. Raises Refused."""
        if name == SIGNATURE:
            _at_most(name, size, _MAX_SIGNATURE)
            self._tail = bytearray()
            self.sign_size = size
            self._check = check
            self._sum = 0
        elif self.keys:
            raise Refused(403, "unsigned", DESCRIPTION, SIGNATURE, name)

    def data(self, view):
        """Take a piece of the one or the other."""
        self._sum += sum(view)
        if self._tail is None:
            self._hash.update(view)
            self._out.write(view)
            return
        self._tail.extend(view[max(0, len(view) - MAX_BYTES) :])
        self._tail = self._tail[max(0, len(self._tail) - MAX_BYTES) :]

    def end(self):
        """End the one or the other. Raises Refused."""
        self.leave()
        if self._sum & 0xFFFFFFFF != self._check:
            raise Refused(422, "bad_checksum")
        if self._tail is None:
            return
        self.signer = find_signer(self.keys, memoryview(self._tail), self._hash.digest())
        if self.keys and self.signer is None:
            raise Refused(403, "bad_signature", ", ".join([key.id for key in self.keys]))

    def leave(self):
        """Close what is open."""
        if self._out is not None:
            self._out.close()
            self._out = None


def _at_most(name, size, limit):
    if not 1 <= size <= limit:
        raise Refused(413, "too_large/entry", name, size, limit)
