"""Percent-encoding, as in the path of a request. No disk, no network."""

from ota.errors import Refused
from ota.paths import MAX_PATH, check_utf8


def decode(raw):
    """Return the text of the percent-encoded *raw* (str), decoded exactly once.

    Raises Refused(400) when an escape is incomplete or the bytes are not UTF-8.
    """
    if len(raw) > 3 * MAX_PATH:
        raise Refused(400, "bad_path/long", MAX_PATH)
    out = bytearray()
    source = raw.encode()
    at = 0
    try:
        while at < len(source):
            if source[at] == 0x25:  # '%'
                out.append(_hex_byte(source, at + 1))
                at += 3
            else:
                out.append(source[at])
                at += 1
        # MicroPython builds differ in whether decode() checks UTF-8, so do it here.
        check_utf8(out)
        return bytes(out).decode()
    except ValueError:
        raise Refused(400, "bad_path/encoding", raw[:60])


def _hex_byte(source, at):
    # int() takes '+1' and ' 1' too, which are no escapes.
    value = 0
    if at + 2 > len(source):
        raise ValueError
    for code in source[at : at + 2]:
        digit = "0123456789abcdef".find(chr(code).lower())
        if digit < 0:
            raise ValueError
        value = value * 16 + digit
    return value
