"""ota/log.py"""

from ota.log import Log


def test_lines_are_numbered_from_zero():
    log = Log(None)
    log("a")
    log("b")
    assert (log.first, log.next, log.since(0), log.since(1)) == (0, 2, ["a", "b"], ["b"])
    assert log.since(2) == log.since(99) == []


def test_old_lines_give_way_and_keep_their_numbers():
    log = Log(None)
    for n in range(500):
        log("line %04d" % n)
    assert log.next == 500
    kept = log.since(0)
    assert sum(len(line) for line in kept) <= 1500
    assert kept[-1] == "line 0499"
    assert kept[0] == "line %04d" % log.first
    assert log.since(498) == ["line 0498", "line 0499"]
    assert log.since(log.first - 5) == kept


def test_a_long_line_is_cut():
    log = Log(None)
    log("x" * 5000)
    assert log.since(0) == ["x" * 160]


def test_anything_can_be_said():
    log = Log(None)
    for thing in (OSError(28), None, 7, ""):
        log(thing)
    assert len(log.since(0)) == 4


def test_lines_go_to_the_console_too():
    said = []
    Log(lambda *words: said.append(words))("hello")
    assert said == [("ota:", "hello")]


def test_empty_lines_are_bounded_too():
    log = Log(None)
    for _ in range(5000):
        log("")
    assert len(log.since(0)) <= 1500
