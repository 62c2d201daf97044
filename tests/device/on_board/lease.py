"""ota/device.py: the lease of an update, on a counter that wraps."""

import time

from ota import device
from ota.device import Device

PERIOD = 1 << 30  # of ticks_ms() on a board, twelve days; here it is longer


class Clock:
    """Stands for the module time: that of a board with 32 bits."""

    now = 0

    @staticmethod
    def ticks_ms():
        return Clock.now % PERIOD

    @staticmethod
    def ticks_diff(end, start):
        return (end - start + PERIOD // 2) % PERIOD - PERIOD // 2


class Service:
    auth = ("admin", "otapico")
    lease = None
    on_progress = None


def test_a_lease_ends_and_stays_over():
    device.time = Clock
    here = Device(Service())
    assert here.lease_over()
    for start in (0, PERIOD - 1000):
        Clock.now = start
        here.renew_lease()
        assert not here.lease_over()
        Clock.now = start + 119999
        assert not here.lease_over()
        for later in (120000, 3600000, PERIOD // 2 - 1, PERIOD // 2 + 1, PERIOD - 1):
            Clock.now = start + later
            assert here.lease_over(), (start, later)
    device.time = time
