"""Notices that main.py has died: the board is at the prompt, and off the air.

An exception in main.py leaves nothing behind that could be asked, but it is printed, and then the
prompt is. So this listens on the console (os.dupterm) for a traceback that is followed by `>>> `.
Ctrl-C is a person at work and counts as none, and so does a key pressed afterwards.
"""

import io
import os
from machine import Timer
from micropython import const

_GRACE_MS = const(15000)


class Watch(io.IOBase):
    """Restarts a board whose application has died, so that the guard can act on it.

    *urgent* leaves no time for a person to press a key, as during a trial.
    """

    def __init__(self, urgent=False):
        self._urgent = urgent
        self._traceback = False
        self._timer = None
        os.dupterm(self)

    def write(self, text):
        """Look at a piece of console output; called by the firmware, so it allocates little."""
        if self._timer is not None:
            # Somebody types at the prompt, and it is echoed.
            self._timer.deinit()
            os.dupterm(None)
        elif text.find(b"Traceback (most recent") == 0:
            self._traceback = True
        elif text.find(b"KeyboardInterrupt") == 0:
            self._traceback = False
        elif self._traceback and text.find(b">>> ") >= 0:
            self._prompt()
        return len(text)

    def readinto(self, buf):
        """Have no input."""
        return None

    def _prompt(self):
        import ota_boot

        # A board that never ran the service has nobody who would miss it on the network.
        if not self._urgent and not ota_boot.exists("/.ota/settings"):
            os.dupterm(None)
            return
        self._timer = Timer(-1)
        self._timer.init(
            mode=Timer.ONE_SHOT, period=1 if self._urgent else _GRACE_MS, callback=_restart
        )


def _restart(timer):
    import machine

    import ota_boot

    ota_boot.mark("exception")
    machine.reset()
