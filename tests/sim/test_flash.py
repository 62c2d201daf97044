"""The flash chip: its rules, what it counts, what a power cut leaves, what it costs."""

import time

import pytest
from simboard import events, lines

from pico_ota.sim import image
from pico_ota.sim.boards import BLOCK

# Blocks that a nearly empty file system does not touch.
FREE = 150


def flash(board):
    return {k: v for k, v in events(board, "flash")[-1].items() if k != "event"}


def until_off(board):
    """Wait for the cut, or for the end of a program that was not cut."""
    while board.running and not events(board, "prompt"):
        time.sleep(0.005)
    return board.stop()


def block_of(board, number):
    return board.image.read_bytes()[number * BLOCK : (number + 1) * BLOCK]


@pytest.mark.parametrize(
    ("program", "erases", "calls"),
    [
        # Measured on MicroPython's littlefs with another block device: platform facts 2.1.
        ("pass", 0, 0),
        ("open('/new', 'w').close()", 0, 2),
        ("with open('/small', 'wb') as f: f.write(bytes(100))", 0, 1),
        ("os.rename('/small', '/other')", 0, 1),
        ("os.rename('/small', '/dir/other')", 0, 2),
        ("os.remove('/small')", 0, 1),
        ("os.mkdir('/new')", 1, 2),
        ("with open('/new', 'wb') as f: f.write(bytes(8192))", 3, None),
        ("with open('/new', 'wb') as f: f.write(bytes(65536))", 17, None),
    ],
)
def test_operations_are_counted(make_board, program, erases, calls):
    files = {"/small": bytes(100), "/dir/x": b"x"}
    board = make_board(f"import os\n{program}", files=files)
    board.start()
    board.wait_event("prompt")
    running = board.flash_counts
    board.stop()
    assert lines(board) == []
    assert running == board.flash_counts == flash(board)
    assert flash(board)["erases"] == erases
    if calls is not None:
        assert flash(board)["programs"] == calls
    assert flash(board)["bytes"] % 256 == 0
    assert board.flash_operations == flash(board)["erases"] + flash(board)["programs"]


DRIVER = f"""
import rp2
flash = rp2.Flash()
data = bytes(range(256)) * 16
flash.ioctl(6, {FREE})
flash.writeblocks({FREE}, data[:1024], 0)
flash.writeblocks({FREE}, data[:512], 1024)
flash.ioctl(6, {FREE})
flash.writeblocks({FREE + 1}, data)
"""


def test_the_counters_say_what_the_driver_was_asked(make_board):
    board = make_board(DRIVER)
    board.start()
    board.wait_event("prompt")
    board.stop()
    assert flash(board) == {"erases": 3, "programs": 3, "bytes": 1024 + 512 + 4096}


def test_a_reset_reports_the_counters_and_does_not_start_them_anew(make_board):
    board = make_board(f"{DRIVER}\nimport machine\nif machine.reset_cause() == 1: machine.reset()")
    board.start()
    board.wait_event("prompt")
    board.stop()
    first, second = events(board, "flash")
    assert (first["erases"], first["programs"]) == (3, 3)
    assert (second["erases"], second["programs"]) == (6, 6)


DATA = bytes(range(256)) * 16
ERASED = b"\xff" * BLOCK
# What the block holds after a cut in each operation of DRIVER: none of it done, half done.
AFTER_CUT = [
    (ERASED, ERASED),
    (ERASED, DATA[:512] + ERASED[512:]),
    (DATA[:1024] + ERASED[1024:], DATA[:1024] + DATA[:256] + ERASED[1280:]),
    (DATA[:1024] + DATA[:512] + ERASED[1536:], ERASED),
]


@pytest.mark.parametrize("tear", ["none", "half"])
@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_cut_stops_at_that_operation(make_board, cut, tear):
    board = make_board(
        f"try:\n exec({DRIVER!r})\nfinally:\n print('survived')", cut_after=cut, tear=tear
    )
    board.start()
    assert board.wait(10) == 70
    assert not board.running
    assert lines(board) == []
    assert block_of(board, FREE) == AFTER_CUT[cut - 1][tear == "half"]
    counted = flash(board)
    assert counted["erases"] + counted["programs"] == cut
    whole = [0, 0, 1024, 1536][cut - 1]
    half = {2: 512, 3: 256}.get(cut, 0) if tear == "half" else 0
    assert counted["bytes"] == whole + half


def test_a_torn_erase_leaves_the_second_half(make_board):
    board = make_board(
        f"""
        import rp2
        flash = rp2.Flash()
        flash.writeblocks({FREE}, bytes(4096))
        flash.ioctl(6, {FREE})
        """,
        cut_after=3,
        tear="half",
    )
    board.start()
    assert board.wait(10) == 70
    assert block_of(board, FREE) == ERASED[:2048] + bytes(2048)


