"""The chip: hints for the next start, deaths in a row, and a watchdog of our own."""

import sys

import world

import ota_boot
from ota.chip import _HINTS, Chip
from ota_boot import GuardedChip

CTRL, CLEAR = 0x00, 0x3000


def made(reason=0, word=0, kind=GuardedChip):
    """Return a Chip with registers, and its registers."""
    found = kind()
    found._memory = {CTRL: 0, world.REASON: reason, world.SCRATCH: word}
    return found, found._memory


class _Watchdog:
    fed = 0

    def __init__(self, timeout):
        self.timeout = timeout

    def feed(self):
        self.fed += 1


class _Timer:
    PERIODIC = 1
    running = None

    def __init__(self, number):
        pass

    def init(self, mode, period, callback):
        _Timer.running = callback

    def deinit(self):
        _Timer.running = None


def test_a_hint_and_the_deaths_come_back():
    for kind in (Chip, GuardedChip):
        board, memory = made(kind=kind)
        _comes_back(board, memory)


def _comes_back(board, memory):
    for deaths in (0, 1, 3, 63):
        for hint in _HINTS:
            board.leave(hint, deaths)
            assert (board.hint(), board.deaths()) == (hint, deaths)
            assert memory[world.SCRATCH] < 1 << 30  # a larger number would need heap
    board.count_resets(15)
    board.leave("end", 63)
    assert (board.hint(), board.deaths(), board.limit()) == ("end", 63, 15)
    assert memory[world.SCRATCH] < 1 << 30
    board.count_resets(0)
    assert (board.hint(), board.deaths(), board.limit()) == ("end", 63, 0)
    board.leave("running", 1000)
    assert (board.hint(), board.deaths()) == ("running", 63)
    board.leave("restart")
    assert (board.hint(), board.deaths()) == ("restart", 63)
    board.forget_deaths()
    assert (board.hint(), board.deaths()) == ("restart", 0)


def test_a_word_of_another_program_is_no_hint_and_nobody_s_death():
    right = made()
    right[0].leave("exception", 2)
    word = right[1][world.SCRATCH]
    others = [0, 0xFFFFFFFF, 0x07A50304, 0x07A40004, 0x6AB73121, 0xB007C0D3, 0x12345678]
    others += [word ^ 1 << bit for bit in range(32)]
    for other in others:
        board, memory = made(word=other)
        assert (board.hint(), board.deaths()) == ("", 0), hex(other)
        board.forget_deaths()
        assert memory[world.SCRATCH] == other  # it is theirs


def test_the_cause_is_read_and_not_guessed():
    for reason, cause in ((0, "power"), (1, "watchdog"), (2, "reset"), (3, "watchdog")):
        assert made(reason)[0].cause() == cause


def test_without_registers_every_start_is_one_after_power_on():
    board = GuardedChip()
    board.leave("exception", 3)
    board.disarm()
    board.forget_deaths()
    assert (board.hint(), board.deaths(), board.cause()) == ("", 0, "power")
    assert not board.button_held()


def test_a_restart_leaves_the_hint_also_when_that_fails():
    board = made()[0]
    for hint in ("rescue", "no such hint"):
        try:
            board.restart(hint)
        except world.Restart:
            continue
        raise AssertionError("it was not restarted")
    assert board.hint() == "rescue"


def _with_watchdog(board):
    sys.modules["machine"].WDT, sys.modules["machine"].Timer = _Watchdog, _Timer
    board.start_watchdog(lambda timer: None)
    assert _Timer.running
    return board._watchdog


def test_our_watchdog_is_stopped():
    board, memory = made()
    watchdog = _with_watchdog(board)
    memory[CTRL] = watchdog.timeout * 2000
    board.stop_watchdog()
    assert memory[CLEAR] == 0x40000000 and _Timer.running is None
    board.stop_watchdog()  # a second time does nothing


def test_a_watchdog_of_the_application_goes_on():
    board, memory = made()
    _with_watchdog(board)
    memory[CTRL] = 5000 * 2000
    board.stop_watchdog()
    assert CLEAR not in memory and _Timer.running is None


def test_a_watchdog_can_be_stopped_where_there_are_no_registers():
    board = GuardedChip()
    watchdog = _with_watchdog(board)
    board.stop_watchdog()
    assert watchdog.fed == 1 and _Timer.running is None


def test_both_chips_are_found():
    class Memory(dict):
        pass

    memory = Memory()
    sys.modules["machine"].mem32 = memory
    real = ota_boot.sys

    class System:
        platform = "rp2"

        class implementation:
            _machine = "Raspberry Pi Pico 2 W with RP2350"

    try:
        ota_boot.sys = System
        second = GuardedChip()
        System.implementation._machine = "Raspberry Pi Pico W with RP2040"
        first = GuardedChip()
    finally:
        ota_boot.sys = real
    assert second._scratch == 0x400D8028 and second._ticks_ms == 1000
    assert first._scratch == 0x40058028 and first._ticks_ms == 2000
    memory[0x40058028] = 0
    first.leave("rescue", 1)
    assert list(memory) == [0x40058028]


def test_a_timer_alone_restarts_nothing_by_itself():
    board, _ = made()
    machine = sys.modules["machine"]
    machine.WDT, machine.Timer = None, _Timer  # a watchdog would be called here
    board.start_watchdog(lambda timer: None, False)
    board.feed()
    board.stop_watchdog()
    assert _Timer.running is None
