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


def check_utf8(data):
    """Raise ValueError unless *data* is well-formed UTF-8 (RFC 3629, no surrogates)."""
    at = 0
    while at < len(data):
        lead = data[at]
        at += 1
        if lead < 0x80:
            continue
        for row in range(0, len(_UTF8), 5):
            first, last, count, low, high = _UTF8[row : row + 5]
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
    b"\xc2\xdf\x01\x80\xbf"
    b"\xe0\xe0\x02\xa0\xbf"
    b"\xe1\xec\x02\x80\xbf"
    b"\xed\xed\x02\x80\x9f"
    b"\xee\xef\x02\x80\xbf"
    b"\xf0\xf0\x03\x90\xbf"
    b"\xf1\xf3\x03\x80\xbf"
    b"\xf4\xf4\x03\x80\x8f"
)


def is_private(path):
    """Return True for what no request may read or write: `/.ota` and `/.r`, and all below."""
    top = path.split("/", 2)[1]
    # The latter is where ota/__init__.py has the modules to import.
    return top in (".ota", ".r")
