"""What is done with the content of each kind of entry of a release.

Each class has data(view), which takes a piece, and end(), which judges the whole: both raise
Refused. leave() lets go of what is open, wherever it stands.
"""

import hashlib
import os
from binascii import hexlify

import ota_boot
from ota import keyring
from ota.errors import Refused
from ota.signature import MAX_BYTES, find_signer

_SUM = 0xFFFFFFFF


class Text:
    """The description: to the file *path*, with its SHA-256 as `digest` at the end."""

    def __init__(self, path, check):
        if not ota_boot.is_dir(ota_boot.HOME):
            os.mkdir(ota_boot.HOME)
        self._out = open(path, "wb")
        self._hash = hashlib.sha256()
        self._check = check
        self._sum = 0
        self.digest = None

    def data(self, view):
        """Write, hash and add up a piece."""
        self._sum += sum(view)
        self._hash.update(view)
        self._out.write(view)

    def end(self):
        """Close the file; the checksum has to fit."""
        self._out.close()
        _fits(self._sum, self._check, "sw-description")
        self.digest = self._hash.digest()

    def leave(self):
        """Close the file."""
        self._out.close()


class Signature:
    """The signature of the text with the SHA-256 *digest*; `signer` is the id of the key."""

    def __init__(self, keys, digest, check):
        self._keys = keys
        self._digest = digest
        self._check = check
        self._sum = 0
        self._tail = bytearray()
        self.signer = None

    def data(self, view):
        """Add up a piece and keep the end of it."""
        self._sum += sum(view)
        self._tail.extend(view[max(0, len(view) - MAX_BYTES) :])
        if len(self._tail) > MAX_BYTES:
            self._tail = self._tail[len(self._tail) - MAX_BYTES :]

    def end(self):
        """Checksum and signature have to fit; without keys the checksum only."""
        _fits(self._sum, self._check, "sw-description.sig")
        self.signer = find_signer(self._keys, memoryview(self._tail), self._digest)
        if self._keys and self.signer is None:
            raise Refused(
                403,
                "bad_signature",
                "The signature was not made by a key that this device trusts (%s)."
                % ", ".join([key.id for key in self._keys]),
            )

    def leave(self):
        """Nothing is open."""


class Staged:
    """A file for *writer* of the transaction, which checks size and SHA-256."""

    def __init__(self, writer):
        self._writer = writer

    def data(self, view):
        """Stage a piece."""
        self._writer.write(view)

    def end(self):
        """End the file."""
        self._writer.close()

    def leave(self):
        """Keep what has come for a resume."""
        self._writer.abandon()


class Keyring(Staged):
    """A new keyring: one that cannot be read would end all updates of this device."""

    def __init__(self, writer):
        super().__init__(writer)
        self._content = bytearray()

    def data(self, view):
        """Stage a piece, and keep it: the size was found to be at most MAX_KEYRING."""
        self._content.extend(view)
        super().data(view)

    def end(self):
        """End the file; its keys have to be keys."""
        super().end()
        keyring.parse(self._content)


class Same:
    """A file that is here already: what came has to be what was listed, and is not kept."""

    def __init__(self, path, sha):
        self._path = path
        self._sha = sha
        self._hash = hashlib.sha256()

    def data(self, view):
        """Hash a piece."""
        self._hash.update(view)

    def end(self):
        """The SHA-256 has to fit."""
        if hexlify(self._hash.digest()).decode() != self._sha:
            raise Refused(
                422, "digest_mismatch", "%s is not the file that was listed." % self._path
            )

    def leave(self):
        """Nothing is open."""


def _fits(total, check, name):
    if total & _SUM != check:
        raise Refused(422, "bad_checksum", "%s was changed after it was packed." % name)
