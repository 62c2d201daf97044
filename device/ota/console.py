"""The console: what the program prints is kept for people far away, and its end is noticed.

All that is printed passes here (os.dupterm): the last of it stays in a ring, and the last
traceback beside it, 2 KB together, for `GET /api/v1/console`.

An exception in main.py leaves nothing behind that could be asked, but it is printed, and then the
prompt is: the board is off the air. The prompt follows the lines that greet a person, also where
main.py comes to its end or is missing; `>>> ` without them is the program's own. So this looks for
both, keeps a traceback that came before in a file, and restarts the board, so that the guard can
act. Ctrl-C is a person at work and counts as none, and so does a key pressed at the prompt.

The firmware hands over what it prints in pieces that end anywhere (a line end is "\r" and "\n",
or "\r\n", or begins the next piece), from callbacks too, and the heap may be full: write() needs
none, and neither does the restart, but for telling the guard the exception of a trial and for the
file, which are then left out.

The last lines that the service said are kept here as well (Log), beside what is printed.
"""

import io
import machine
import os
import sys
from micropython import const

import ota

#: Where the service leaves what rescue mode needs, see ota/settings.py.
SETTINGS = "/.ota/settings"
#: The traceback of the last program that died, until another set of files takes its place.
TRACEBACK = "/.ota/traceback"

_PRINTED = const(1536)
_SAID = const(1024)
_MAX_LINE = const(160)
_LAST = const(512)  # as much of a traceback as littlefs keeps inside the directory: one page
_GRACE_MS = const(15000)
_SAID_CHARS = const(60)

# What is read while the exception is looked for: nothing (any more), a line of the traceback, the
# end of one, the line of the exception.
_COMPLETE = const(0)
_INSIDE = const(1)
_BETWEEN = const(2)
_HERE = const(3)

_HEAD = b"Traceback (most recent call last):"
_MEMORY = b"MemoryError"  # with a full heap it comes without a traceback
_CTRL_C = b"KeyboardInterrupt"
_GREETING = b'Type "help()" for more information.'  # where the firmware itself comes to the prompt
_PROMPT = b">>> "
_RAW = b"raw REPL; CTRL-B"  # a program at the other end, such as mpremote
_PASTE = b"paste mode"
# Looked for where a line begins, by the first letter. The traceback may also come after text.
_WORDS = (_HEAD, _MEMORY, _CTRL_C, _PROMPT, _RAW, _PASTE)  # _GREETING: see _match()
_LETTERS = b"TMK>rp"

_console = None
_telling = False  # while a line of the log is printed: it is not part of what the program prints


def begin(urgent):
    """Listen to the console from now on; *urgent* as in Console."""
    global _console
    _console = Console(urgent)


def relax():
    """Leave a person time to press a key from now on: the trial is over."""
    if _console is not None:
        _console.urgent = False


def printed():
    """Return the Ring of what the program has printed, None where nobody has listened."""
    return None if _console is None else _console.ring


def traceback():
    """Return the last traceback as bytes: of this start, or of the death before; None without."""
    if _console is not None:
        last = _console.traceback()
        if last:
            return last
    return _left() or None


def _left():
    try:
        with open(TRACEBACK, "rb") as file:
            return file.read(_LAST)
    except OSError:
        return b""  # there is none


