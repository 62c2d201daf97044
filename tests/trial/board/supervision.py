"""The supervision of a trial, guard/trial.py, and what begins it. Prints what it tried."""

import gc
import machine
import sys
import time
from micropython import heap_lock, heap_unlock

import ota_boot

# It needs a board's files; tests/trial/test_trial.py has it on the simulated Pico.
ota_boot._watch_sleep = lambda: True

SCRATCH = 0x28
# A number that needs heap, as the addresses on a board do, whose small numbers have 31 bits.
BASE = 1 << 62 if sys.maxsize >> 32 else 0x40058000


def board():
    """Give the guard's chip registers, and return them by address."""
    chip = ota_boot.chip
    chip._control, chip._reason = BASE, BASE + 8
    chip._scratch, chip._clear = BASE + SCRATCH, BASE + 0x3000
    chip._memory = {BASE: 0, BASE + 8: 0, BASE + SCRATCH: 0}
    return chip._memory


def the_deadline_needs_no_heap():
    board()
    chip = ota_boot.chip
    chip.leave("running", 1)
    ota_boot.Supervisor(1)
    timer = chip._timer
    tick = timer.callback
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
    assert (chip.hint(), chip.deaths()) == ("silent", 1)


def the_next_start_is_told_whether_the_service_had_a_turn():
    for turn, said in ((None, "silent"), (0, "deadline"), (-900, "silent")):
        board()
        watched = ota_boot.Supervisor(1)
        watched._until = time.ticks_ms()
        if turn is not None:
            watched.turn = time.ticks_add(time.ticks_ms(), turn)
        try:
            watched.tick(None)
        except machine.Reset:
            pass
        assert ota_boot.chip.hint() == said, (turn, ota_boot.chip.hint())


def a_register_that_cannot_be_written_does_not_save_the_application():
    board()
    watched = ota_boot.Supervisor(0)
    ota_boot.chip._memory = ()
    try:
        watched.tick(None)
    except machine.Reset:
        return
    raise AssertionError("no reset")


def ticks_that_get_lost_do_not_move_the_deadline():
    board()
    watched = ota_boot.Supervisor(1)
    time.sleep_ms(1050)
    try:
        watched.tick(None)
    except machine.Reset:
        return
    raise AssertionError("no reset")


def any_number_of_seconds_will_do():
    board()
    assert ota_boot.Supervisor(10**9).left_s in (86399, 86400)
    assert ota_boot.Supervisor(0).left_s == 0


def standing_down_leaves_no_hint():
    board()
    chip = ota_boot.chip
    chip.leave("running", 1)
    ota_boot.supervisor = ota_boot.Supervisor(9)
    ota_boot.stand_down()
    assert ota_boot.supervisor is None
    assert chip._timer is None
    assert (chip.hint(), chip.deaths()) == ("", 1)
    ota_boot.stand_down()  # when none is on trial it does no harm


def deaths_are_counted_once():
    board()
    chip = ota_boot.chip
    real, ota_boot.load = ota_boot.load, lambda: {"changed": None, "state": "idle"}
    counted = ("exception", "bitten", "end", "supervised")
    for hint in counted + ("running", "restart", "deadline", "rescue"):  # noqa: RUF005
        chip.leave(hint, 1)
        ota_boot._look_back(True)
        assert chip.deaths() == 1 + (hint in counted), hint
    ota_boot.load = real


def the_network_is_waited_for_but_not_for_ever():
    board()
    watched = ota_boot.Supervisor(5, 6)
    first = watched._until
    time.sleep_ms(50)
    watched.postpone()
    assert time.ticks_diff(watched._until, first) >= 50
    first = watched._until
    watched._last = time.ticks_add(first, -1)
    watched.postpone()
    assert watched._until == first
    watched = ota_boot.Supervisor(5)  # a trial has its time, and no more
    first = watched._until
    time.sleep_ms(50)
    watched.postpone()
    assert watched._until == first


def a_service_that_repairs_counts_no_death_and_asks_for_no_rescue():
    board()
    for hint in ("exception", "rescue"):
        ota_boot.chip.leave(hint, 5)
        assert ota_boot._look_back(False) is None
        assert ota_boot.chip.deaths() == 5


def the_guard_never_raises_and_the_application_is_watched():
    board()
    watched = []
    real = ota_boot.load, ota_boot._watch
    ota_boot._watch = lambda: watched.append(True)
    for error in (OSError(5), MemoryError(), ValueError("?"), RuntimeError(), KeyError(1)):

        def broken(error=error):
            raise error

        ota_boot.load = broken
        ota_boot._ran, ota_boot.ignored = False, None
        assert ota_boot.run() is False
        assert ota_boot.ignored.startswith("The guard stopped: ")
        assert ota_boot.run() is False  # once in a start
    assert len(watched) == 5
    ota_boot.load, ota_boot._watch = real


for check in (
    the_deadline_needs_no_heap,
    a_register_that_cannot_be_written_does_not_save_the_application,
    the_next_start_is_told_whether_the_service_had_a_turn,
    ticks_that_get_lost_do_not_move_the_deadline,
    any_number_of_seconds_will_do,
    standing_down_leaves_no_hint,
    deaths_are_counted_once,
    the_network_is_waited_for_but_not_for_ever,
    a_service_that_repairs_counts_no_death_and_asks_for_no_rescue,
    the_guard_never_raises_and_the_application_is_watched,
):
    check()
    print(check.__name__)
