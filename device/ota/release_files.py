"""The files of a release, one after the other into the transaction that is being staged."""

import hashlib
from binascii import hexlify

from ota import release_store, session, staging
from ota.errors import Refused


class Files:
    """Takes the entries that follow description and signature; see release.Reader."""

    begun = True

    def __init__(self):
        self._listed = release_store.files()
        self._file = None  # the next of them
        self._writer = None
        self._hash = None  # of a file that is here already
        self._ring = None  # content of a new keyring
        self.advance()

    def advance(self):
        """Go on to the next file that is listed."""
        self._file = next(self._listed, None)

    def go_on(self, inside):
        """Continue *inside* bytes within the next file; return (name, size, inside) of it."""
        name, path, size, _, _ = self._file
        self._open(path, size, inside)
        return name, size, inside

    def entry(self, index, name, size, check):
        """Begin a file. Raises Refused unless it is the one that is listed next."""
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
        if path == release_store.KEYRING or _is_needed(path):
            self._writer = staging.open_file(path, offset)
        else:
            # Here already: only to be compared with what was listed.
            self._hash = hashlib.sha256()

    def data(self, view):
        """Take a piece of the present file. Raises Refused."""
        if self._writer:
            if self._ring is not None:
                self._ring.extend(view)
            self._writer.write(view)
        else:
            self._hash.update(view)

    def entry_end(self, index):
        """End the present file. Raises Refused."""
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
        self.advance()

    def trailer(self, index):
        """See that no file is missing. Raises Refused."""
        if self._file:
            raise Refused(400, "missing_entry/end", self._file[0])

    def leave(self):
        """Close what is open."""
        if self._writer:
            self._writer.abandon()
            self._writer = None
        self._listed.close()


def _is_needed(path):
    """Return True when the file *path* is still to be written, wholly or in part."""
    kind, name, size, _, _ = staging.lookup(path, session.current()[0])
    return kind != "=" and session.received(name) != int(size)
