"""Ports of the host that stand for the board's."""

from __future__ import annotations

import socket
from pathlib import Path

from pico_ota.sim.errors import SimError

_LISTEN = "0A"  # linux/include/net/tcp_states.h
_LOOPBACK = "0100007F"


class Port:
    """A loopback port that nobody else gets while the simulator runs, restarts included.

    It is held by a bound socket that never listens: with SO_REUSEADDR on both, the board's own
    socket can be bound beside it.
    """

    def __init__(self, number: int = 0, udp: bool = False) -> None:
        self.udp = udp
        self._socket = socket.socket(type=socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        if not udp:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", number))
        except OSError as error:
            self._socket.close()
            raise SimError(
                f"port {number} of 127.0.0.1 cannot be used: {error.strerror}"
            ) from error
        self.number: int = self._socket.getsockname()[1]
        self._guard = self._guard_against_another_simulator()
        if udp:
            # Two bound UDP sockets would share what arrives: here the number is all that is kept.
            self._socket.close()

    def _guard_against_another_simulator(self) -> socket.socket:
        # SO_REUSEADDR lets a second simulator bind the same number until one of them listens. A
        # name in Linux' abstract name space goes with its owner.
        guard = socket.socket(socket.AF_UNIX)
        try:
            guard.bind(f"\0pico-ota-sim-{'udp' if self.udp else 'tcp'}-{self.number}")
        except OSError as error:
            guard.close()
            self._socket.close()
            raise SimError(
                f"port {self.number} of 127.0.0.1 is used by another simulator"
            ) from error
        return guard

    @property
    def url(self) -> str:
        """Where a client finds it, without a slash at the end."""
        return f"http://127.0.0.1:{self.number}"

    def is_listening(self) -> bool:
        """Tell whether somebody listens there, without opening a connection."""
        wanted = f"{_LOOPBACK}:{self.number:04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1] == wanted and fields[3] == _LISTEN:
                return True
        return False

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()
        self._guard.close()
