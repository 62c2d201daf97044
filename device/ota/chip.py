"""What belongs to the chip: why it restarted, a hint for the next start, watchdog and timer.

This is shared source: the guard (ota_boot.py) is made of it, and ota/ loads it as a module. A
board of another make is another class Chip with the same methods. Where none of this is there,
every start looks like one after power-on.
"""

import machine
import sys
from micropython import const

try:
    from _rp2 import bootsel_button  # rp2 itself would take two kilobytes of heap
except ImportError:  # another chip
    bootsel_button = None

_CTRL = const(0x00)  # bit 30 enables, bits 0 to 23 count down from what feed() loads
_REASON = const(0x08)  # 1 the watchdog bit, 2 a wanted reset, 0 power-on; survives a soft reset
_SCRATCH7 = const(0x28)  # survives every reset, not a power cut; MicroPython uses it last of all
_CLEAR = const(0x3000)  # writing a bit of CTRL here clears it (RP2040 data sheet 2.1.2)
_ENABLE = const(0x40000000)

# The hint lies in bits 0 to 3, the limit in bits 4 to 7 and the count of deaths from bit 8 on, and
# all once more in the upper half, as a check. All of it stays below 30 bits: a larger number would
# need heap.
_CHECK = const(0x07A5)
_MAX_DEATHS = const(63)

# Below the longest time of the hardware (8388 ms), and not a value that an application is likely
# to choose: that tells our watchdog from its own.
_WATCHDOG_MS = const(8321)

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
    """The chip of a Pico W or Pico 2 W. Nothing here but start_watchdog() needs heap."""

    def __init__(self):
        base = 0
        self._memory = None
        self._ticks_ms = 2000  # of the watchdog: RP2040 counts two a microsecond
        if sys.platform == "rp2":
            # RP2350 data sheet 12.9.7 and RP2040 data sheet 4.7.6: same offsets, another base.
            base = 0x40058000
            if "RP2350" in sys.implementation._machine:
                base = 0x400D8000
                self._ticks_ms = 1000
            self._memory = machine.mem32
        # Numbers of more than 30 bits need heap, so they are made now.
        self._control = base + _CTRL
        self._reason = base + _REASON
        self._scratch = base + _SCRATCH7
        self._clear = base + _CLEAR
        self._watchdog = self._timer = None

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

    def cause(self):
        """Return why the chip started: "power", "watchdog" or "reset"."""
        reason = 0 if self._memory is None else self._memory[self._reason]
        return "watchdog" if reason & 1 else "reset" if reason & 2 else "power"

    def button_held(self):
        """Tell whether a person asks for rescue mode, by holding BOOTSEL."""
        return bootsel_button is not None and bootsel_button() != 0

    def restart(self, hint):
        """Restart the board at once, with *hint* for the next start."""
        try:
            self.leave(hint)
        finally:
            machine.reset()

    def start_watchdog(self, tick, bites=True):
        """Call *tick* each second from now on; it has to call feed(), or the board restarts.

        With *bites* False it does not: nothing but *tick* restarts the board.
        """
        if bites:
            self._watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        self._timer = machine.Timer(-1)
        self._timer.init(mode=machine.Timer.PERIODIC, period=1000, callback=tick)

    def feed(self):
        """Give the watchdog another eight seconds."""
        if self._watchdog is not None:
            self._watchdog.feed()

    def stop_watchdog(self):
        """Stop what start_watchdog() started, but no watchdog of the application's own."""
        if self._timer is None:
            return
        self._timer.deinit()
        self._timer = None
        # `machine` cannot stop the watchdog, its control register can. What feed() loads is
        # another number when the application has armed it for itself.
        ticks = _WATCHDOG_MS * self._ticks_ms
        for _ in range(9):  # a callback of the application may come in between
            self.feed()
            if self._memory is None or self._watchdog is None:
                return
            if ticks - 40000 < self._memory[self._control] & 0xFFFFFF <= ticks:
                self.disarm()
                return

    def disarm(self):
        """Switch the watchdog off, whoever has armed it: it runs on over a soft reset."""
        if self._memory is not None:
            self._memory[self._clear] = _ENABLE
