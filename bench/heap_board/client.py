"""What the scenarios of bench/heap.py share: a client, and steps that look for the peak.

Made before the first measurement, so none of it counts.
"""

import asyncio
import binascii
import os
import socket
import time

# The files are the host's here: a Pico 2 W's flash, empty.
os.statvfs = lambda path: (4096, 4096, 640, 600, 600, 0, 0, 0, 0, 255)

_HEAD = (
    "%s %s HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Basic "
    + binascii.b2a_base64(b"admin:otapico").decode().strip()
    + "\r\nX-Requested-With: bench\r\nContent-Length: %d\r\n\r\n"
)
_IN = 1
_STEPS_MAX = 50000  # of one request: far more than any needs


class Wifi:
    """A network that is there."""

    ip = "127.0.0.1"

    def is_connected(self):
        return True


class Client(socket.Wire):
    """One kept connection; bodies come from a file of the host, or are one byte repeated."""

    def __init__(self):
        super().__init__()
        self._source = None
        self._byte = 0
        self.idle = False  # whether the service waits for the next request

    def ask(self, method, path, size=0, source=None, byte=0):
        self._source, self._byte, self.idle = source, byte, False
        self.send_request((_HEAD % (method, path, size)).encode(), size)

    def dial(self, port=8080):
        socket._listening[port].waiting.append(self)

    def ioctl(self, request, flags):
        ready = super().ioctl(request, flags)
        if self.answered and flags & _IN and not ready & _IN:
            self.idle = True
        return ready

    def readinto(self, buf):
        if self._head or not self._body:
            return super().readinto(buf)
        n = min(self._body, len(buf), 6400)  # lwIP's window
        view = memoryview(buf)[:n]
        if self._source is not None:
            n = self._source.readinto(view)
        else:
            for at in range(n):
                view[at] = self._byte
        self._body -= n
        return n


def settle():
    """Step until the loops of the service have come round twice; return what is held."""
    until = time.ticks_add(time.ticks_ms(), 1200)
    while time.ticks_diff(until, time.ticks_ms()) > 0:
        yield asyncio.step()
    return (yield)


def started(settings, wifi=None):
    """Boot as the board does and start the service; return it."""
    __import__("ota_boot").run()
    from service_ota import OTAUpdateService

    service = OTAUpdateService(wifi or Wifi(), **settings)
    task = asyncio.create_task(service.start())
    while not task.done():
        yield asyncio.step()
    # Nothing is measured in here: a frame's unused stack still keeps alive what was on it last.
    return service


def answer(client, status):
    """Step until the request is answered with *status*; return the most that was held."""
    peak = 0
    for _ in range(_STEPS_MAX):
        if client.idle or client.closed:
            break
        peak = max(peak, (yield asyncio.step()))
    if client.status.split(b" ")[1] != status:
        raise ValueError("expected %r, got %r" % (status, client.status))
    return peak
