"""Whether a good client is served while many bad ones hold on to their connections."""

import socket
import sys
import threading
import time

import httpx

from bench import board, figures
from bench.figures import Data, Row, at_most, kb, seconds
from bench.terminal import port_of
from pico_ota.sim import SimulatedPico

TITLE = "Slow clients"
_REQUEST = b"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Wait: " + b"x" * 900
_GROWTH = 2048  # what two readings of the heap differ by without any load


class Slow:
    """*count* clients that send one byte a second, and connect again when they are sent away."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._end = threading.Event()
        self.connected = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self._port), 30) as wire:
                    self.connected += 1
                    for byte in _REQUEST:
                        wire.sendall(bytes([byte]))
                        if self._end.wait(1):
                            return
            except OSError:
                self._end.wait(0.1)

    def stop(self) -> None:
        """End all of them."""
        self._end.set()
        for thread in self._threads:
            thread.join()


def attack(count: int, length_s: float) -> Data:
    """Return how long good requests take beside *count* slow clients, and what the heap does."""
    with board.started() as pico:
        # The first time, tables grow to the size that so many connections need.
        first = _attacked(pico, count, length_s / 2)
        second = _attacked(pico, count, length_s)
    return {
        "clients": count,
        "connected": first["connected"] + second["connected"],
        "waits": first["waits"] + second["waits"],
        "held": [first["held"], second["held"]],
    }


def _attacked(pico: SimulatedPico, count: int, length_s: float) -> Data:
    waits = []
    slow = Slow(port_of(pico), count)
    try:
        time.sleep(1)
        end = time.monotonic() + length_s
        while time.monotonic() < end:
            start = time.perf_counter()
            _status(pico)
            waits.append(time.perf_counter() - start)
            time.sleep(0.5)
    finally:
        slow.stop()
    return {"connected": slow.connected, "waits": waits, "held": _held(pico)}


def _status(pico: SimulatedPico) -> Data:
    # A connection of its own each time: a kept one would prove nothing. Sent away, it tries again.
    end = time.monotonic() + 60
    while True:
        try:
            with board.client(pico) as web:
                return web.get("/api/v1/status").raise_for_status().json()
        except httpx.TransportError:
            if time.monotonic() > end:
                raise


def _held(pico: SimulatedPico) -> int:
    # The least of several readings: connections that were cut are let go in their own time.
    readings = []
    for _ in range(4):
        readings.append(_status(pico)["memory"]["used"])
        time.sleep(0.5)
    return min(readings)


def measure(quick: bool = False) -> Data:
    """Measure it."""
    return attack(8, 1) if quick else attack(64, 20)


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    count, requests = data["clients"], len(data["waits"])
    growth = data["held"][1] - data["held"][0]
    return [
        at_most(
            f"longest of {requests} requests beside {count} clients that send a byte a second",
            max(data["waits"]),
            10,
            seconds,
        ),
        at_most(
            f"… growth of the heap by the second half of {data['connected']} such connections",
            growth,
            _GROWTH,
            kb,
        ),
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
