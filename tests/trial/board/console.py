"""ota/console.py and what a board prints, cut into pieces in all ways. Says what it tried."""

import machine
import os
import sys
from micropython import heap_lock, heap_unlock


class _Os:
    """`os` with the console's second end, which the unix port lacks."""

    second = None
    settings = True

    @staticmethod
    def dupterm(stream):
        before, _Os.second = _Os.second, stream
        return before

    @staticmethod
    def remove(path):
        os.remove(path)

    @staticmethod
    def stat(path):
        if not _Os.settings:
            raise _missing


_missing = OSError(2)
import ota  # noqa: E402

sys.modules["os"] = _Os
from ota import console  # noqa: E402
from ota.chip import Chip  # noqa: E402

sys.modules["os"] = os

_END = (
    b"MicroPython v1.28.0 on 2026-04-06; Raspberry Pi Pico W with RP2040\r\n"
    b'Type "help()" for more information.\r\n>>> '
)
_RAISED = (
    b"Traceback (most recent call last):\r\n"
    b'  File "main.py", line 12, in <module>\r\n'
    b'  File "asyncio/core.py", line 1, in run\r\n'
    b"ValueError: The Traceback (most likely) >>> is TTraceback here\r\n"
)
_CTRL_C = (
    b"Traceback (most recent call last):\r\n"
    b'  File "main.py", line 3, in <module>\r\nKeyboardInterrupt: \r\n'
)


def watch(urgent=False):
    return console.Console(urgent)


def feed(pieces, urgent=False):
    """Return (the watch, number of the piece after which it saw that the program is dead)."""
    looker = watch(urgent)
    for number, piece in enumerate(pieces):
        if _Os.second is looker:
            assert looker.write(bytearray(piece)) == len(piece)
        if looker._timer.period is not None:
            return looker, number
    return looker, None


def cut(text, *places):
    """Return the pieces of *text* between *places*."""
    ends = [0] + [place for place in places if place <= len(text)] + [len(text)]
    return [text[ends[n] : ends[n + 1]] for n in range(len(ends) - 1)]


def a_death_is_seen_however_the_text_is_cut():
    text = b"ready\r\n" + _RAISED + _END
    for size in range(1, 60):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert feed(pieces)[1] == len(pieces) - 1, size
    for first in range(len(text)):
        for second in range(first + first % 97, len(text), 97):
            pieces = cut(text, first, second)
            pieces = [piece for piece in pieces if piece]
            assert feed(pieces)[1] == len(pieces) - 1, (first, second)


def a_death_is_seen_as_the_firmware_cuts_it():
    # shared/runtime/stdout_helpers.c, two generations: "\r\n" apart, or "\n" before the next line.
    for ends in ((b"\r\n",), (b"\r", b"\n"), (b"\n",)):
        pieces = []
        for line in (_RAISED + _END).split(b"\r\n")[:-1]:
            pieces.append(line)
            pieces.extend(ends)
        pieces.append(b">>> ")
        assert feed(pieces)[1] == len(pieces) - 1, ends
    lumped = (_RAISED + _END).replace(b"\r\n", b"\r|\n").split(b"|")
    assert feed(lumped)[1] == len(lumped) - 1


def a_traceback_may_follow_a_line_that_has_no_end():
    for before in (b"...", b"T", b"Trace", b"Traceback (most", b"T\rT", b">>> "[:2], b"MemoryErr"):
        text = before + _RAISED + _END
        for at in range(len(text)):
            assert feed([piece for piece in cut(text, at) if piece])[1] is not None, (before, at)


def a_full_heap_prints_no_traceback():
    for text in (b"MemoryError: \r\n", b"MemoryError: memory allocation failed, x\r\n"):
        for at in range(len(text + _END)):
            assert feed(cut(text + _END, at))[1] is not None


def what_is_no_death():
    quiet = (
        _CTRL_C + _END,
        # What an application may say.
        b"\r\n>>> hello\r\n" + _END[:-30],
        b'Type "help\r\n>>> ',
        # A person tries something at the prompt, and thinks about what it says.
        _CTRL_C + _END + b"1/0\r\n" + _RAISED + b">>> ",
        # mpremote runs a program that raises.
        _CTRL_C + _END + b"\r\nraw REPL; CTRL-B to exit\r\n>OK\x04" + _RAISED + b"\x04>",
        b"raw REPL; CTRL-B to exit\r\n>OK\x04" + _RAISED + b"\x04>\r\n" + _END,
        # The application has caught it, and says so.
        _RAISED + b"going on\r\n",
        b"a line about >>> and Traceback (most of it)\r\n" + _END[:20],
    )
    for number, text in enumerate(quiet):
        for size in (1, 2, 3, 5, 17, 1000):
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            assert feed(pieces)[1] is None, (number, size)
    looker, _ = feed([_RAISED + b"going on\r\n"])
    assert _Os.second is looker


