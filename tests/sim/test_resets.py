"""Resets, their reasons, and that no program outlives them."""

import time

import pytest
from simboard import events, lines

REASON = "machine.mem32[0x40058008]"


def test_power_on(run):
    out = run(f"import machine; print(machine.reset_cause(), {REASON}, machine.PWRON_RESET)")
    assert out == ["1 0 1"]


def test_reset_is_a_reset_even_inside_of_a_try(make_board):
    board = make_board(
        f"""
        import machine
        if machine.reset_cause() == machine.PWRON_RESET:
            try:
                machine.reset()
            except BaseException:
                print("survived")
            finally:
                print("survived")
        print(machine.reset_cause(), {REASON})
        """
    )
    board.start()
    board.wait_event("prompt")
    assert lines(board) == ["3 2"]
    assert [e["event"] for e in board.events] == ["flash", "boot", "prompt"]
    assert board.events[1] == {"event": "boot", "cause": "machine.reset", "reason": 2}


def test_nothing_is_written_after_a_reset(make_board):
    board = make_board(
        """
        import machine, micropython, os
        def late(_):
            with open("/late", "w") as f: f.write("late")
        if machine.reset_cause() == 1:
            machine.Timer(period=1, callback=late)
            micropython.schedule(lambda _: machine.reset(), None)
            while True: pass
        print(os.listdir())
        """
    )
    board.start()
    board.wait_event("prompt")
    assert len(lines(board)) == 1


def test_a_program_that_loops_without_interrupts_is_bitten(make_board):
    board = make_board(
        f"""
        import machine
        if machine.reset_cause() == 1:
            machine.WDT(timeout=200)
            machine.disable_irq()
            try:
                while True: pass
            except BaseException:
                print("survived")
        print(machine.reset_cause(), {REASON}, hex(machine.mem32[0x4005801c]))
        """
    )
    board.start()
    board.wait_event("prompt")
    assert lines(board) == ["3 1 0x6ab73121"]  # as read on real firmware
    assert events(board, "boot") == [{"event": "boot", "cause": "watchdog", "reason": 1}]


@pytest.mark.parametrize(
    "blocked",
    [
        "while True: print('x' * 200)",
        "time.sleep(60)",
        "s.accept()",
        "sys.stdin.read(1)",
    ],
)
def test_a_program_that_blocks_is_bitten(make_board, blocked):
    board = make_board(
        f"""
        import machine, socket, sys, time
        if machine.reset_cause() == 1:
            s = socket.socket()
            s.bind(socket.getaddrinfo("0.0.0.0", 80)[0][-1])
            s.listen(1)
            machine.WDT(0, 100)
            {blocked}
        """
    )
    board.start()
    board.wait_event("prompt", 5)
    assert events(board, "boot")[0]["cause"] == "watchdog"


def test_a_fed_dog_does_not_bite_and_the_prompt_does_not_feed_it(make_board):
    board = make_board(
        """
        import machine, time
        if machine.reset_cause() == 1:
            dog = machine.WDT(timeout=250)
            start = time.ticks_ms()
            while time.ticks_diff(time.ticks_ms(), start) < 600:
                time.sleep_ms(50)
                dog.feed()
            print("fed")
        else:
            print("bitten")
        """
    )
    board.start()
    board.wait_console("bitten")
    assert lines(board)[0] == "fed"
    assert events(board, "boot") == [{"event": "boot", "cause": "watchdog", "reason": 1}]


def test_a_second_dog_has_its_own_time(make_board):
    board = make_board(
        """
        import machine, time
        if machine.reset_cause() == 1:
            machine.WDT(timeout=100)
            machine.WDT(timeout=8388)
            time.sleep_ms(300)
            print("alive")
            machine.WDT(timeout=50)
            time.sleep(10)
        """
    )
    board.start()
    board.wait_event("boot", 5)
    assert lines(board)[0] == "alive"


def test_what_a_dog_is_asked_for_is_checked(run):
    out = run(
        """
        import machine
        for options in ({"timeout": 8389}, {"id": 1}, {"timeout": -1}):
            try:
                machine.WDT(**options)
            except ValueError as e:
                print(e)
        print(hasattr(machine.WDT, "deinit"), hasattr(machine.WDT, "stop"))
        """
    )
    assert out == [
        "timeout exceeds 8388",
        "WDT(1) doesn't exist",
        "timeout exceeds 8388",
        "False False",
    ]


