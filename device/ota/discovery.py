"""Answers those who look for devices on the local network; src/pico_ota/discovery.py asks.

A probe is a UDP datagram to port 8081, sent to everyone or to this device: `pico-ota?1` and a
nonce of 4 to 32 bytes. The answer is one line of JSON of at most 512 bytes with the nonce in hex.
It says what `/api/v1/info` says to everyone, and no more.
"""

import asyncio
import json
import socket
import sys
import time
from binascii import hexlify
from micropython import const

from ota import __version__

PORT = 8081
_PROBE = b"pico-ota?1"
_MIN_NONCE = const(4)
_MAX_NONCE = const(32)
_MAX_TEXT = const(64)  # keeps the answer below 512 bytes
# The sender of a datagram can be forged, and an answer is longer than a probe: this bounds what
# anyone can make a device send to somebody else, at 2 KB in a second.
_ANSWERS = const(4)
_WINDOW_MS = const(1000)
_PAUSE_MS = const(100)


async def serve(service, port=PORT):
    """Answer probes until cancelled. Raises OSError when *port* is taken."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])
        since, left = time.ticks_ms(), _ANSWERS
        while True:
            await _readable(sock)
            try:
                probe, sender = sock.recvfrom(len(_PROBE) + _MAX_NONCE + 1)
            except OSError:
                await asyncio.sleep_ms(_PAUSE_MS)
                continue
            nonce = nonce_of(probe)
            if nonce is None:
                continue
            now = time.ticks_ms()
            if time.ticks_diff(now, since) >= _WINDOW_MS:
                since, left = now, _ANSWERS
            if left:
                left -= 1
                try:
                    sock.sendto(answer(service, nonce), sender)
                except OSError:
                    pass  # no memory or no route right now; who asks will ask again
    finally:
        sock.close()


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
            "name": _name(service)[:_MAX_TEXT],
            "port": service.port,
            "board": getattr(sys.implementation, "_machine", sys.platform)[:_MAX_TEXT],
            "release": __version__,
            "boot_id": service.boot_id,
            "nonce": hexlify(nonce).decode(),
        }
    ).encode()


def _name(service):
    name = service.name or getattr(service.wifi_service, "hostname", None)
    if not name:
        import network

        name = network.hostname()
    return name


async def _readable(sock):
    # What asyncio's own streams wait with; they know no datagrams.
    yield asyncio.core._io_queue.queue_read(sock)
