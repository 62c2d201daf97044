"""The supervision of a trial in ota_boot.py, and its marks. Prints what it tried."""

import gc
import machine
import sys
import time
from micropython import heap_lock, heap_unlock

import ota_boot

CTRL, REASON, SCRATCH0, CLEAR = 0, 8, 12, 0x3000
# A number that needs heap, as the addresses on a board do, whose small numbers have 31 bits.
BASE = 1 << 62 if sys.maxsize >> 32 else 0x40058000


class Memory:
    """The watchdog's registers. *loads* is what each feeding finds in CTRL."""

    def __init__(self, base=BASE):
        self.base = base
        self.words = {base + at: 0 for at in (CTRL, REASON, SCRATCH0, CLEAR)}
        self.loads = []

    def __getitem__(self, address):
        if address == self.base and self.loads:
            return 1 << 30 | self.loads.pop(0)
        return self.words[address]

    def __setitem__(self, address, value):
        self.words[address] = value

    def of(self, offset):
        return self.words[self.base + offset]


def board(machine_name="Raspberry Pi Pico W with RP2040"):
    ota_boot._is_rp2350 = lambda: "RP2350" in machine_name
    memory = Memory()
    ota_boot.registers = ota_boot._Registers(memory, BASE)
    return memory


def the_registers_are_found():
    class System:
        platform = "rp2"
        path = sys.path

    class Implementation:
        pass

    find = ota_boot._is_rp2350
    for name, base in (
        ("Raspberry Pi Pico W with RP2040", 0x40058000),
        ("Raspberry Pi Pico 2 W with RP2350", 0x400D8000),
    ):
        memory = Memory(base)
        machine.mem32 = memory
        System.implementation = Implementation()
        System.implementation._machine = name
        ota_boot.sys, ota_boot.registers = System, None
        try:
            ota_boot.mark("rescue", 2)
        finally:
            ota_boot.sys = sys
        assert memory.of(SCRATCH0) == 0x07A50206, hex(memory.of(SCRATCH0))
        assert find is ota_boot._is_rp2350


def the_deadline_needs_no_heap():
    memory = board()
    ota_boot.mark("running", 1)
    watched = ota_boot.Supervisor(1)
    tick, timer = watched._timer.callback, watched._timer
    fed = machine.WDT.fed
    ended = None
    gc.collect()
    heap_lock()
    try:
        tick(timer)
        early = machine.WDT.fed
        time.sleep_ms(1050)
        tick(timer)
    except machine.Reset as reset:
        ended = reset
    finally:
        heap_unlock()
    assert early == fed + 1
    assert machine.WDT.fed == early
    assert ended is not None
    assert ota_boot.read_mark()[0] == "deadline"
    assert ota_boot.count_deaths() == 1
    assert memory.of(SCRATCH0) == 0x07A50105


def a_register_that_cannot_be_written_does_not_save_the_application():
    memory = board()
    watched = ota_boot.Supervisor(0)
    memory.words = None
    try:
        watched._tick(None)
    except machine.Reset:
        return
    raise AssertionError("no reset")


def ticks_that_get_lost_do_not_move_the_deadline():
    board()
    watched = ota_boot.Supervisor(1)
    time.sleep_ms(1050)
    try:
        watched._tick(None)
    except machine.Reset:
        return
    raise AssertionError("no reset")


def any_number_of_seconds_will_do():
    board()
    assert ota_boot.Supervisor(10**9).left_s in (86399, 86400)
    assert ota_boot.Supervisor(0).left_s == 0


def only_our_watchdog_is_stopped():
    ours = 8321
    for name, ticks_a_ms in (("RP2040", 2000), ("RP2350", 1000)):
        for armed, stopped in ((ours, True), (8388, False), (8000, False), (5000, False)):
            memory = board(name)
            memory.loads = [armed * ticks_a_ms - 50] * 20
            ota_boot.Supervisor(9).stop()
            assert (memory.of(CLEAR) == 1 << 30) == stopped, (name, armed)
        # A callback of the application, or an erase, came between feeding and looking: again.
        memory = board(name)
        memory.loads = [ours * ticks_a_ms - n * ticks_a_ms for n in (300, 90, 1)]
        ota_boot.Supervisor(9).stop()
        assert memory.of(CLEAR) == 1 << 30
        assert not memory.loads


def marks_and_causes():
    memory = board()
    for reason, cause in ((0, "power"), (1, "watchdog"), (2, "reset")):
        memory[BASE + REASON] = reason
        for why in ota_boot._MARKS:
            ota_boot.mark(why, 7)
            assert ota_boot.read_mark() == (why, cause)
            assert ota_boot.count_deaths() == 7
            ota_boot.forget_deaths()
            assert ota_boot.read_mark() == (why, cause)
            assert ota_boot.count_deaths() == 0
    ota_boot.mark("restart", 1000)
    assert ota_boot.count_deaths() == 255
    for strange in (0, 0xFFFFFFFF, 0x07A4FF06, 0x07A500FF, 0x12345678):
        memory[BASE + SCRATCH0] = strange
        assert ota_boot.read_mark()[0] == ""
        assert ota_boot.count_deaths() == 0


def deaths_are_counted_once():
    board()
    for why in ota_boot._MARKS:
        ota_boot.mark(why, 1)
        ota_boot._rescue_reason(why)
        assert ota_boot.count_deaths() == 1 + (why in ("exception", "bitten")), why


def the_guard_never_raises_and_the_application_is_watched():
    board()
    watched = []
    repair, watch = ota_boot.repair, ota_boot._watch
    ota_boot._watch = lambda: watched.append(True)
    for error in (OSError(5), MemoryError(), ValueError("?"), RuntimeError(), KeyError(1)):

        def broken(attempt, error=error):
            raise error

        ota_boot.repair = broken
        ota_boot._ran, ota_boot.ignored = False, None
        assert ota_boot.run() == 0
        assert ota_boot.ignored.startswith("The guard stopped: ")
        assert ota_boot.run() == 0  # once in a start
    assert len(watched) == 5
    ota_boot.repair, ota_boot._watch = repair, watch


for check in (
    the_registers_are_found,
    the_deadline_needs_no_heap,
    a_register_that_cannot_be_written_does_not_save_the_application,
    ticks_that_get_lost_do_not_move_the_deadline,
    any_number_of_seconds_will_do,
    only_our_watchdog_is_stopped,
    marks_and_causes,
    deaths_are_counted_once,
    the_guard_never_raises_and_the_application_is_watched,
):
    check()
    print(check.__name__)
