"""Names as texts: what is UTF-8, and names on the flash that no request could spell. No disk."""


def check_utf8(data):
    """Raise ValueError unless *data* is well-formed UTF-8 (RFC 3629, no surrogates).

    MicroPython's own check takes overlong forms and surrogates.
    """
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


def shown(raw):
    """Return the name *raw* (bytes) as a text that a request can spell.

    littlefs takes any name. A byte that is no text, a control character or a backslash stands as
    the character U+F000 and its value; real() is the way back.
    """
    odd = 0x80
    try:
        check_utf8(raw)
        for code in range(0x80, 0x84):  # a name that looks like an escaped one
            if bytes((0xEF, code)) in raw:
                break
        else:
            odd = 0x100
    except ValueError:
        pass
    out = bytearray()
    for code in raw:
        if code < 0x20 or code in b"\\\x7f" or code >= odd:
            out.extend((0xEF, 0x80 | code >> 6, 0x80 | code & 0x3F))
        else:
            out.append(code)
    return str(out, "utf-8")


def real(path):
    """Return the bytes by which the file system knows *path*, which may hold names of shown()."""
    raw = path.encode()
    at = raw.find(b"\xef")
    while at >= 0:
        code = (raw[at + 1] & 0x3F) << 6 | raw[at + 2] & 0x3F
        # Nothing else, or an escaped "/" or a zero could lead to another place.
        if 0 < code < 0x20 or code in (0x5C, 0x7F) or 0x80 <= code < 0x100:
            raw = raw[:at] + bytes((code,)) + raw[at + 3 :]
        at = raw.find(b"\xef", at + 1)
    return raw
