"""Where a release that was interrupted goes on: all of it follows from what is on the flash."""

from ota import arrivals, release_store
from ota.cpio import span
from ota.errors import Refused


def pending():
    """Return {"received", "version", "signer", "sha256"} of a release half here, or None.

    *received* is the byte of the archive to go on with, *sha256* that of its sw-description.
    """
    record = release_store.load()
    if record is None:
        return None
    return {
        "received": _place(record)[3],
        "version": record["version"],
        "signer": record["signer"],
        "sha256": record["text"],
    }


def find_place(offset):
    """Return (record, files here, where the next entry begins, bytes of its content here).

    Raises Refused(409) with `received` unless the release half here goes on at *offset*.
    """
    record = release_store.load()
    here, position, inside, received = _place(record) if record else (0, 0, 0, 0)
    if record is None or received != offset:
        raise Refused(409, "wrong_offset/release", received, received=received)
    return record, here, position, inside


def _place(record):
    position = span("sw-description", record["size"])
    if record["signature"]:
        position += span("sw-description.sig", record["signature"])
    here = 0
    listed, staged = release_store.files(), arrivals.files()
    for name, path, size, _, _ in listed:
        _, _, received, needed = next(staged)
        if needed:
            break
        position += span(name, size)
        here += 1
    else:
        received = 0
    listed.close()
    staged.close()
    # A keyring is read as a whole, so it comes as a whole. The next entry is complete only once
    # its file was closed: then it was passed over above.
    inside = received if received and path != release_store.KEYRING else 0
    return here, position, inside, position + (span(name, 0) + inside if inside else 0)
