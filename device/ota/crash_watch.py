"""Notices that main.py has ended: the board is at the prompt, and off the air.

An exception in main.py leaves nothing behind that could be asked, but it is printed, and then the
prompt is. So this listens on the console (os.dupterm) for a traceback with `>>> ` after it. Where
main.py comes to its end, or is missing, the prompt follows the lines that greet a person.
Ctrl-C is a person at work and counts as none, and so does a key pressed at the prompt.

The firmware hands over what it prints in pieces that end anywhere (a line end is "\r" and "\n",
or "\r\n", or begins the next piece), and the heap may be full: nothing below needs any, but for
telling the guard the exception of a trial, which is then left out.
"""

import io
import machine
import os
import sys
from micropython import const

import ota

#: Where the service leaves what rescue mode needs, see ota/rescue.py.
SETTINGS = "/.ota/settings"

_GRACE_MS = const(15000)
_SAID_BYTES = const(60)

# What is read while the exception is looked for: nothing (any more), a line of the traceback, the
# end of one, the line of the exception.
_COMPLETE = const(0)
_INSIDE = const(1)
_BETWEEN = const(2)
_HERE = const(3)

_TRACEBACK = b"Traceback (most recent call last):"
_MEMORY = b"MemoryError"  # with a full heap it comes without a traceback
_CTRL_C = b"KeyboardInterrupt"
_GREETING = b'Type "help()" for more information.'  # where the firmware itself comes to the prompt
_PROMPT = b">>> "
_RAW = b"raw REPL"  # a program at the other end, such as mpremote
_PASTE = b"paste mode"
# Looked for where a line begins, by the first letter. The traceback may also come after text.
_WORDS = (_TRACEBACK, _MEMORY, _CTRL_C, _PROMPT, _RAW, _PASTE)  # _GREETING: see _match()


_watch = None


def begin(urgent):
    """Watch the console from now on; *urgent* as in Watch."""
    global _watch
    _watch = Watch(urgent)


def relax():
    """Leave a person time to press a key from now on: the trial is over."""
    if _watch is not None:
        _watch.urgent = False


class Watch(io.IOBase):
    """Restarts a board whose application has died, so that the guard can act on it.

    *urgent* leaves no time for a person to press a key, as during a trial.
    """

    def __init__(self, urgent):
        #: As above; False from the confirmation on.
        self.urgent = urgent
        self._fresh = True  # nothing of the current line has come yet
        self._word = None  # that may be coming,
        self._count = 0  # and how much of it is here
        self._died = False
        self._ended = False
        self._person = False  # has pressed Ctrl-C
        self._said = bytearray(_SAID_BYTES)  # the exception, such as "ValueError: no sensor"
        self._size = 0
        self._reading = _COMPLETE
        self._waiting = False  # at the prompt, for a person
        self._over = False
        self._timer = machine.Timer(-1)
        self._time_is_up = self._restart
        os.dupterm(self)

    def __bool__(self):
        # WebREPL turns clients away where another terminal is; it may take the place of this one.
        return False

    def write(self, data):
        """Look at a piece of console output. Called by the firmware."""
        at, end = 0, len(data)
        if self._waiting and end == 1 and data[0] > 0x1F:
            self._leave_alone()  # a key, echoed
        while at < end and not self._over:
            ahead = self._skip(data, at) if self._word is None else self._match(data, at)
            if self._reading and ahead > at:
                self._read(data[at])
            at = ahead
        return end

    def readinto(self, buf):
        """Have no input."""
        return None

    def ioctl(self, request, arg):
        """Be ready for nothing."""
        return 0

    def _skip(self, data, at):
        """Return where in *data* to go on, after looking for the beginning of a word at *at*."""
        code = data[at]
        if code == 0x0A:
            self._fresh = True
        elif code != 0x0D:
            self._count = 0
            if self._fresh:
                self._fresh = False
                for word in _WORDS:
                    if word[0] == code:
                        self._word = word
                        return at
            elif code == _TRACEBACK[0]:
                self._word = _TRACEBACK
                return at
            if not self._reading:
                return _next(data, at + 1)
        return at + 1

    def _match(self, data, at):
        if data[at] != self._word[self._count]:
            if self._word is _TRACEBACK and self._count == 1 and data[at] == _GREETING[1]:
                self._word = _GREETING
            else:
                self._word = None  # but this may begin another
                return at
        self._count += 1
        if self._count == len(self._word):
            word, self._word = self._word, None
            self._found(word)
        return at + 1

    def _read(self, code):
        """Take the next byte after the head of a traceback."""
        if code == 0x0A or code == 0x0D:
            self._reading = _COMPLETE if self._reading == _HERE else _BETWEEN
        elif self._reading != _INSIDE:
            if self._reading == _BETWEEN:
                self._size = 0
                self._reading = _INSIDE if code == 0x20 else _HERE
            if self._reading == _HERE and self._size < _SAID_BYTES:
                self._said[self._size] = code
                self._size += 1

    def _found(self, word):
        if word is _TRACEBACK:
            self._died = True
            self._reading = _INSIDE
        elif word is _MEMORY:
            self._died = True
            if not self._reading:
                self._size = 0
                while self._size < len(word) - 1:  # the last one is still to come to _read()
                    self._said[self._size] = word[self._size]
                    self._size += 1
                self._reading = _HERE
        elif word is _CTRL_C:
            self._died = False
            self._person = True
        elif word is _GREETING:
            self._ended = not self._person
        elif word is _PROMPT and (self._died or self._ended) and not self._waiting:
            self._waiting = True
            try:
                self._timer.init(
                    mode=machine.Timer.ONE_SHOT,
                    period=1 if self.urgent else _GRACE_MS,
                    callback=self._time_is_up,
                )
            except Exception:  # the application uses all alarms of the chip, or all memory
                self._restart(None)
        else:
            self._leave_alone()

    def _leave_alone(self):
        """A person is at work: nothing is to restart the board, outside of a trial."""
        self._leave()
        if not self.urgent:
            try:
                guard = sys.modules["ota_boot"]
                if guard.supervisor is not None:
                    guard.stand_down()
            except Exception:
                pass  # no memory left, or no guard: the deadline holds

    def _leave(self):
        self._over = True
        self._timer.deinit()
        os.dupterm(None)

    def _restart(self, timer):
        if self.urgent:
            if self._died:
                self._tell_guard()
        else:
            try:
                os.stat(SETTINGS)
            except OSError:
                # A board that never ran the service: nobody would miss it on the network.
                self._leave()
                return
            except MemoryError:
                pass
        ota.chip.restart("exception" if self._died else "end")

    def _tell_guard(self):
        try:
            said = ""
            for at in range(self._size):  # no comprehension: entering the function would need heap
                said += chr(self._said[at])
            sys.modules["ota_boot"].blame(said)
        except Exception:
            pass  # no memory left, or no guard: the hint says enough


def _next(data, at):
    """Return the next place in *data* from *at* on where a word or a line end may begin."""
    line, word = data.find(b"\n", at), data.find(b"T", at)
    if line < 0:
        line = len(data)
    return line if word < 0 or line < word else word
