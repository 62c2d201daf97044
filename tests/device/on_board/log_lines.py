"""ota/console.py: the lines of the log, and the ring of what was printed"""

from micropython import heap_lock, heap_unlock

from ota import console
from ota.console import Log, Ring


def test_lines_are_numbered_from_zero():
    log = Log(None)
    log("a")
    log("b")
    assert (log.next, log.since(0), log.since(1)) == (2, ["a", "b"], ["b"])
    assert log.since(2) == log.since(99) == []


def test_old_lines_give_way_and_keep_their_numbers():
    log = Log(None)
    for n in range(500):
        log("line %04d" % n)
        kept = log.since(0)
        assert kept[-1] == "line %04d" % n
        assert kept[0] == "line %04d" % (log.next - len(kept))
    assert log.next == 500
    assert 900 <= sum(len(line) + 1 for line in kept) <= 1024
    assert log.since(498) == ["line 0498", "line 0499"]
    assert log.since(log.next - len(kept) - 5) == kept


def test_a_line_that_is_cut_by_the_ring_is_left_out_whole():
    log = Log(None)
    for n in range(300):
        log("\u20ac%d" % n * (n % 9))
        kept = log.since(0)
        first = log.next - len(kept)
        assert kept == ["\u20ac%d" % (first + i) * ((first + i) % 9) for i in range(len(kept))]


def test_a_long_line_is_cut():
    log = Log(None)
    log("x" * 5000)
    assert log.since(0) == ["x" * 160]


def test_a_line_is_one_line():
    log = Log(None)
    log("a\nb")
    log("c")
    assert log.since(1) == ["c"]


def test_anything_can_be_said():
    log = Log(None)
    for thing in (OSError(28), None, 7, ""):
        log(thing)
    assert len(log.since(0)) == 4


def test_lines_go_to_the_console_too_and_are_marked_as_no_part_of_the_program():
    said = []
    Log(lambda *words: said.append((words, console._telling)))("hello")
    assert said == [(("ota:", "hello"), True)]
    assert not console._telling


def test_empty_lines_are_bounded_too():
    log = Log(None)
    for _ in range(5000):
        log("")
    assert len(log.since(0)) <= 1024


def test_a_ring_keeps_the_end_of_what_was_written_however_it_came():
    for size in (1, 2, 7, 16):
        ring, all = Ring(size), b""
        for n in range(60):
            piece = bytes([65 + (n + i) % 26 for i in range(n * 7 % 40)])
            ring.write(piece)
            all += piece
            assert ring.next == len(all)
            for since in (0, len(all) - size - 3, len(all) - size, len(all) - 1, len(all)):
                since = max(0, since)
                kept = all[max(since, len(all) - size) :]
                assert ring.since(since) == (kept, len(all) - since - len(kept)), (size, n, since)
            # A number of another start.
            assert ring.since(len(all) + 1) == (all[-size:], 0)


def test_writing_needs_no_heap():
    ring = Ring(64)
    pieces = [bytearray(b"x" * n) for n in (1, 63, 64, 65, 500)]
    heap_lock()
    try:
        for number in range(5):
            ring.write(pieces[number])
    finally:
        heap_unlock()
    assert ring.next == 693
