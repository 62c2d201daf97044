"""Finding devices on the local network: the host half.

A datagram of `PROBE` and a nonce of eight bytes goes to UDP port 8081, to everyone or to one
address; a device answers with one line of JSON of at most 512 bytes that repeats the nonce in hex:
``{"service":"pico-ota","name":…,"port":…,"board":…,"release":…,"boot_id":…,"nonce":…}``.
The device half is ``device/ota/discovery.py``.
"""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from select import select

from .target import DEFAULT_PORT

PORT = 8081
PROBE = b"pico-ota?1"
MAX_ANSWER = 512
_NONCE = 8
_AGAIN_S = 0.5  # Wi-Fi loses broadcasts: they are not acknowledged as other frames are


@dataclass(frozen=True)
class Device:
    """A device that answered.

    Attributes:
        name: its host name.
        address: where the answer came from.
        port: where its web server listens.
        board: what it runs on.
        release: the release of pico-ota on it.
        boot_id: another one after each restart.
    """

    name: str
    address: str
    port: int
    board: str
    release: str
    boot_id: str

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        return f"http://{self.address}:{self.port}"


def discover(hosts: Iterable[str] = (), timeout_s: float = 2.0, port: int = PORT) -> list[Device]:
    """Ask *hosts*, or everyone on the local networks when none are given.

    Returns:
        Who answered within *timeout_s*, sorted by name; each once.
    """
    hosts = list(hosts)
    nonce = secrets.token_bytes(_NONCE)
    probe = PROBE + nonce
    found: dict[tuple[str, str], Device] = {}
    with ExitStack() as stack:
        routes = [(stack.enter_context(sock), places) for sock, places in _routes(hosts, port)]
        end = time.monotonic() + timeout_s
        again = 0.0
        while (now := time.monotonic()) < end:
            if now >= again:
                for sock, places in routes:
                    _send(sock, probe, places)
                again = now + _AGAIN_S
            pause = max(0.0, min(again, end) - now)
            readable, _, _ = select([sock for sock, _ in routes], [], [], pause)
            for sock in readable:
                device = _receive(sock, nonce)
                if device is not None:
                    found[device.boot_id, device.name] = device
            if hosts and len(found) >= len(hosts):
                break
    return sorted(found.values(), key=lambda device: (device.name, device.address))


def parse_answer(data: bytes, nonce: bytes, address: str) -> Device | None:
    """The device that *data* describes; None for anything that is not an answer to *nonce*."""
    if len(data) > MAX_ANSWER:
        return None
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or answer.get("nonce") != nonce.hex():
        return None
    port = answer.get("port", DEFAULT_PORT)
    if answer.get("service") != "pico-ota" or not isinstance(port, int) or not 0 < port < 65536:
        return None
    texts = [answer.get(key) for key in ("name", "board", "release", "boot_id")]
    name, board, release, boot_id = (text if isinstance(text, str) else "" for text in texts)
    return Device(name or address, address, port, board, release, boot_id)


def _routes(hosts: list[str], port: int) -> Iterator[tuple[socket.socket, list[tuple[str, int]]]]:
    if hosts:
        yield _socket(""), [(address, port) for address in _addresses(hosts)]
        return
    # One socket per network of this computer: a broadcast leaves by the one it is bound to.
    for local in _local_addresses():
        try:
            yield _socket(local), [("255.255.255.255", port)]
        except OSError:
            continue


def _socket(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setblocking(False)
        sock.bind((address, 0))
    except OSError:
        sock.close()
        raise
    return sock


def _addresses(hosts: Iterable[str]) -> Iterator[str]:
    for host in hosts:
        try:
            found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            continue
        yield str(found[0][4][0])


def _local_addresses() -> list[str]:
    found = {""}
    try:
        names = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        found |= {str(entry[4][0]) for entry in names}
    except (OSError, UnicodeError):
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing: it only asks for the route out
            found.add(str(sock.getsockname()[0]))
        except OSError:
            pass
    return sorted(address for address in found if not address.startswith("127."))


def _send(sock: socket.socket, probe: bytes, places: Iterable[tuple[str, int]]) -> None:
    for place in places:
        try:
            sock.sendto(probe, place)
        except OSError:
            continue  # no such network right now: the others may still answer


def _receive(sock: socket.socket, nonce: bytes) -> Device | None:
    try:
        data, sender = sock.recvfrom(MAX_ANSWER + 1)
    except OSError:
        return None
    return parse_answer(data, nonce, str(sender[0]))
