"""Which names and `.mpy` files may be used here, and what belongs to the updater. No disk."""

import sys
from micropython import const

from ota import names
from ota.errors import Refused

# Longest path in bytes. littlefs itself limits one name to 255 bytes.
_MAX_PATH = const(255)
# Deepest path in segments; bounds the work of making and pruning parents.
_MAX_DEPTH = const(16)
#: Everything of ours that is not code: staged files, the previous set, state, settings.
PRIVATE = "/.ota"

# What an archive calls a file has these characters, and the last so many of its name.
_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_MAX_STEM = const(48)

# Here and below names are compared as bytes: MicroPython looks each new text up among all names
# that it knows, and a new character of a text would be interned for ever.
_MODULES = (b"ota_boot", b"service_ota", b"manager_wifi")


def check(path):
    """Return *path*, an absolute path of a file or directory.

    Raises Refused(400) when a name in it could not be stored, or would mean another place.
    """
    if not path.startswith("/"):
        raise Refused(400, "bad_path/start", path[:40])
    # Counting characters first: encoding a long string would allocate by an outside size.
    raw = b"" if len(path) > _MAX_PATH else path.encode()
    if not 0 < len(raw) <= _MAX_PATH:
        raise Refused(400, "bad_path/long", _MAX_PATH)
    parts = raw[1:].split(b"/")
    if len(parts) > _MAX_DEPTH:
        raise Refused(400, "bad_path/deep", _MAX_DEPTH)
    for name in parts:
        if name in (b"", b".", b".."):
            raise Refused(400, "bad_path/name", path)
    for code in raw:
        if code < 0x20 or code in b"\\\x7f":
            raise Refused(400, "bad_path/chars", path)
    return path


def decode(raw):
    """Return the text of the percent-encoded *raw* (str), decoded exactly once.

    Raises Refused(400) when an escape is incomplete or the bytes are not UTF-8.
    """
    if len(raw) > 3 * _MAX_PATH:
        raise Refused(400, "bad_path/long", _MAX_PATH)
    out = bytearray()
    at = 0
    source = raw.encode()
    try:
        while at < len(source):
            code = source[at]
            at += 1
            if code == 0x25:  # '%'
                code = _hex_byte(source[at : at + 2])
                at += 2
            out.append(code)
        names.check_utf8(out)
        return str(out, "utf-8")
    except ValueError:
        raise Refused(400, "bad_path/encoding", raw[:60])


def _hex_byte(digits):
    # int() takes '+1' and ' 1' too, which are no escapes.
    value = 0
    for code in digits:
        digit = b"0123456789abcdef".find(bytes((code | 0x20 if code >= 0x40 else code,)))
        if digit < 0:
            raise ValueError
        value = value * 16 + digit
    if len(digits) != 2:
        raise ValueError
    return value


def is_private(path):
    """Return True for what no request may read or write: `/.ota` and `/.r`, and all below."""
    # The latter is where ota/__init__.py has the modules to import.
    return _top(path) in (b".ota", b".r")


def _top(path):
    return path.encode()[1:].split(b"/", 1)[0]


def is_updater(path):
    """Return True for the files that the updater needs to run, and for their folders."""
    top = _top(path)
    # A folder of the module's name too, even an empty one: an import prefers it to the file.
    return top in (b"boot.py", b"ota") or top.split(b".")[0] in _MODULES


def is_fixed(path):
    """Return True for what of the updater is found by its name, or would be in its place.

    A single request may replace /boot.py, but not add, move or delete any of it.
    """
    return is_updater(path) and path.count("/") == 1


def is_code(path):
    """Return True for code and keys of the updater, which only an update may touch.

    Without one of them there may be no way in any more, nor a rescue mode.
    """
    ends = path[path.rfind(".") + 1 :] in ("py", "mpy", "pack", "json")
    return ends and path != "/boot.py" and is_updater(path)


def check_brought(path):
    """Raise Refused when *path* would never be run, or never be found, or is an escaped name."""
    raw = path.encode()
    if len(names.real(path)) != len(raw):
        raise Refused(400, "bad_path/chars", path)
    if path in ("/main.mpy", "/boot.mpy"):
        raise Refused(400, "bad_path/compiled", path)
    top, _, below = raw[1:].partition(b"/")
    if below and top != b"ota" and is_updater(path):
        raise Refused(403, "protected/folder", path)
    if below and top == b"main.py":
        raise Refused(409, "not_directory/parent", "/main.py")
    # What is in `/` comes before `/lib`, and a folder before a file.
    name = top if top in (b"ota.py", b"ota.mpy") else b""
    if top == b"lib":
        name = below.split(b"/", 1)[0]
    stem = name.split(b".")[0]
    if stem in _MODULES + (b"ota",) and name[len(stem) :] in (b"", b".py", b".mpy"):
        raise Refused(409, "hidden/module", path, stem.decode())


def target(rest):
    """Return (path, True when a folder was asked for) of what follows `/fs/`, percent-encoded.

    Raises Refused(400).
    """
    text = decode(rest)
    if not text:
        return "/", True
    wants_dir = text.endswith("/")
    return check("/" + (text[:-1] if wants_dir else text)), wants_dir


def guard(path, head):
    """Raise Refused(403) when the request *head* must not change *path*.

    A request can say that it means a file of the updater; `/.ota` stays closed even then, and so
    does what only an update replaces, which can be undone.
    """
    if is_private(path):
        raise Refused(403, "protected/records", PRIVATE)
    if is_code(path):
        raise Refused(403, "protected/code", path)
    if is_updater(path) and head.headers.get("x-ota-protected") != "yes":
        raise Refused(403, "protected/updater", path)


def entry_name(number, path):
    """Return what the archive calls file *number* of the description, which is to be at *path*."""
    stem = path[path.rfind("/") + 1 :][-_MAX_STEM:]
    for code in stem.encode():
        if code not in _SAFE:
            stem = "".join(
                [char if char < "\x7f" and ord(char) in _SAFE else "_" for char in stem]
            )
            break
    return "%04d-%s" % (number, stem)


def mpy_problem(head):
    """Return why this firmware cannot load a `.mpy` that begins with the bytes *head*, or None."""
    own = getattr(sys.implementation, "_mpy", 0)
    version, sub, arch = own & 0xFF, own >> 8 & 3, own >> 10 & 15
    bits = 31 if sys.maxsize < 1 << 32 else 63
    if len(head) < 4 or head[0] != 0x4D:
        return "it is no .mpy file"
    its_arch = head[2] >> 2 & 15
    its_sub = head[2] & 3
    if head[1] != version or (its_arch and its_sub != sub):
        return "it has format %d.%d, this firmware loads %d.%d" % (head[1], its_sub, version, sub)
    # Thumb cores run the code of their smaller relatives: armv6m (4) up to armv7emdp (8).
    if its_arch and its_arch != arch and not 4 <= its_arch <= arch <= 8:
        return "it is for architecture %d, this board has %d" % (its_arch, arch)
    if head[3] > bits:
        return "it has integers of %d bits, this firmware %d" % (head[3], bits)
    return None
