"""ota/reception.py: what it tells the sockets of a board."""

import asyncio
import socket
import sys

NODELAY = 64  # of lwIP on the rp2 port; another number prints a warning there and does nothing


class Socket:
    def __init__(self):
        self.options = []

    def setsockopt(self, level, option, value):
        self.options.append((level, option, value))

    def close(self):
        pass


class BoardSockets:
    """Stands for the module socket of the board."""

    TCP_NODELAY = NODELAY

    def __getattr__(self, name):
        return getattr(socket, name)


class Service:
    auth = ("admin", "otapico")
    allowed_hosts = ()
    on_progress = None


def test_answers_do_not_wait_for_acknowledgements():
    sys.modules["socket"] = BoardSockets()
    from ota.reception import Reception

    class Quiet(Reception):
        async def _run(self, connection):
            self._open.remove(connection)

    async def take():
        sock = Socket()
        Quiet(Service()).take(sock, ("192.168.1.9", 50000))
        await asyncio.sleep_ms(0)
        return sock.options

    assert asyncio.run(take()) == [(6, NODELAY, 1)]
