"""What everyone may know of the device, what it has said and printed, and a new password."""

import json
import os
import sys
from binascii import hexlify
from micropython import const

import ota
from ota.access import PASSWORD, REALM, host_name, ip, is_sha256, secret_of, sha256
from ota.errors import Refused

_PROBE = b"pico-ota?1"
_MIN_NONCE = const(4)
_MAX_NONCE = const(32)
_MAX_TEXT = const(64)  # keeps the answer to a probe below 512 bytes

_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)
_PIECE = const(256)
_LEAST = (0, 0x80, 0x800, 0x10000)  # the first character that takes as many bytes


async def info(service, head):
    """Tell enough to find and recognise a device, nothing more: this needs no password."""
    answer = {
        "api": 1,
        "service": "pico-ota",
        "release": ota.__version__,
        "name": host_name(service),
        "auth": "Digest, Basic" if service.basic else "Digest",
        "realm": REALM,
        "boot_id": service.boot_id,
    }
    return 200, answer, ()


async def version(service, head):
    """Tell what clients of CircuitPython's web workflow, such as circup, ask for first."""
    implementation = sys.implementation
    answer = {
        "web_api_version": 4,
        "version": "%d.%d.%d" % implementation.version[:3],
        "board_id": implementation._machine,
        "board_name": implementation._machine,
        "hostname": host_name(service),
        "ip": ip(service.wifi_service),
        "port": service.port,
    }
    return 200, answer, ()


def reply(service, sock):
    """Take one datagram from *sock*, and answer it if it looks for devices. Raises OSError.

    A probe is a UDP datagram, sent to everyone or to this device: `pico-ota?1` and a nonce of 4 to
    32 bytes. The answer is one JSON object of at most 512 bytes, which says what info() says to
    everyone, and no more. The sender of a datagram can be forged, and an answer is longer than a
    probe: Beacon in ota/listener.py bounds what a device can be made to send to somebody else.
    """
    probe, sender = sock.recvfrom(len(_PROBE) + _MAX_NONCE + 1)
    nonce = probe[len(_PROBE) :]
    if not probe.startswith(_PROBE) or not _MIN_NONCE <= len(nonce) <= _MAX_NONCE:
        return
    answer = {
        "service": "pico-ota",
        "name": (host_name(service) or "")[:_MAX_TEXT],
        "port": service.port,
        "board": sys.implementation._machine[:_MAX_TEXT],
        "release": ota.__version__,
        "boot_id": service.boot_id,
        "nonce": hexlify(nonce).decode(),
    }
    sock.sendto(json.dumps(answer).encode(), sender)


async def password(service, head):
    """Set a new password; it is asked for from the next request on."""
    asked, access, user = await head.json(), service.access, service.auth[0]
    if "masked" in asked:
        masked, salt = asked["masked"], asked.get("salt")
        if not _is_secret(masked) or not _is_secret(salt):
            raise Refused(400, "bad_password/masked")
        mask = sha256("%s:new password:%s" % (access.secret, salt))
        secret = "%064x" % (int(masked, 16) ^ int(mask, 16))
        # Else one that was changed on its way, or is of another user, would lock everybody out.
        if sha256("%s:%s" % (secret, mask)) != asked.get("check"):
            raise Refused(400, "bad_password/check")
    elif not service.basic:
        raise Refused(400, "bad_password/off")
    else:
        word = asked.get("password")
        try:
            ota.once("wifi_help", "check_credentials", user, word)
        except ValueError as error:
            raise Refused(400, "bad_password/clear", str(error))
        secret = secret_of(user, word)
    keep_password(service, secret)
    service.log("The password was changed.")
    return 204, None, ()


def keep_password(service, secret):
    """Ask for the password of *secret* from now on, as long as the application is as it is.

    Raises OSError.
    """
    try:
        os.mkdir("/.ota")
    except OSError:
        pass  # there already; any other trouble shows at open
    # In place: littlefs makes a rewrite visible at close(), all or nothing.
    with open(PASSWORD, "wb") as target:
        target.write("%s %s" % (service.access.constructed, secret))
    service.access.secret = secret
    service.login = None


def _is_secret(value):
    return isinstance(value, str) and is_sha256(value)


def greeting(service):
    """Return the line that tells a person at the console where to go."""
    where = ip(service.wifi_service) or host_name(service)
    return "Listening at http://%s:%d" % (where, service.port)


# --- what was said and printed -----------------------------------------------------------------


async def log(service, head):
    """Tell the lines from number `since` on, as JSON or as text."""
    lines = service.log
    found = lines.since(_since(head))
    if not _wants_text(head):
        return 200, {"next": lines.next, "lines": found}, ()
    text = ["%s\n" % line for line in found]
    return 200, iter(["".join(text).encode()]), _TEXT


async def console(service, head):
    """Tell what the program has printed from byte number `since` on, as JSON or as text."""
    ring = ota.load("console").printed()
    number, data, missed = 0, b"", 0
    since = _since(head)
    if ring is not None:
        number = ring.next
        data, missed = ring.since(since)
    if _wants_text(head):
        return 200, (piece.encode() for piece in _pieces(data)), _TEXT
    begin = '{"boot_id": "%s", "next": %d, "missed": %d, "text": "'
    return 200, _told(begin % (service.boot_id, number, missed), data), ()


def _told(begin, data):
    yield begin.encode()
    for piece in _pieces(data):
        yield json.dumps(piece)[1:-1].encode()
    last = ota.load("console").traceback()
    yield ('", "traceback": %s}' % json.dumps(last and text_of(last))).encode()


def text_of(data):
    """Return what was printed as a text, as of _pieces()."""
    return "".join(_pieces(data))


def _pieces(data):
    """Yield *data*, which may be cut anywhere, or no text at all, as text, some of it a time."""
    at = 0
    while at < len(data):
        end = at + _PIECE
        while end < len(data) and (data[end] & 0xC0 == 0x80 or data[end] == 0x0A):
            end += 1  # neither within a character nor within a line end
        piece = data[at:end]
        at = end
        try:
            text = str(piece, "utf-8")
        except UnicodeError:
            text = ""
        # Of the same length it is plain ASCII; else it may be what only MicroPython takes.
        yield (text if len(text) == len(piece) else _mended(piece)).replace("\r\n", "\n")


def _mended(data):
    """Return *data* as text, with the replacement character for all that is not strictly UTF-8."""
    found = []
    at = 0
    while at < len(data):
        lead = data[at]
        size = 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        try:
            character = str(data[at : at + size], "utf-8")
            code = ord(character)
        except (UnicodeError, TypeError):
            code = -1
        if not _LEAST[size - 1] <= code <= 0x10FFFF or 0xD800 <= code < 0xE000:
            character, size = "\ufffd", 1
        found.append(character)
        at += size
    return "".join(found)


def _since(head):
    """Return the number that is asked for, 0 when none is. Raises Refused(400)."""
    since = head.asked("since") or "0"
    if not since.isdigit() or len(since) > 15:
        raise Refused(400, "bad_request/since", since[:20])
    return int(since)


def _wants_text(head):
    return "text/plain" in head.headers.get("accept", "") or head.asked("format") == "text"
