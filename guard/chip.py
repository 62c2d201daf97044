"""The chip as the guard needs it: why it restarted, the button, and the watchdog of a trial."""

import machine
from micropython import const

try:
    from _rp2 import bootsel_button  # rp2 itself would take two kilobytes of heap
except ImportError:  # another chip
    bootsel_button = None

_CTRL = const(0x00)  # bit 30 enables, bits 0 to 23 count down from what feed() loads
_REASON = const(0x08)  # 1 the watchdog bit, 2 a wanted reset, 0 power-on; survives a soft reset
_CLEAR = const(0x3000)  # writing a bit of CTRL here clears it (RP2040 data sheet 2.1.2)
_ENABLE = const(0x40000000)

# Below the longest time of the hardware (8388 ms), and not a value that an application is likely
# to choose: that tells our watchdog from its own.
_WATCHDOG_MS = const(8321)


class GuardedChip(Chip):
    """The Chip, and what only the guard asks of it. Nothing but start_watchdog() needs heap."""

    def __init__(self):
        super().__init__()
        base = self._scratch - _SCRATCH7
        # Of the watchdog: RP2040 counts two a microsecond.
        self._ticks_ms = 1000 if base == _RP2350 else 2000
        # Numbers of more than 30 bits need heap, so they are made now.
        self._control = base + _CTRL
        self._reason = base + _REASON
        self._clear = base + _CLEAR
        self._watchdog = self._timer = None

    def cause(self):
        """Return why the chip started: "power", "watchdog" or "reset"."""
        reason = 0 if self._memory is None else self._memory[self._reason]
        return "watchdog" if reason & 1 else "reset" if reason & 2 else "power"

    def button_held(self):
        """Tell whether a person asks for rescue mode, by holding BOOTSEL."""
        return bootsel_button is not None and bootsel_button() != 0

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
