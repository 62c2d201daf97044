"""`machine` as the board has it: resets, watchdog, virtual timers, interrupts, registers, pins."""

import _thread
import time
from machine import Signal  # noqa: F401
from micropython import const, heap_lock, schedule
from sys import print_exception

import _chip
from _chip import L, W, halt, poke
from _numbers import (
    _ALARM,
    _ASLEEP,
    _BOARD,
    _BOOTLOADER,
    _IRQ_OFF,
    _REASON,
    _RESET,
    _SCRATCH,
    _UNIQUE_ID,
    _WDT_DEADLINE,
    _WDT_LOAD,
)

__name__ = "machine"
PWRON_RESET = const(1)
WDT_RESET = const(3)
_WDT_MAX_MS = const(8388)  # 24-bit counter, two ticks per microsecond (errata RP2040-E1)
_WDT_MAGIC = const(0x6AB73121)  # what watchdog_enable() of the SDK leaves in scratch register 4


def reset():
    """Restart the whole board."""
    halt(_RESET)


def soft_reset():
    """Restart MicroPython: as on the board by an exception that a `try` can catch."""
    raise SystemExit


def bootloader(timeout=None):
    """Leave for the USB boot loader."""
    halt(_BOOTLOADER)


def reset_cause():
    """Return 3 after the watchdog and after `reset()` alike, else 1 (micropython issue 19409)."""
    return WDT_RESET if W[_REASON] else PWRON_RESET


def unique_id():
    """Return the flash chip's 8 bytes."""
    return bytes(_chip.area(_UNIQUE_ID * 4, 8))


_frequency = 150_000_000 if W[_BOARD] else 125_000_000


def freq(hz=None, peripheral=None):
    """Return or set the CPU clock, which changes nothing here."""
    global _frequency
    if hz is None:
        return _frequency
    _frequency = hz


def idle():
    """Wait for an interrupt, a millisecond at most."""
    time.sleep_ms(1)


def lightsleep(ms=None):
    """Sleep; for ever when not told how long. Timers stand still, the watchdog does not."""
    L[_ALARM] = 0
    W[_ASLEEP] = 1
    poke()
    try:
        while ms is None:
            time.sleep(3600)
        time.sleep_ms(ms)
    finally:
        W[_ASLEEP] = 0
        _interrupt(None)  # what was due meanwhile


def deepsleep(ms=None):
    """Sleep, then restart the whole board."""
    lightsleep(ms)
    reset()


def disable_irq():
    """Hold back interrupts; returns the state before for `enable_irq()`."""
    before = not W[_IRQ_OFF]
    W[_IRQ_OFF] = 1
    return before


def enable_irq(state=True):
    """Put the state back that `disable_irq()` returned."""
    W[_IRQ_OFF] = not state
    if state and _timers:
        poke()


