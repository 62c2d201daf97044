"""Answers those who look for devices on the local network; src/pico_ota/discovery.py asks.

A probe is a UDP datagram to port 8081, sent to everyone or to this device: `pico-ota?1` and a
nonce of 4 to 32 bytes. The answer is one line of JSON of at most 512 bytes with the nonce in hex.
It says what `/api/v1/info` says to everyone, and no more.

Loaded for each probe only. The sender of a datagram can be forged, and an answer is longer than
a probe: ota.listener.Beacon bounds what anyone can make a device send to somebody else.
"""

import json
import sys
from binascii import hexlify
from micropython import const

from ota import __version__, address

_PROBE = b"pico-ota?1"
_MIN_NONCE = const(4)
_MAX_NONCE = const(32)
_MAX_TEXT = const(64)  # keeps the answer below 512 bytes


def reply(service, sock):
    """Take one datagram from *sock* and answer it if it is a probe. Raises OSError."""
    probe, sender = sock.recvfrom(len(_PROBE) + _MAX_NONCE + 1)
    nonce = nonce_of(probe)
    if nonce is not None:
        sock.sendto(answer(service, nonce), sender)


def nonce_of(probe):
    """Return the nonce in the datagram *probe*, None when it is no probe."""
    size = len(probe) - len(_PROBE)
    if not _MIN_NONCE <= size <= _MAX_NONCE or probe[: len(_PROBE)] != _PROBE:
        return None
    return probe[len(_PROBE) :]


def answer(service, nonce):
    """Return the answer to a probe with *nonce*."""
    return json.dumps(
        {
            "service": "pico-ota",
            "name": (address.name(service) or "")[:_MAX_TEXT],
            "port": service.port,
            "board": getattr(sys.implementation, "_machine", sys.platform)[:_MAX_TEXT],
            "release": __version__,
            "boot_id": service.boot_id,
            "nonce": hexlify(nonce).decode(),
        }
    ).encode()