def test_the_enable_bit_of_the_dog_can_be_cleared(run):
    out = run(
        """
        import machine, time
        machine.WDT(timeout=50)
        machine.mem32[0x40058000 + 0x3000] = 1 << 30
        time.sleep_ms(200)
        print(machine.mem32[0x40058000] >> 30, "alive")
        """
    )
    assert out == ["0 alive"]


def test_scratch_registers_live_until_the_power_goes(make_board):
    board = make_board(
        """
        import machine
        at = 0x4005800c
        values = [machine.mem32[at + 4 * n] for n in range(8)]
        print(values)
        for n in range(8):
            machine.mem32[at + 4 * n] = 0x100000000 + n + 1
        if not values[0]:
            machine.reset()
        """
    )
    board.start()
    board.wait_event("prompt")
    # Register 4 is used up by the reset itself.
    assert lines(board) == ["[0, 0, 0, 0, 0, 0, 0, 0]", "[1, 2, 3, 4, 0, 6, 7, 8]"]
    assert board.power_cut() == 70
    board.start()
    board.wait_event("prompt")
    assert lines(board)[0] == "[0, 0, 0, 0, 0, 0, 0, 0]"


def test_a_register_that_is_not_simulated_is_refused(run):
    out = run(
        """
        import machine
        try:
            machine.mem32[0x40000000]
        except ValueError as e:
            print(e)
        """
    )
    assert out == ["pico-ota sim: register 0x40000000 is not simulated"]


def test_the_boot_loader_is_the_end(make_board):
    board = make_board("import machine; machine.bootloader()")
    board.start()
    board.wait_event("bootloader")
    assert board.running
    assert board.stop() == 0


def test_deep_sleep_ends_in_a_reset(make_board):
    board = make_board(
        """
        import machine
        if machine.reset_cause() == 1:
            machine.deepsleep(50)
        """
    )
    board.start()
    assert board.wait_event("boot")["cause"] == "machine.reset"


ASLEEP = """
import machine, time
hits = []
machine.Timer(period=50, callback=lambda t: hits.append(1))
machine.lightsleep(300)
print(len(hits))
time.sleep_ms(100)
print(len(hits) > 0)
machine.WDT(timeout=500)
machine.lightsleep(200)
print("awake")
machine.%s(2000)
"""


@pytest.mark.parametrize("sleep", ["lightsleep", "deepsleep"])
def test_a_watchdog_in_light_sleep_locks_an_rp2040_up_until_power_is_cut(make_board, sleep):
    board = make_board(ASLEEP % sleep)
    board.start()
    board.wait_event("locked up")
    hits, *others = lines(board)
    # None of the six that 300 ms have room for, but for what was due when it woke up.
    assert int(hits) <= 1
    assert others == ["True", "awake"]
    time.sleep(0.5)
    assert board.running
    assert not events(board, "boot")
    assert board.power_cut() == 70
    board.start()
    board.wait_event("locked up")
    assert board.stop() == 0


def test_a_watchdog_in_light_sleep_restarts_an_rp2350(make_board):
    board = make_board(ASLEEP % "lightsleep", board="pico2_w")
    board.start()
    assert board.wait_event("boot")["cause"] == "watchdog"


def test_an_engine_that_dies_is_told(make_board):
    board = make_board("import uctypes; print('x'); uctypes.bytearray_at(0, 1)[0] = 1")
    board.start()
    assert board.wait(10) == 1
    assert events(board, "crash") == [{"event": "crash", "status": -11}]
    assert board.stop() == 1


def test_the_unique_id_belongs_to_the_image(make_board):
    program = "import machine; print(machine.unique_id().hex())"
    first, second = make_board(program), make_board(program)
    own = make_board(program, unique_id=b"12345678")
    for board in (first, second, own):
        board.start()
        board.wait_event("prompt")
    first_id = lines(first)
    assert first_id != lines(second)
    assert len(first_id[0]) == 16
    assert lines(own) == [b"12345678".hex()]
    first.stop()
    first.start()
    first.wait_event("prompt")
    assert lines(first) == first_id


def test_the_bootsel_button(make_board):
    board = make_board(
        """
        import rp2, time
        print(rp2.bootsel_button())
        while not rp2.bootsel_button():
            time.sleep_ms(5)
        print(rp2.bootsel_button())
        """
    )
    board.start()
    board.wait_console("0\n")
    board.press_bootsel()
    board.wait_event("prompt")
    assert lines(board) == ["0", "1"]
    board.stop()
    board.start()
    board.wait_event("prompt")
    assert lines(board) == ["1", "1"]
