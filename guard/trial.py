"""While the application runs: the supervision of a trial, and of files changed by hand."""

import time
from micropython import const

#: The Supervisor of a trial or of files changed by hand, None when all is proven.
supervisor = None

_MAX_TRIAL_S = const(86400)  # time.ticks_ms() counts six days
_RAISED = "the application ended in an exception"
_HUNG = "the application hung: the watchdog restarted the board"
_ENDED = "the application came to its end"
_SILENT = "the program ran, but never let the updater run: use asyncio, or call poll()"


class Supervisor:
    """Feeds the hardware watchdog, and restarts the board after *seconds*.

    A virtual timer still runs when main.py loops, sleeps or has died; when not even that runs,
    as with interrupts disabled, nobody feeds the watchdog, unless *bites* is False. Its ticks need
    no heap. *patience* is how many seconds postpone() may make of them.
    """

    def __init__(self, seconds, patience=0, bites=True):
        now = time.ticks_ms()
        self._ms = min(seconds, _MAX_TRIAL_S) * 1000
        # Not counted down: ticks get lost where the application fills the queue of callbacks.
        self._until = time.ticks_add(now, self._ms)
        self._last = time.ticks_add(now, patience * 1000)
        #: ticks_ms() when the service ran last, which is for the service to set.
        self.turn = None
        chip.start_watchdog(self._tick, bites)

    def postpone(self):
        """Begin the time anew: the service runs, and only waits for the network."""
        until = time.ticks_add(time.ticks_ms(), self._ms)
        if time.ticks_diff(self._last, until) > 0:
            self._until = until

    @property
    def left_s(self):
        """Seconds left."""
        return max(0, time.ticks_diff(self._until, time.ticks_ms()) // 1000)

    def _tick(self, timer):
        now = time.ticks_ms()
        if time.ticks_diff(self._until, now) > 0:
            chip.feed()
        elif self.turn is None or time.ticks_diff(now, self.turn) > self._ms // 2:
            chip.restart("silent")
        else:
            chip.restart("deadline")


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
    chip.stop_watchdog()
    chip.leave("")
