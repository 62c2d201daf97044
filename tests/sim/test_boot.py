"""Boot order and what is around a program: `ports/rp2/main.c`, and what real firmware did."""

import os

import pytest
from simboard import events, lines

from pico_ota.sim import image


def test_a_program_finds_the_board(run):
    out = run(
        """
        import os, sys
        print(__name__, __file__, os.getcwd(), sys.path, sys.argv)
        print(sys.platform, sys.implementation.name, sys.implementation._machine)
        print(sys.implementation._mpy, sys.implementation._build, os.uname().machine)
        print(sorted(os.listdir()), hasattr(os, "system"), hasattr(os, "getenv"))
        print(sorted(globals()))
        """
    )
    assert out == [
        "__main__ main.py / ['', '.frozen', '/lib'] []",
        "rp2 micropython Raspberry Pi Pico W with RP2040",
        "4870 RPI_PICO_W Raspberry Pi Pico W with RP2040",
        "['main.py'] False False",
        "['__file__', '__name__', 'os', 'sys']",
    ]


def test_a_pico2_w_is_larger(run, tmp_path):
    out = run(
        """
        import os, sys, machine
        print(sys.implementation._build, os.statvfs("/")[0] * os.statvfs("/")[2])
        print(machine.mem32[0x400d8008], machine.freq())
        """,
        board="pico2_w",
    )
    assert out == ["RPI_PICO2_W 2621440", "0 150000000"]


def test_boot_py_runs_first_in_the_same_namespace(run):
    assert run("print(word)", boot="word = 'from boot'") == ["from boot"]


@pytest.mark.parametrize("boot", ["1/0", "def (:"])
def test_a_boot_py_that_fails_keeps_main_py_from_running(run, boot):
    out = run("print('main')", boot=boot)
    assert out[0] == "Traceback (most recent call last):"
    assert out[1].startswith('  File "boot.py", line 1')  # no frame of the simulator before it
    assert "main" not in out


def test_a_main_py_that_fails_ends_at_the_prompt(run):
    out = run("print('one')\nraise ValueError('two')")
    assert out[0] == "one"
    assert out[1:] == [
        "Traceback (most recent call last):",
        '  File "main.py", line 2, in <module>',
        "ValueError: two",
    ]


def test_main_mpy_is_not_run(run):
    from pico_ota.devicefiles import compile_once

    assert run(files={"/main.mpy": compile_once(b"print('ran')", "main.py")}) == []


def test_modules_are_found_as_on_the_board(run):
    from pico_ota.devicefiles import compile_once

    files = {
        "/lib/inner.mpy": compile_once(b"word = 'mpy'", "inner.py"),
        "/lib/twice.py": b"word = 'lib'",
        "/twice.py": b"word = 'root'",
    }
    assert run("import inner, twice; print(inner.word, twice.word)", files=files) == ["mpy root"]


def test_sys_exit_restarts_micropython_only(make_board):
    board = make_board(
        """
        import machine, sys
        machine.mem32[0x4005800c] += 1
        print("boot", machine.mem32[0x4005800c], machine.reset_cause())
        if machine.mem32[0x4005800c] < 3:
            sys.exit()
        """
    )
    board.start()
    board.wait_event("prompt")
    assert lines(board) == ["boot 1 1", "boot 2 1", "boot 3 1"]
    assert events(board, "boot") == [{"event": "boot", "cause": "soft reset", "reason": 0}] * 2


def test_soft_reset_in_boot_py_goes_round_for_ever(make_board):
    board = make_board("print('main')", boot="import machine; machine.soft_reset()")
    board.start()
    for n in range(3):
        board.wait_event("boot", since=n)
    assert "main" not in board.console()
    assert board.stop() == 0


def test_a_soft_reset_can_be_caught(run):
    out = run(
        """
        import machine
        try:
            machine.soft_reset()
        except SystemExit:
            print("caught")
        """
    )
    assert out == ["caught"]


def test_an_unreadable_flash_is_formatted(make_board):
    board = make_board("print('never')")
    board.prepare()
    board.image.write_bytes(os.urandom(board.board.size))
    board.start()
    board.wait_event("prompt")
    board.stop()
    assert lines(board) == []
    assert image.read_tree(board.image) == {}
    assert board.events[-1]["erases"] >= 2


def test_the_dog_runs_and_the_radio_stays_on_over_a_soft_reset(make_board):
    board = make_board(
        """
        import machine, network, sys, time
        w = network.WLAN(0)
        print(machine.reset_cause(), w.isconnected(), "os" in sys.modules)
        if not w.isconnected() and machine.reset_cause() == 1:
            import os
            w.active(True)
            w.connect("any")
            while not w.isconnected():
                time.sleep_ms(5)
            machine.WDT(timeout=300)
            sys.exit()
        if machine.reset_cause() == 1:
            while True: pass
        """
    )
    board.start()
    board.wait_event("prompt")
    first, second, third = lines(board)
    assert first.startswith("1 False")
    assert second.startswith("1 True")
    assert third.startswith("3 False")  # bitten, though the second start never made a WDT


def test_console_traffic_of_a_second_end(run):
    out = run(
        """
        import os, io
        class Copy(io.IOBase):
            def write(self, data): pass
        print(os.dupterm(None))
        """
    )
    assert out == ["None"]


@pytest.mark.parametrize(
    "greedy",
    [
        "while True: hold.append(bytearray(500))",
        "while True: hold.append(None)",
        "while True: hold = [hold]",
    ],
)
def test_a_program_that_eats_the_heap_ends_at_the_prompt(run, greedy):
    out = run(f"hold = []\n{greedy}", heap="120K")
    assert out[-1].startswith("MemoryError"), out
