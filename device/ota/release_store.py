"""What is remembered of a release that is being taken in, so that it can go on after a break.

`/.ota/release` is its description as it came, `/.ota/release.json` says which session of the
transaction it belongs to. A record that does not fit the transaction or the text counts as none.
"""

import json
import os
from micropython import const

TEXT = "/.ota/release"
RECORD = "/.ota/release.json"
#: Where the trusted keys are kept once a release has replaced those of the application.
KEYRING = "/ota/keys.json"
#: A line is shorter than this.
MAX_LINE = 512
_MAX_RECORD = const(512)
_CHUNK = const(256)


def lines(path):
    """Yield the lines of *path* as bytes without their ends, and None for what is no line.

    That is one that is too long, or has no end.
    """
    rest = b""
    with open(path, "rb") as source:
        while True:
            chunk = source.read(_CHUNK)
            if not chunk:
                break
            rest += chunk
            at = 0
            end = rest.find(b"\n")
            while end >= 0:
                yield rest[at:end] if end - at < MAX_LINE else None
                at = end + 1
                end = rest.find(b"\n", at)
            rest = rest[at:]
            if len(rest) >= MAX_LINE:
                break
    if rest:
        yield None


def files():
    """Yield (name, path, size, sha256, check) of each file in TEXT, which was checked before."""
    for line in lines(TEXT):
        if line[:2] == b"{ ":
            part = line.decode().split('"')
            yield part[1], part[3], int(part[6][9:-11]), part[5], int(part[7], 16)


def save(session, version, text_size, sign_size, signer):
    """Remember that TEXT is the release staged as *session*. Raises OSError."""
    from ota.flash import digest

    record = {
        "id": session,
        "version": version,
        "text": digest(TEXT),
        "size": text_size,
        "signature": sign_size,
        "signer": signer,
    }
    with open(RECORD, "w") as out:
        json.dump(record, out)


def load():
    """Return the record of the release that is being staged, or None."""
    from ota import records
    from ota.flash import digest

    state = records.load()
    if state["state"] != "staging":
        return None
    try:
        with open(RECORD) as source:
            record = json.loads(source.read(_MAX_RECORD))
        if record["id"] != state["id"] or record["text"] != digest(TEXT):
            return None
        records.plan_of(state)
        return record
    except (OSError, ValueError, KeyError, TypeError, records.Damaged):
        return None


def remove():
    """Forget the release."""
    # The record goes first: without it nobody trusts the text.
    for path in (RECORD, TEXT):
        try:
            os.remove(path)
        except OSError:
            pass  # there is none
