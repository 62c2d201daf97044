"""`/` and `/api/v1/…`: the page, what the device is and does, a new password."""

import gc
import json
import sys
from binascii import hexlify
from micropython import const

import ota
from ota.access import REALM, host_name, ip, is_sha256, secret_of, sha256
from ota.errors import Refused

# The page as it is sent, and its ETag and policy on a line each; tools/build_page.py makes both.
_PAGE = "/ota/page.html.gz"
_ABOUT = "/ota/page.txt"

_PROBE = b"pico-ota?1"
_MIN_NONCE = const(4)
_MAX_NONCE = const(32)
_MAX_TEXT = const(64)  # keeps the answer to a probe below 512 bytes


async def page(device, head):
    """Send the page, compressed as it lies on the flash."""
    tag, policy = _about()
    headers = (
        ("ETag", tag),
        ("Content-Security-Policy", policy),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Encoding", "gzip"),
    )
    if head.headers.get("if-none-match") == tag:
        return 304, None, headers
    return 200, _File(_PAGE), headers


def _about():
    # In a frame of its own, which keeps the file and its buffer no longer than it is needed.
    with open(_ABOUT) as about:
        return about.read().strip().split("\n")


class _File:
    """An open file as a handler returns it. Raises OSError."""

    def __init__(self, path):
        file = open(path, "rb")
        self.left = file.seek(0, 2)
        file.seek(0)
        self.readinto = file.readinto
        self.close = file.close


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
        "version": _micropython(),
        "board_id": implementation._machine,
        "board_name": implementation._machine,
        "hostname": host_name(service),
        "ip": ip(service.wifi_service),
        "port": service.port,
    }
    return 200, answer, ()


def _micropython():
    return ".".join([str(part) for part in sys.implementation.version[:3]])


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


async def status(device, head):
    """Tell all that a page or a terminal shows of the device."""
    service, implementation = device.service, sys.implementation
    answer = ota.load("transaction").status()
    trial, guard = answer["trial"], sys.modules.get("ota_boot")
    answer["supervised"] = None
    if guard and guard.supervisor:
        proof = {"remaining_s": guard.supervisor.left_s, "stays_in_s": _stays_in_s(service, trial)}
        if trial:
            trial.update(proof)
        else:
            answer["supervised"] = proof
    answer["update"] = _staged(answer.pop("id"), answer.pop("next"), answer["state"])
    free, total, block = ota.load("flash").space()
    default = device.access.is_password(ota.DEFAULT_PASSWORD)
    warnings = list(service.notes)
    if default:
        warnings.append("The default password is in use. Choose another one.")
    gc.collect()
    answer.update(
        {
            "boot_id": service.boot_id,
            "name": host_name(service),
            "ip": ip(service.wifi_service),
            "mode": service.mode,
            "board": implementation._machine,
            "micropython": _micropython(),
            "mpy": implementation._mpy,
            "uptime_s": service.uptime_ms // 1000,
            "trial_deadline_s": service.trial_deadline_s,
            "flash": {"total": total, "free": free, "block": block},
            "memory": {"free": gc.mem_free(), "used": gc.mem_alloc()},
            "wifi": {"rssi": _rssi(service.wifi_service)},
            "changed": list(service.changed),
            "traceback": ota.load("console").traceback() and ota.once("printed", "traceback"),
            "require_signed": service.require_signed,
            "default_password": default,
            "user": service.auth[0],
            "login": service.login,
            "upload": device.upload,
            "fleet": service.fleet and _fleet(service, service.fleet, warnings),
            "warnings": warnings,
        }
    )
    return 200, answer, ()


def _stays_in_s(service, trial):
    """Return after how many seconds what runs is proven, None if the application has to say so."""
    if trial and not service.auto_confirm:
        return None
    if service.good_ms is None:
        return 0
    return max(0, int(service.confirm_after_s) - service.good_ms // 1000)


def _fleet(service, fleet, warnings):
    if not service.require_signed:
        warnings.append(
            "Whoever can pose as the fleet server can install anything: set public_key."
        )
    polled = fleet.polled_ms
    return {
        "server": fleet.url,
        "id": fleet.id,
        "state": fleet.state,
        "offered": fleet.offered,
        "polled_s": None if polled is None else (service.uptime_ms - polled) // 1000,
        "error": fleet.error,
    }


def _staged(session, version, state):
    if state != "staging":
        return None
    count = total = here = 0
    for _, size, received, _ in ota.load("staging").files():
        count += 1
        total += size
        here += received
    return {"id": session, "version": version, "files": count, "bytes": total, "received": here}


def _rssi(wifi):
    """Return the signal strength in dBm, or None when the Wi-Fi object cannot tell."""
    try:
        return wifi.rssi if hasattr(wifi, "rssi") else wifi.status("rssi")
    except (AttributeError, OSError, ValueError, TypeError):
        return None


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