def what_the_program_says_itself_is_no_prompt():
    for said in (
        b">>> ready\r\n",
        b"raw REPL is off\r\n",
        b"paste mode; Ctrl-C to cancel\r\n",
        _RAISED + b"going on\r\n>>> sending\r\n",
        b"MemoryError, but it goes on\r\n>>> ",
    ):
        looker, number = feed([said])
        assert (number, _Os.second) == (None, looker), said
        for end in (_END, b"\r\n" + _RAISED + _END):
            assert feed([said, end])[1] == 1, said
    # Somebody may have been there once.
    assert feed([b"KeyboardInterrupt\r\n", _RAISED + _END])[1] == 1


def an_end_is_seen_however_the_text_is_cut():
    for text in (_END, b"done\r\n" + _END, b"T\r\n" + _END, _RAISED + b"going on\r\n" + _END):
        for size in range(1, 60):
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            looker, number = feed(pieces)
            assert number == len(pieces) - 1, (text, size)
    board()
    guard = sys.modules["ota_boot"] = None
    for urgent in (False, True):
        looker, _ = feed([b"done\r\n", _END], urgent)
        assert looker._timer.period == (1 if urgent else 15000)
        try:
            looker._time_is_up(None)
        except machine.Reset:
            pass
        assert (ota.chip.hint(), guard) == ("end", None)
    del sys.modules["ota_boot"]


def a_person_ends_the_supervision_of_files_changed_by_hand():
    class Guard:
        supervisor = True

        def stand_down(self):
            self.supervisor = None

    for text in (
        _CTRL_C + _END,
        b"raw REPL; CTRL-B to exit\r\n>",
        _END + b"|i",
        _RAISED + _END + b"|i",
    ):
        for urgent in (False, True):
            guard = sys.modules["ota_boot"] = Guard()
            feed([])
            looker = watch(urgent)
            for piece in text.split(b"|"):
                looker.write(piece)
            assert guard.supervisor is (True if urgent else None), text
    del sys.modules["ota_boot"]


def the_exception_is_told_to_the_guard():
    class Guard:
        said = None

        def blame(self, said):
            self.said = said

    board()
    guard = sys.modules["ota_boot"] = Guard()
    for text, said in (
        (_RAISED, "ValueError: The Traceback (most likely) >>> is TTraceback here"[:60]),
        (_RAISED + _RAISED.replace(b"ValueError: The", b"KeyError: e"), "KeyError: e"),
        (b"MemoryError: \r\n", "MemoryError: "),
        (_RAISED.replace(b"ValueError", b"MemoryError"), "MemoryError: The"),
        (
            b"Traceback (most recent call last):\r\nOSError: [Errno 5] EIO\r\n",
            "OSError: [Errno 5] EIO",
        ),
        (b"Traceback (most recent call last):\r\n  File\r\nE: \xff\r\n", "E: \xff"),
    ):
        for size in range(1, 40):
            pieces = [text[at : at + size] for at in range(0, len(text), size)]
            pieces.append(_END)
            looker, _ = feed(pieces, urgent=True)
            try:
                looker._time_is_up(None)
            except machine.Reset:
                pass
            assert guard.said.startswith(said), (guard.said, said, size)
            assert len(guard.said) <= 60
    # From the confirmation on it is an application like any other.
    guard.said = None
    looker, _ = feed([_RAISED], urgent=True)
    looker.urgent = False
    looker.write(bytearray(_END))
    assert looker._timer.period == 15000
    try:
        looker._time_is_up(None)
    except machine.Reset:
        pass
    assert guard.said is None
    del sys.modules["ota_boot"]


def a_person_has_time_to_press_a_key():
    for typed in ((b"i",), (b"\r\n", b">>> "), (b"\r\n", b"raw REPL; CTRL-B to exit\r\n>")):
        looker, _ = feed([_RAISED, _END])
        assert looker._timer.period == 15000
        assert _Os.second is looker
        for piece in typed:
            looker.write(piece)
        assert looker._timer.period is None
        assert _Os.second is None
    looker, _ = feed([_RAISED, _END])
    for piece in (b"tick", b"\r\n", b"\r\ntock\r\n"):
        looker.write(piece)  # of a timer that is still running
    assert looker._timer.period == 15000
    assert feed([_RAISED, _END], urgent=True)[0]._timer.period == 1


# A number that needs heap, as the addresses on a board do, whose small numbers have 31 bits.
_SCRATCH = 1 << 62 if sys.maxsize >> 32 else 0x40058028


def board(word=None):
    """Have a Chip with a register that holds *word*; return that, as a dict."""
    ota.chip = found = Chip()
    found._scratch = _SCRATCH
    found._memory = {_SCRATCH: 0}
    found.leave("running", 2)
    if word is not None:
        found._memory[_SCRATCH] = word
    return found._memory


