"""Which state of a file a request means: its SHA-256 in quotes. No disk, no network."""

from ota.errors import Refused


def quoted(digest):
    """Return the ETag of a file with this SHA-256 (64 hex)."""
    return '"%s"' % digest


def names(text, digest):
    """Return True when *text*, the value of If-Match or If-None-Match, names this state.

    *digest* is the SHA-256 of what is there (64 hex), None when there is nothing. Raises
    Refused(400) when *text* is empty.
    """
    if not text:
        raise Refused(400, "bad_header/tag")
    if digest is None:
        return False
    for tag in text.split(","):
        tag = tag.strip(" \t")
        if tag == "*" or (tag[2:] if tag[:2] == "W/" else tag).strip('"') == digest:
            return True
    return False
