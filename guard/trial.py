"""While the application runs: the supervision of a trial, and of files changed by hand."""

import sys
import time
from micropython import const

#: The Supervisor of a trial or of files changed by hand, None when all is proven.
supervisor = None

_machine = None  # what the application has for `machine`
_NAP_MS = const(4000)  # below what the watchdog leaves
_MAX_TRIAL_S = const(86400)  # time.ticks_ms() counts six days
_RAISED = "the application ended in an exception"
_HUNG = "the application hung: the watchdog restarted the board"
_ENDED = "the application came to its end"
_SILENT = "the program ran, but never let the updater run: use asyncio, or call poll()"


class Supervisor:
    """Feeds the hardware watchdog, and restarts the board after *seconds*.

    A virtual timer still runs when main.py loops, sleeps or has died; when not even that runs,
    as with interrupts disabled, nobody feeds the watchdog. Its ticks need no heap.
    *patience* is how many seconds postpone() may make of them.
    """

    def __init__(self, seconds, patience=0):
        now = time.ticks_ms()
        self._ms = min(seconds, _MAX_TRIAL_S) * 1000
        # Not counted down: ticks get lost where the application fills the queue of callbacks.
        self._until = time.ticks_add(now, self._ms)
        self._last = time.ticks_add(now, patience * 1000)
        #: ticks_ms() when the service ran last, which is for the service to set.
        self.turn = None
        chip.start_watchdog(self.tick, _careful(_watch_sleep))

    def postpone(self):
        """Begin the time anew: the service runs, and only waits for the network."""
        until = time.ticks_add(time.ticks_ms(), self._ms)
        if time.ticks_diff(self._last, until) > 0:
            self._until = until

    @property
    def left_s(self):
        """Seconds left."""
        return max(0, time.ticks_diff(self._until, time.ticks_ms()) // 1000)

    def tick(self, timer=None):
        """Feed the watchdog, or restart the board when the time is up."""
        now = time.ticks_ms()
        if time.ticks_diff(self._until, now) > 0:
            chip.feed()
        elif self.turn is None or time.ticks_diff(now, self.turn) > self._ms // 2:
            chip.restart("silent")
        else:
            chip.restart("deadline")


def _light_sleep(ms=None):
    """Sleep as machine.lightsleep() does; while supervised in pieces, with the watchdog fed."""
    while supervisor is not None and (ms is None or ms > _NAP_MS):
        supervisor.tick()
        begun = time.ticks_ms()
        machine.lightsleep(_NAP_MS)
        if time.ticks_diff(time.ticks_ms(), begun) < _NAP_MS - 9:
            return  # something woke it
        if ms is not None:
            ms -= _NAP_MS
    if supervisor is not None:
        supervisor.tick()
    machine.lightsleep() if ms is None else machine.lightsleep(ms)


def _deep_sleep(ms=None):
    """Sleep as machine.deepsleep() does, which is a reset after a light sleep."""
    if supervisor is not None:
        _light_sleep(ms)
        machine.reset()
    machine.deepsleep() if ms is None else machine.deepsleep(ms)


def _watch_sleep():
    """Have the application find _light_sleep() in `machine`; return whether it will.

    Timers stand still in light sleep, and on RP2040 a watchdog that fires then locks the chip up
    until power is cut (MicroPython up to 1.28). The firmware's own module cannot be changed: one
    with all that is in it stands in its place. A /machine.py of the application keeps its own.
    """
    global _machine
    for place in ("/machine", "/lib/machine"):
        if exists(place) or exists(place + ".py") or exists(place + ".mpy"):
            return False
    path = sys.path[:]
    sys.path[:] = (HOME,)
    try:
        make_parents(NEW + "/")
        _machine = __import__("new")  # a folder is an empty module
    finally:
        sys.path[:] = path
        sys.modules.pop("new", None)
    for name in dir(machine):
        if name[0] != "_":
            setattr(_machine, name, getattr(machine, name))
    _machine.lightsleep, _machine.deepsleep = _light_sleep, _deep_sleep
    sys.modules["machine"] = sys.modules["umachine"] = _machine
    return True


def blame(said):
    """Undo the trial, if there is one, for the exception *said*; restoring is for the next start.

    Without this the hint says that there was one, but not which. Raises Damaged, OSError.
    """
    record = load()
    if record["state"] == "trial":
        plan_of(record)
        turn_back(record, "%s: %s" % (_RAISED, said) if said else _RAISED)


def stand_down():
    """End the supervision: what runs is good, and nothing restarts the board any more."""
    global supervisor
    supervisor = None
    if _machine is not None:  # this file can go
        _machine.lightsleep, _machine.deepsleep = machine.lightsleep, machine.deepsleep
    chip.stop_watchdog()
    chip.leave("")
