"""Which names may be used on this device. No disk, no network."""

from ota.errors import Refused

#: Longest path in bytes. littlefs itself limits one name to 255 bytes.
MAX_PATH = 255
#: Deepest path in segments; bounds the work of making and pruning parents.
MAX_DEPTH = 16

#: Everything of ours that is not code: staged files, the kept set, state, settings.
PRIVATE = "/.ota"


def check(path):
    """Return *path*, an absolute path of a file or directory.

    Raises Refused(400) when a name in it could not be stored, or would mean another place.
    """
    if not path or path[0] != "/":
        raise Refused(400, "bad_path/start", path[:40])
    # Counting characters first: encoding a long string would allocate by an outside size.
    if len(path) > MAX_PATH or len(path.encode()) > MAX_PATH:
        raise Refused(400, "bad_path/long", MAX_PATH)
    segments = path[1:].split("/")
    if len(segments) > MAX_DEPTH:
        raise Refused(400, "bad_path/deep", MAX_DEPTH)
    for name in segments:
        _check_name(name, path)
    return path


def _check_name(name, path):
    if name in ("", ".", ".."):
        raise Refused(400, "bad_path/name", path)
    for char in name:
        if char < " " or char in "\\\x7f":
            raise Refused(400, "bad_path/chars", path)


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
        _check_utf8(out)
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


def _check_utf8(data):
    """Raise ValueError unless *data* is well-formed UTF-8 (RFC 3629, no surrogates)."""
    at = 0
    while at < len(data):
        lead = data[at]
        at += 1
        if lead < 0x80:
            continue
        for first, last, count, low, high in _UTF8:
            if first <= lead <= last:
                break
        else:
            raise ValueError
        for index in range(count):
            byte = data[at] if at < len(data) else 0
            if not (low if index == 0 else 0x80) <= byte <= (high if index == 0 else 0xBF):
                raise ValueError
            at += 1


# lead byte from, to; continuation bytes; the first of them from, to (RFC 3629 section 4)
_UTF8 = (
    (0xC2, 0xDF, 1, 0x80, 0xBF),
    (0xE0, 0xE0, 2, 0xA0, 0xBF),
    (0xE1, 0xEC, 2, 0x80, 0xBF),
    (0xED, 0xED, 2, 0x80, 0x9F),
    (0xEE, 0xEF, 2, 0x80, 0xBF),
    (0xF0, 0xF0, 3, 0x90, 0xBF),
    (0xF1, 0xF3, 3, 0x80, 0xBF),
    (0xF4, 0xF4, 3, 0x80, 0x8F),
)


def is_private(path):
    """Return True for what no request may read or write: `/.ota` and all below it."""
    return path == PRIVATE or path.startswith(PRIVATE + "/")
