"""The register file: a small mapping, all that the board and its supervisor have in common.

The same numbers are in firmware/_numbers.py (a test compares them).
"""

from __future__ import annotations

import mmap
import os
import tempfile

SIZE = 8192

# 32-bit registers.
REASON = 1
SCRATCH = 2
WDT_LOAD = 10
IRQ_OFF = 11
BOOTSEL = 12
HALT = 13
STAGE = 14
BOARD = 15
BLOCKS = 16
OPS = 17
ERASES = 18
PROGRAMS = 19
BYTES = 20
DIRTY = 21
CUT_AT = 22
TEAR_HALF = 23
TIMING = 24
ASLEEP = 25
UNIQUE_ID = 26
STA_ACTIVE = 32
AP_ACTIVE = 33
JOIN = 34
ORDERS = 35
ORDERS_SEEN = 36
STATUS = 37
RSSI = 38
ADDRESS = 39
PM = 40
SSID_LEN = 41
KEY_LEN = 42
HOST_LEN = 43
COUNTRY = 44
SCAN_LEN = 45
STATIC = 46
MASK = 47
GATEWAY = 48
NAME_SERVER = 49
AP_SSID_LEN = 50
AP_KEY_LEN = 51
AP_SECURITY = 52
PORTS = 64

# 64-bit registers, microseconds of the monotonic clock.
WDT_DEADLINE = 0
ALARM = 1

# Byte areas.
LONGS_AT = 512
SSID_AT = 1024
KEY_AT = 1056
HOST_AT = 1120
AP_SSID_AT = 1152
AP_KEY_AT = 1184
PAGE_AT = 1280
SCAN_AT = 1536
BLANK_AT = 4096

# Values of HALT.
RESET = 1
SOFT_RESET = 2
POWER_CUT = 3
BOOTLOADER = 4

# Values of STAGE.
BOOT = 1
MAIN = 2
PROMPT = 3

_PM_DEFAULT = 0xA11142  # PM_PERFORMANCE


class Registers:
    """The supervisor's view: `words` and `longs` are indexed with the numbers above."""

    def __init__(self) -> None:
        # A file without a name: nothing to clean up, and the child gets it as a descriptor.
        with tempfile.TemporaryFile(prefix="pico-ota-sim-") as file:
            file.truncate(SIZE)
            self.fd = os.dup(file.fileno())
        self._map = mmap.mmap(self.fd, SIZE)
        self.words = memoryview(self._map)[:LONGS_AT].cast("I")
        self.longs = memoryview(self._map)[LONGS_AT : LONGS_AT + 64].cast("Q")
        self._map[BLANK_AT : BLANK_AT + 4096] = b"\xff" * 4096

    def text(self, at: int, length_register: int, limit: int) -> bytes:
        """Return a string that the board left at *at*."""
        return self._map[at : at + min(self.words[length_register], limit)]

    def store(self, at: int, length_register: int, data: bytes) -> None:
        """Leave *data* for the board."""
        self._map[at : at + len(data)] = data
        self.words[length_register] = len(data)

    def store_unique_id(self, unique_id: bytes) -> None:
        """Set the 8 bytes that `machine.unique_id()` returns."""
        self._map[UNIQUE_ID * 4 : UNIQUE_ID * 4 + 8] = unique_id

    def reset(self, reason: int, host_name: bytes) -> None:
        """Set what a reset sets; at power-on, *reason* 0, the scratch registers too."""
        words = self.words
        words[REASON] = reason
        if reason == 0:
            for n in range(8):
                words[SCRATCH + n] = 0
        elif reason == 2:
            words[SCRATCH + 4] = 0  # watchdog_reboot(0, ..) of the SDK
        for register in (WDT_LOAD, STA_ACTIVE, AP_ACTIVE, JOIN, ADDRESS, STATIC, NAME_SERVER):
            words[register] = 0
        words[ORDERS] = words[ORDERS_SEEN] = 0
        words[STATUS] = 16
        words[PM] = _PM_DEFAULT
        words[COUNTRY] = ord("X") << 8 | ord("X")
        self.store(HOST_AT, HOST_LEN, host_name)
        self.longs[WDT_DEADLINE] = 0
        self.restart()

    def restart(self) -> None:
        """Set what any restart of MicroPython sets."""
        self.longs[ALARM] = 0
        for register in (IRQ_OFF, HALT, STAGE, ASLEEP):
            self.words[register] = 0

    def close(self) -> None:
        """Give everything back."""
        self.words.release()
        self.longs.release()
        self._map.close()
        os.close(self.fd)
