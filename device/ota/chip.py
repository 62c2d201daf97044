"""What the chip keeps over a restart: a hint for the next start, and how often the program died.

This is shared source: the guard (ota_boot.py) is made of it, and of guard/chip.py, and ota/ loads
it as a module. A board of another make is another class Chip with the same methods. Where none of
this is there, every start looks like one after power-on.
"""

import machine
import sys
from micropython import const

# Where its registers begin: RP2350 data sheet 12.9.7 and RP2040 data sheet 4.7.6, same offsets.
_RP2350 = const(0x400D8000)
_RP2040 = const(0x40058000)
_SCRATCH7 = const(0x28)  # survives every reset, not a power cut; MicroPython uses it last of all

# The hint lies in bits 0 to 3, the limit in bits 4 to 7 and the count of deaths from bit 8 on, and
# all once more in the upper half, as a check. All of it stays below 30 bits: a larger number would
# need heap.
_CHECK = const(0x07A5)
_MAX_DEATHS = const(63)

# running: the application is on trial; supervised: it runs with files changed by hand. The others
# are why the guard or the service restarted it.
_HINTS = (
    "",
    "running",
    "bitten",
    "restart",
    "exception",
    "deadline",
    "rescue",
    "end",
    "supervised",
    "silent",
)


class Chip:
    """The chip of a Pico W or Pico 2 W. Nothing here needs heap."""

    def __init__(self):
        base = 0
        self._memory = None
        if sys.platform == "rp2":
            base = _RP2350 if "RP2350" in sys.implementation._machine else _RP2040
            self._memory = machine.mem32
        # Numbers of more than 30 bits need heap, so they are made now.
        self._scratch = base + _SCRATCH7

    def leave(self, hint, deaths=None):
        """Leave one of _HINTS for the next start; a power cut wipes it.

        *deaths* is how often the application has died in a row; None leaves the count as it is.
        """
        if self._memory is not None:
            if deaths is None:
                deaths = self.deaths()
            self._keep(min(deaths, _MAX_DEATHS) << 8 | self._left() & 0xF0 | _HINTS.index(hint))

    def _keep(self, left):
        self._memory[self._scratch] = (left ^ _CHECK) << 16 | left

    def _left(self):
        if self._memory is None:
            return 0
        word = self._memory[self._scratch]
        left = word & 0xFFFF
        # Any other word is of another program, or of a chip that has just got power.
        return left if word >> 16 == left ^ _CHECK else 0

    def hint(self):
        """Return what leave() has left, "" when it was nothing."""
        number = self._left() & 0x0F
        return _HINTS[number] if number < len(_HINTS) else ""

    def deaths(self):
        """Return how often the application has died in a row since power came."""
        return self._left() >> 8

    def count_resets(self, limit):
        """Have each restart count as a death until there are *limit* (1 to 15); 0: only deaths."""
        if self._memory is not None and limit != self.limit():
            self._keep(self._left() & 0xFF0F | limit << 4)

    def limit(self):
        """Return what count_resets() was told since power came, 0 when nothing."""
        return self._left() >> 4 & 0x0F

    def forget_deaths(self):
        """Note a good start: the application is alive."""
        if self.deaths():
            self.leave(self.hint(), 0)

    def restart(self, hint):
        """Restart the board at once, with *hint* for the next start."""
        try:
            self.leave(hint)
        finally:
            machine.reset()
