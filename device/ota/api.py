"""What everyone may know of the device, and a new password."""

import json
import sys
from binascii import hexlify
from micropython import const

import ota
from ota.access import REALM, host_name, ip, is_sha256, secret_of, sha256
from ota.errors import Refused

_PROBE = b"pico-ota?1"
_MIN_NONCE = const(4)
_MAX_NONCE = const(32)
_MAX_TEXT = const(64)  # keeps the answer to a probe below 512 bytes


async def info(device, head):
    """Tell enough to find and recognise a device, nothing more: this needs no password."""
    service = device.service
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


async def version(device, head):
    """Tell what clients of CircuitPython's web workflow, such as circup, ask for first."""
    service, implementation = device.service, sys.implementation
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


async def password(device, head):
    """Set a new password; it is asked for from the next request on."""
    asked, access, user = await head.body.json(), device.access, device.service.auth[0]
    if "masked" in asked:
        masked, salt = asked["masked"], asked.get("salt")
        if not _is_secret(masked) or not _is_secret(salt):
            raise Refused(400, "bad_password/masked")
        mask = sha256("%s:new password:%s" % (access.secret, salt))
        secret = "%064x" % (int(masked, 16) ^ int(mask, 16))
        # Else one that was changed on its way, or is of another user, would lock everybody out.
        if sha256("%s:%s" % (secret, mask)) != asked.get("check"):
            raise Refused(400, "bad_password/check")
    elif not device.service.basic:
        raise Refused(400, "bad_password/off")
    else:
        word = asked.get("password")
        try:
            ota.once("wifi_help", "check_credentials", user, word)
        except ValueError as error:
            raise Refused(400, "bad_password/clear", str(error))
        secret = secret_of(user, word)
    access.change(secret)
    device.service.log("The password was changed.")
    return 204, None, ()


def _is_secret(value):
    return isinstance(value, str) and is_sha256(value)
