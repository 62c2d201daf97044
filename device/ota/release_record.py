"""What is remembered of a release that is being taken in, so that it can go on after a break.

`/.ota/release` is its description as it came, `/.ota/release.json` says which session of the
transaction it belongs to. A record that does not fit the transaction or the text counts as none.
"""

import json
from micropython import const

import ota_boot
from ota.flash import digest

TEXT = "/.ota/release"
RECORD = "/.ota/release.json"
_MAX_RECORD = const(512)


def save(session, text_size, sign_size, signer):
    """Remember that TEXT is the release staged as *session*. Raises OSError."""
    record = {
        "id": session,
        "text": digest(TEXT),
        "size": text_size,
        "signature": sign_size,
        "signer": signer,
    }
    with open(RECORD, "w") as out:
        json.dump(record, out)


def load(status):
    """Return the record of the release that is being staged as *status* says, or None."""
    if status["state"] != "staging":
        return None
    try:
        with open(RECORD) as source:
            record = json.loads(source.read(_MAX_RECORD))
        good = record["id"] == status["id"] and record["text"] == digest(TEXT)
        return record if good else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove():
    """Forget the release."""
    # The record goes first: without it nobody trusts the text.
    ota_boot.remove(RECORD)
    ota_boot.remove(TEXT)


def clean(transaction):
    """Remove what no resume can use; for the start of the service."""
    if load(transaction.status()) is None:
        remove()
