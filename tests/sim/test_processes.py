"""What the simulator is to the computer it runs on: processes, ports, signals, CPU and memory."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from simboard import SERVER, children, gone, lines

from pico_ota.sim import SimError
from pico_ota.sim import registers as reg


def test_two_boards_at_once(make_board):
    boards = [make_board(SERVER, files={"/name": name}) for name in (b"one", b"two")]
    for board in boards:
        board.start()
    urls = [board.wait_listening() for board in boards]
    assert urls[0] != urls[1]
    assert [httpx.get(url).text for url in urls] == ["one", "two"]
    boards[0].stop()
    assert httpx.get(urls[1]).text == "two"


def test_an_image_belongs_to_one_board_at_a_time(make_board):
    first = make_board(SERVER)
    first.start()
    second = make_board(image=first.image)
    with pytest.raises(SimError, match="in use by another simulator"):
        second.start()
    first.stop()
    second.start()


def test_a_port_belongs_to_one_board_at_a_time(make_board):
    first = make_board(SERVER)
    first.start()
    number = int(first.url.rsplit(":", 1)[1])
    with pytest.raises(SimError, match=f"port {number} of 127.0.0.1"):
        make_board(SERVER, port=number).start()
    first.close()
    second = make_board(SERVER, port=number)
    second.start()
    assert second.wait_listening() == f"http://127.0.0.1:{number}"


def test_a_stopped_board_is_gone(make_board):
    before = set(children(os.getpid()))
    descriptors = len(os.listdir("/proc/self/fd"))
    board = make_board(SERVER)
    for _ in range(3):
        board.start()
        board.wait_listening()
        (pid,) = set(children(os.getpid())) - before
        assert board.stop() == 0
        assert gone(pid)
        with pytest.raises(httpx.ConnectError):
            httpx.get(board.url)
    board.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_board_with_nothing_to_do_does_nothing(make_board):
    board = make_board("import machine; machine.Timer(period=500, callback=lambda t: None)")
    before = set(children(os.getpid()))
    board.start()
    board.wait_event("prompt")
    (pid,) = set(children(os.getpid())) - before

    def ticks():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    time.sleep(0.1)
    start, mine = ticks(), time.process_time()
    time.sleep(1)
    assert (ticks() - start) / os.sysconf("SC_CLK_TCK") <= 0.02
    assert time.process_time() - mine < 0.05


def test_a_board_starts_quickly(make_board):
    board = make_board("print('here')")
    board.prepare()
    times = []
    for _ in range(4):
        start = time.monotonic()
        board.start()
        board.wait_console("here")
        times.append(time.monotonic() - start)
        board.stop()
    print(f"boot to main.py: {min(times) * 1000:.0f} ms")
    assert min(times) < 0.25


def test_the_stand_ins_are_small(run):
    program = "import gc; gc.collect(); print(gc.mem_alloc(), gc.mem_free() + gc.mem_alloc())"
    held, total = map(int, run(program, heap="200K")[0].split())
    engine = Path(sys.executable).with_name("micropython")
    plain = subprocess.run(
        [engine, "-c", "import gc; gc.collect(); print(gc.mem_alloc())"],
        capture_output=True,
        text=True,
        check=True,
    )
    held_by_us = held - int(plain.stdout)
    print(f"heap held at boot: {held} of {total} bytes, of which {held_by_us} are the simulator's")
    # A board holds 7.3 KB at this point, which are 14.6 KB of 64-bit objects.
    assert held < 24 * 1024
    assert 195_000 < total < 205_000


def test_a_heap_is_a_limit(run):
    out = run(
        """
        try:
            bytearray(190_000)
        except MemoryError:
            print("full")
        print(len(bytearray(100_000)))
        """,
        heap="200K",
    )
    assert out == ["full", "100000"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"board": "pico"}, "unknown board 'pico': it is one of pico_w, pico2_w"),
        ({"heap": "much"}, "'much' is no size of a heap"),
        ({"heap": "10K"}, "too small to boot"),
        ({"heap": "0"}, "no size"),
        ({"tear": "half"}, "needs its number"),
        ({"tear": "most", "cut_after": 1}, "none or half"),
        ({"cut_after": 0}, "count from 1"),
        ({"port": 70000}, "no port"),
        ({"port": -1}, "no port"),
    ],
)
def test_options_that_make_no_sense_are_refused(make_board, options, words):
    with pytest.raises(SimError, match=words):
        make_board(**options)


def test_an_application_that_is_not_there(make_board, tmp_path):
    board = make_board(app=tmp_path / "nothing")
    with pytest.raises(SimError, match="is not a folder"):
        board.start()
    assert not board.image.exists()


def test_a_wait_that_fails_shows_the_console(make_board):
    board = make_board("print('what went wrong')")
    board.start()
    with pytest.raises(TimeoutError, match=r"did not listen in 0\.3 s:\nwhat went wrong"):
        board.wait_listening(0.3)
    board.stop()
    with pytest.raises(TimeoutError, match="is off and did not report 'bug'"):
        board.wait_event("bug")


PARENT = """
import sys, time
from pathlib import Path
from pico_ota.sim import SimulatedPico
pico = SimulatedPico(Path(sys.argv[1]), device_files={})
pico.start()
pico.wait_listening()
print("up", flush=True)
time.sleep(100)
"""


def test_a_killed_simulator_takes_its_board_along(make_board):
    board = make_board(SERVER)
    board.prepare()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, board.image], stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout.readline() == "up\n"
        (pid,) = children(parent.pid)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
    assert gone(pid)
    board.start()  # neither image nor port are held by a survivor
    board.wait_listening()


def test_both_sides_number_the_registers_alike():
    numbers = Path(reg.__file__).with_name("firmware") / "_numbers.py"
    scope = {}
    exec(numbers.read_text().replace("from micropython import const", "const = int"), scope)
    theirs = {k[1:]: v for k, v in scope.items() if k[0] == "_" and isinstance(v, int)}
    ours = {k: v for k, v in vars(reg).items() if k.isupper() and k[0] != "_" and k != "SIZE"}
    assert theirs == ours
    assert len(theirs) > 40


def test_a_board_prints_unfinished_lines_at_once(make_board):
    board = make_board(
        """
        import time
        print("  Fi", end="")
        time.sleep(0.05)
        print("ve of them", end="")
        time.sleep(100)
        """
    )
    board.start()
    board.wait_console("  Five of them", 5)


def test_what_the_simulator_itself_does_is_not_in_tracebacks(make_board):
    board = make_board("import machine\nmachine.WDT(timeout=9000)")
    board.start()
    board.wait_event("prompt")
    assert lines(board) == [
        "Traceback (most recent call last):",
        '  File "main.py", line 2, in <module>',
        "ValueError: timeout exceeds 8388",
    ]