def test_operations_count_on_over_a_reset(make_board):
    # Else no sweep could reach what happens after the first restart.
    board = make_board(
        f"{DRIVER}\nimport machine\nif machine.reset_cause() == 1: machine.reset()", cut_after=7
    )
    board.start()
    assert board.wait(10) == 70
    assert [e["event"] for e in board.events] == ["flash", "boot", "flash"]


@pytest.mark.parametrize("tear", ["none", "half"])
def test_every_cut_leaves_the_old_file_or_the_new_one(make_board, tear):
    old, new = b"old" * 2000, b"new" * 2000
    program = """
    with open("/file", "wb") as f:
        f.write(b"new" * 2000)
    """
    found = set()
    for cut in range(1, 100):
        board = make_board(program, files={"/file": old}, cut_after=cut, tear=tear)
        board.start()
        status = until_off(board)
        content = image.read_tree(board.image)["/file"]
        assert content in (old, new), cut
        found.add((status, content))
        if status == 0:
            break
    assert cut > 5
    assert found >= {(70, old), (0, new)}


def test_the_board_boots_after_a_cut(make_board):
    program = "with open('/file', 'wb') as f: f.write(bytes(9000))\nprint('written')"
    board = make_board(program, cut_after=5, tear="half")
    board.start()
    assert board.wait(10) == 70
    board.cut_after = None
    board.start()
    board.wait_event("prompt")
    assert lines(board) == ["written"]
    assert board.stop() == 0
    assert len(image.read_tree(board.image)["/file"]) == 9000


def test_programming_only_clears_bits_and_is_reported(make_board):
    board = make_board(
        f"""
        import rp2
        flash = rp2.Flash()
        flash.ioctl(6, {FREE})
        flash.writeblocks({FREE}, b"\\xf0" * 256, 0)
        flash.writeblocks({FREE}, b"\\x3c" * 256, 0)
        back = bytearray(256)
        flash.readblocks({FREE}, back)
        print(set(back))
        """
    )
    board.start()
    board.wait_event("bug")
    board.wait_event("prompt")
    assert lines(board) == ["{48}"]


def test_the_driver_stays_inside_of_the_file_system(run):
    out = run(
        """
        import rp2
        flash = rp2.Flash()
        print(flash.ioctl(4, 0), flash.ioctl(5, 0))
        for block in (-1, 212):
            try:
                flash.readblocks(block, bytearray(16))
            except ValueError as e:
                print(e)
        for start, size in ((100, 4096), (0, 5000), (4096, 212 * 4096)):
            try:
                rp2.Flash(start=start, len=size)
            except ValueError:
                print("refused")
        print(rp2.Flash(start=4096, len=8192).ioctl(4, 0))
        """
    )
    assert out == [
        "212 4096",
        *["pico-ota sim: block outside of the file system"] * 2,
        *["refused"] * 3,
        "2",
    ]


def test_a_full_flash_is_full_and_usable_again(run):
    out = run(
        """
        import os
        try:
            with open("/big", "wb") as f:
                while True:
                    f.write(bytes(4096))
        except OSError as e:
            print(e.errno)
        os.remove("/big")
        with open("/small", "wb") as f:
            f.write(bytes(4096))
        print(os.stat("/small")[6])
        """
    )
    assert out == ["28", "4096"]


def test_flash_timing_charges_the_chip(run):
    program = f"""
        import rp2, time
        flash = rp2.Flash()
        start = time.ticks_ms()
        for n in range(8):
            flash.ioctl(6, {FREE} + n)
        print(time.ticks_diff(time.ticks_ms(), start))
        start = time.ticks_ms()
        for n in range(8):
            for page in range(16):
                flash.writeblocks({FREE} + n, bytes(256), page * 256)
        print(time.ticks_diff(time.ticks_ms(), start))
    """
    erase_ms, program_ms = map(int, run(program, flash_timing=True))
    assert 8 * 45 <= erase_ms <= 8 * 45 * 1.25
    assert 8 * 16 * 0.4 - 1 <= program_ms <= 8 * 16 * 0.4 * 1.25 + 10
    assert sum(map(int, run(program))) < 150


def test_the_driver_does_not_need_the_heap(run):
    out = run(
        """
        import gc, micropython, rp2
        flash = rp2.Flash()
        data, back = bytearray(256), bytearray(1024)
        def work():
            flash.ioctl(6, 150)
            flash.writeblocks(150, data, 0)
            flash.readblocks(150, back, 0)
        work()
        micropython.heap_lock()
        try:
            work()
        finally:
            micropython.heap_unlock()
        print("fine")
        """
    )
    assert out == ["fine"]