class Console(io.IOBase):
    """Keeps what is printed, and restarts a board whose application has died.

    *urgent* leaves no time for a person to press a key, as during a trial.
    """

    def __init__(self, urgent):
        #: As above; False from the confirmation on.
        self.urgent = urgent
        self._fresh = True  # nothing of the current line has come yet
        self._word = None  # that may be coming,
        self._count = 0  # and how much of it is here
        self._died = False
        self._greeted = False  # the firmware has come to the prompt
        self._person = False  # has pressed Ctrl-C
        #: What was printed.
        self.ring = Ring(_PRINTED)
        self._last = bytearray(_LAST)  # the end of the last traceback, round and round
        self._taken = 0  # bytes of it in all
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
        """Keep a piece of console output, and look at it. Called by the firmware."""
        end = len(data)
        if _telling or self._over:
            return end
        self.ring.write(data)
        if self._word is None and not self._reading and not self._waiting:
            # Hardly ever comes anything else than a line end, or text without anything in it.
            if data == b"\r\n":
                self._fresh = True
                return end
            if data.find(b"T") < 0 and data.find(b"\n") < 0 and end and data[0] not in _LETTERS:
                self._fresh = False
                return end
        self._look(data, end)
        return end

    def _look(self, data, end):
        if self._waiting and end == 1 and data[0] > 0x1F:
            self._leave_alone()  # a key, echoed
        at = 0
        while at < end and not self._over:
            ahead = self._skip(data, at) if self._word is None else self._match(data, at)
            if self._reading and ahead > at:
                self._read(data[at])
            at = ahead

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
            elif code == _HEAD[0]:
                self._word = _HEAD
                return at
            if not self._reading:
                return _next(data, at + 1)
        return at + 1

    def _match(self, data, at):
        if data[at] != self._word[self._count]:
            if self._word is _HEAD and self._count == 1 and data[at] == _GREETING[1]:
                self._word = _GREETING
            else:
                self._word = None  # but this may begin another
                return at
        self._count += 1
        if self._count == len(self._word):
            word, self._word = self._word, None
            self._found(word)
        return at + 1

    def traceback(self):
        """Return the last traceback that was printed as bytes, b"" without any."""
        size = min(self._taken, _LAST)
        at = self._taken % _LAST
        return bytes(self._last[at:size]) + bytes(self._last[:at])

    def _begin(self, word):
        """Take what begins with *word*, of which the last letter is still to come to _read()."""
        self._died = True
        self._taken = 0
        for at in range(len(word) - 1):
            self._take(word[at])

    def _take(self, code):
        self._last[self._taken % _LAST] = code
        self._taken += 1

    def _read(self, code):
        """Take the next byte of a traceback."""
        if code == 0x0A or code == 0x0D:
            self._reading = _COMPLETE if self._reading == _HERE else _BETWEEN
            return
        if self._reading == _BETWEEN:
            self._take(0x0A)
            self._reading = _INSIDE if code == 0x20 else _HERE
        self._take(code)

    def _found(self, word):
        if word is _HEAD:
            self._begin(word)
            self._person = False
            self._reading = _INSIDE
        elif word is _MEMORY:
            self._died = True
            if not self._reading:
                self._begin(word)
                self._reading = _HERE
        elif word is _CTRL_C:
            self._died = False
            self._person = True
        elif word is _GREETING:
            self._greeted = True
        elif not self._greeted and word is not _RAW:
            pass  # what the program itself says
        elif word is _PROMPT and not self._person and not self._waiting:
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
        if not self.urgent:
            try:
                os.stat(SETTINGS)
            except OSError:
                # A board that never ran the service: nobody would miss it on the network.
                self._leave()
                return
            except MemoryError:
                pass
        self._over = True
        self.ring = None  # makes room for the rest
        if self._died:
            self._leave_traceback()
            if self.urgent:
                self._tell_guard()
        ota.chip.restart("exception" if self._died else "end")

    def _leave_traceback(self):
        try:
            last = self.traceback()
            if last != _left():  # one that dies again and again is written once
                with open(TRACEBACK, "wb") as file:
                    file.write(last)
        except Exception:
            pass  # no memory left, or no room on the flash

    def _tell_guard(self):
        try:
            last = self.traceback()
            last = last[last.rfind(b"\n") + 1 :][:_SAID_CHARS]
            sys.modules["ota_boot"].blame("".join([chr(code) for code in last]))
        except Exception:
            pass  # no memory left, or no guard: the hint says enough


def _next(data, at):
    """Return the next place in *data* from *at* on where a word or a line end may begin."""
    line, word = data.find(b"\n", at), data.find(b"T", at)
    if line < 0:
        line = len(data)
    return line if word < 0 or line < word else word


class Ring:
    """The last *size* bytes of all that is written."""

    def __init__(self, size):
        self._size = size
        self._store = io.BytesIO(size)
        self._put = self._store.write
        self._at = 0
        self._laps = 0

    def write(self, data):
        """Add *data*, which needs no heap, also where a callback comes in between."""
        count = len(data)
        if self._at + count < self._size:
            self._at += count
            self._put(data)
            return
        begin = 0
        while self._at + count - begin >= self._size:
            room = self._size - self._at
            if room > 0:
                self._put(data, begin, room)
            begin += room
            self._store.seek(0)
            self._at = 0
            self._laps += 1
        self._at = count - begin
        self._put(data, begin, count - begin)

    @property
    def next(self):
        """How many bytes have been written in all."""
        return self._laps * self._size + self._at

    def since(self, number):
        """Return (what is still here from byte *number* on, how many bytes of it are lost)."""
        end = self.next
        here = min(end, self._size)
        if number > end:
            number = end - here  # of another start: all that is here
        count = min(end - number, here)
        data = bytearray(count)
        store, view = self._store, memoryview(data)
        older = max(0, count - self._at)
        store.seek(self._size - older if older else self._at - count)
        store.readinto(view[:older])
        if older:
            store.seek(0)
        store.readinto(view[older:])
        store.seek(self._at)
        return data, end - number - count


class Log:
    """Numbered lines, of which about the last thousand bytes are kept."""

    def __init__(self, echo=print):
        #: The number that the next line will have.
        self.next = 0
        self._ring = Ring(_SAID)
        self._echo = echo

    def __call__(self, text):
        """Add one line (cut at 160 characters) and print it on the console."""
        global _telling
        line = str(text)[:_MAX_LINE].replace("\n", " ")
        if self._echo:
            _telling = True
            try:
                self._echo("ota:", line)
            finally:
                _telling = False
        self._ring.write(("%s\n" % line).encode())
        self.next += 1

    def since(self, number):
        """Return the lines numbered *number* and up that are still here."""
        data, lost = self._ring.since(0)
        if lost:
            data = data[data.find(b"\n") + 1 :]  # the rest of a line
        lines = bytes(data).decode().split("\n")[:-1]
        return lines[max(0, number - self.next + len(lines)) :]
