"""`socket` with the board's addresses moved onto the host's loopback.

The application's 0.0.0.0:8080 becomes 127.0.0.1 and a port of the host; the rest is untouched.
"""

import socket as _host
import time
from micropython import const
from socket import SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET

from _chip import W, poke
from _numbers import _PORTS

__name__ = "socket"
IPPROTO_TCP = const(6)  # the two that the unix port lacks
TCP_NODELAY = const(1)
_SO_RCVTIMEO = const(20)  # asm-generic/socket.h of Linux
_SO_SNDTIMEO = const(21)
_TWO_YEARS = b"\0\0\0\4" + bytes(12)  # struct timeval
_udp = False  # the kind of the socket made last: getaddrinfo() is seldom told


def __getattr__(name):
    return getattr(_host, name)


def socket(af=2, type=SOCK_STREAM, proto=0):
    """Return a socket of the host."""
    global _udp
    _udp = type == SOCK_DGRAM
    new = _host.socket(af, type, proto)
    if type == SOCK_STREAM:
        # The supervisor reserves the port by a bound socket of its own, see ports.py.
        new.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    # With a time limit, be it two years, a signal ends a blocking call: callbacks get their turn.
    new.setsockopt(SOL_SOCKET, _SO_RCVTIMEO, _TWO_YEARS)
    new.setsockopt(SOL_SOCKET, _SO_SNDTIMEO, _TWO_YEARS)
    return new


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0):
    """As the board's; an address to listen at becomes one of the host's loopback."""
    global _udp
    if port and host in ("0.0.0.0", ""):
        port = _host_port(port, type == SOCK_DGRAM if type else _udp)
        _udp = False
        host = "127.0.0.1"
    return _host.getaddrinfo(host, port, af, type, proto, flags)


def _host_port(port, udp):
    wanted = udp << 16 | port
    for slot in range(_PORTS, _PORTS + 16, 2):
        if W[slot] == wanted:
            break
        # Slot 0 is prepared for the first TCP port.
        if W[slot] == 0 and (slot > _PORTS or not udp):
            W[slot] = wanted
            poke()
            break
    else:
        raise OSError(12)
    while not W[slot + 1]:
        time.sleep_ms(1)
    return W[slot + 1]