def it_works_with_a_full_heap():
    for urgent in (False, True):
        for settings in (True, False):
            registers = board()
            before = registers[_SCRATCH]
            _Os.settings = settings
            looker = watch(urgent)
            pieces = [bytearray(p) for p in cut(_RAISED + _END, 3, 40, 41, 200)]
            expired = looker._time_is_up
            ended = None
            gc_collect()
            heap_lock()
            try:
                for number in range(5):
                    looker.write(pieces[number])
                looker.readinto(pieces[0])
                looker.ioctl(3, 1)
                expired(looker._timer)
            except machine.Reset as reset:
                ended = reset
            finally:
                heap_unlock()
            assert (ended is not None) == (urgent or settings), (urgent, settings)
            if ended:
                assert (ota.chip.hint(), ota.chip.deaths()) == ("exception", 2)
            else:
                assert registers[_SCRATCH] == before
    # Somebody else's number in the register is none of ours.
    board(0x12345678)
    try:
        watch(True)._time_is_up(None)
    except machine.Reset:
        pass
    assert (ota.chip.hint(), ota.chip.deaths()) == ("end", 0)
    _Os.settings = True


def without_a_free_timer_nobody_is_waited_for():
    looker = watch()
    init = looker._timer.init

    def no_alarm(**options):
        raise OSError(12)

    looker._timer.init = no_alarm
    try:
        looker.write(bytearray(_RAISED + _END))
    except machine.Reset:
        return
    finally:
        looker._timer.init = init
    raise AssertionError("no reset")


def another_terminal_may_take_its_place():
    looker = watch()
    assert not looker  # what WebREPL asks, before it turns a client away
    assert looker.readinto(bytearray(1)) is None
    assert looker.ioctl(3, 1) == 0


def what_is_printed_is_kept_but_not_what_the_log_says():
    looker = watch()
    text = b"ready\r\n" + _RAISED + b"Type T\r\n>> >\r\n"
    for size in (1, 2, 3, 5, 17, 1000):
        before = looker.ring.next
        for at in range(0, len(text), size):
            looker.write(bytearray(text[at : at + size]))
            console._telling = True
            looker.write(bytearray(b"ota: a line of the log"))
            console._telling = False
        assert looker.ring.since(before) == (text, 0)
    assert looker.ring.since(0)[0] == (text * 6)[-1536:]


def the_last_traceback_is_kept_whatever_is_printed_after_it():
    looker = watch()
    for text, told in (
        (b"ready\r\n" + _RAISED + b"going on\r\n", _RAISED[:-2]),
        (b"MemoryError: \r\n", b"MemoryError: "),
        (_CTRL_C, _CTRL_C[:-2]),
        (_RAISED, _RAISED[:-2]),
    ):
        told = told.replace(b"\r\n", b"\n")
        for size in (1, 3, 1000):
            for at in range(0, len(text), size):
                looker.write(bytearray(text[at : at + size]))
            for _ in range(100):
                looker.write(bytearray(b"this and that, forty characters in all.."))
                looker.write(bytearray(b"\r\n"))
            assert looker.traceback() == told, (looker.traceback(), told)
    # Of a long one the end, where the line and the exception stand.
    looker.write(_RAISED[:36] + b'  File "deep.py", line 1, in again\r\n' * 30 + _RAISED[36:])
    assert len(looker.traceback()) == 512
    assert looker.traceback()[-100:] == _RAISED[:-2].replace(b"\r\n", b"\n")[-100:]


def a_dead_program_leaves_its_traceback():
    board()
    left = console.TRACEBACK = "traceback.tmp"
    for urgent in (False, True):
        for text, told in ((_RAISED, _RAISED[:-2].replace(b"\r\n", b"\n")), (b"done\r\n", None)):
            looker, _ = feed([text + _END], urgent)
            try:
                looker._time_is_up(None)
            except machine.Reset:
                pass
            console._console = None
            assert console.traceback() == told, console.traceback()
            forget()
    # Where nothing was printed in this start it is that of the death before.
    console._console = watch()
    with open(left, "wb") as file:
        file.write(b"before")
    assert console.traceback() == b"before"
    console._console.write(bytearray(_RAISED))
    assert console.traceback() != b"before"
    forget()
    console._console = None


def forget():
    """Remove what a death has left."""
    try:
        os.remove(console.TRACEBACK)
    except OSError:
        pass  # nothing was printed


def gc_collect():
    import gc

    gc.collect()


for check in (
    a_death_is_seen_however_the_text_is_cut,
    a_death_is_seen_as_the_firmware_cuts_it,
    a_traceback_may_follow_a_line_that_has_no_end,
    a_full_heap_prints_no_traceback,
    an_end_is_seen_however_the_text_is_cut,
    a_person_ends_the_supervision_of_files_changed_by_hand,
    what_is_no_death,
    what_the_program_says_itself_is_no_prompt,
    the_exception_is_told_to_the_guard,
    a_person_has_time_to_press_a_key,
    it_works_with_a_full_heap,
    without_a_free_timer_nobody_is_waited_for,
    another_terminal_may_take_its_place,
    what_is_printed_is_kept_but_not_what_the_log_says,
    the_last_traceback_is_kept_whatever_is_printed_after_it,
    a_dead_program_leaves_its_traceback,
):
    check()
    print(check.__name__)