class WDT:
    """The watchdog: cannot be stopped; a second one restarts it with the new time."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("WDT(%d) doesn't exist" % id)
        if not 0 <= timeout <= _WDT_MAX_MS:
            raise ValueError("timeout exceeds %d" % _WDT_MAX_MS)
        W[_SCRATCH + 4] = _WDT_MAGIC
        W[_WDT_LOAD] = timeout or 1
        self.feed()
        poke()

    def feed(self):
        """Start the time anew."""
        if W[_WDT_LOAD]:
            L[_WDT_DEADLINE] = time.ticks_us() + W[_WDT_LOAD] * 1000


_timers = []  # those that run
_queued = bytearray(1)


class Timer:
    """A virtual timer. Its callback runs between two byte codes, by `micropython.schedule()`."""

    ONE_SHOT = const(0)
    PERIODIC = const(1)

    def __init__(self, id=-1, **options):
        if id != -1:
            raise ValueError("Timer doesn't exist")
        if options:
            self.init(**options)

    def init(
        self,
        *,
        mode=PERIODIC,
        callback=None,
        period=0xFFFFFFFF,
        tick_hz=1000,
        freq=None,
        hard=False,
    ):
        """Start or restart."""
        self.deinit()
        self._us = max(1, int(1000000 / freq) if freq is not None else period * 1000000 // tick_hz)
        self._periodic = mode
        self._callback = callback
        self._at = time.ticks_us() + self._us
        _timers.append(self)
        _arm()

    def deinit(self):
        """Stop."""
        if self in _timers:
            _timers.remove(self)
            _arm()

    def _fire(self, now):
        if self not in _timers or self._at > now:
            return
        if self._periodic:
            # The board's alarms catch up too, as far as the queue of eight callbacks reaches.
            self._at = max(self._at + self._us, now - 8 * self._us)
        else:
            _timers.remove(self)
        if self._callback is not None:
            try:
                self._callback(self)
            except BaseException as error:
                print_exception(error)


def _arm():
    next_us = 0
    for timer in _timers:
        if not next_us or timer._at < next_us:
            next_us = timer._at
    L[_ALARM] = next_us
    poke()


def _interrupt(_):
    # In the main thread, scheduled by _wait_for_interrupts(). Not while littlefs is inside of the
    # flash driver, where the board takes no interrupt: the supervisor asks again in 5 ms.
    _queued[0] = 0
    if W[_IRQ_OFF] or _chip.busy[0]:
        return
    L[_ALARM] = 0
    try:
        now = time.ticks_us()
        at = 0
        while at < len(_timers):  # without a copy: the heap may be full
            timer = _timers[at]
            timer._fire(now)
            if at < len(_timers) and _timers[at] is timer:
                at += 1
    finally:
        _arm()


_byte = bytearray(1)
_read = _chip.wire.readinto


def _wait_for_interrupts():
    # A thread of its own, since the main one may loop for ever. There is no global lock: it must
    # not allocate, nor hold anything that is not held elsewhere too, and its frames are small
    # enough for the C stack.
    heap_lock()
    while _read(_byte):
        if not _queued[0]:
            _ask()


def _ask():
    _queued[0] = 1
    try:
        schedule(_interrupt, None)
    except:  # noqa: E722 - the application filled the queue
        _queued[0] = 0


_thread.stack_size(32768)
_thread.start_new_thread(_wait_for_interrupts, ())
_thread.stack_size(0)


class _Registers:
    """The watchdog's registers at the addresses of the RP2040 or RP2350 data sheet."""

    def __init__(self, base):
        self._base = base

    def _index(self, address):
        offset = address - self._base
        if offset == 8:
            return _REASON
        if 0x0C <= offset < 0x2C and offset % 4 == 0:
            return _SCRATCH + (offset - 0x0C) // 4
        raise ValueError("pico-ota sim: register 0x%08x is not simulated" % address)

    def __getitem__(self, address):
        if address == self._base:  # CTRL: enable bit, and the count (as if just fed)
            ticks = W[_WDT_LOAD] * (1000 if W[_BOARD] else 2000)  # errata RP2040-E1
            return (W[_WDT_LOAD] != 0) << 30 | ticks & 0xFFFFFF
        return W[self._index(address)]

    def __setitem__(self, address, value):
        if (
            address == self._base or address == self._base + 0x2000
        ):  # CTRL, and its "set bits" alias
            if value & 1 << 31:
                reset()
        elif address == self._base + 0x3000:  # the "clear bits" alias of CTRL
            if value & 1 << 30:
                W[_WDT_LOAD] = 0
                L[_WDT_DEADLINE] = 0
        else:
            W[self._index(address)] = value & 0xFFFFFFFF


mem32 = _Registers(0x400D8000 if W[_BOARD] else 0x40058000)


class Pin:
    """A pin that remembers what was written to it."""

    IN = const(0)
    OUT = const(1)
    OPEN_DRAIN = const(2)
    PULL_UP = const(1)
    PULL_DOWN = const(2)
    IRQ_FALLING = const(4)
    IRQ_RISING = const(8)

    def __init__(self, id, mode=-1, pull=-1, value=None, alt=None):
        self._value = 0
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, value=None, alt=None):
        """Set up again."""
        if value is not None:
            self._value = int(bool(value))

    def value(self, value=None):
        """Return or set the level."""
        if value is None:
            return self._value
        self._value = int(bool(value))

    __call__ = value

    def on(self):
        """Set to 1."""
        self._value = 1

    def off(self):
        """Set to 0."""
        self._value = 0

    def toggle(self):
        """Invert."""
        self._value ^= 1

    high = on
    low = off

    def irq(self, handler=None, trigger=12, hard=False):
        """Accept a handler that never fires."""


class ADC:
    """A converter that always reads the same: of the sensor on the chip, 27 degrees Celsius."""

    CORE_TEMP = const(4)

    def __init__(self, id):
        pass

    def read_u16(self):
        """Return 0.706 V of 3.3 V."""
        return 14021


class RTC:
    """The clock: the host's; setting it is accepted and changes nothing."""

    def datetime(self, value=None):
        """Return (year, month, day, weekday, hours, minutes, seconds, subseconds)."""
        if value is None:
            t = time.gmtime()
            return (t[0], t[1], t[2], t[6], t[3], t[4], t[5], 0)
