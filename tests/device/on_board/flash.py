"""ota/flash.py"""

import asyncio
import hashlib
from binascii import hexlify

from harness import fill, raises, write

from ota import flash


def digest(path, buf=None):
    with open(path, "rb") as source:
        return asyncio.run(flash.digest(source, buf))


def test_digests_of_all_sizes():
    for size in (0, 1, 1023, 1024, 1025, 5000):
        data = bytes(n * 7 & 255 for n in range(size))
        write("/x", data)
        want = hexlify(hashlib.sha256(data).digest()).decode()
        for buf in (None, bytearray(100)):
            assert digest("/x", buf) == want
            assert list(flash.digest_steps("/x", buf))[-1] == want


def test_a_digest_of_nothing_raises():
    raises(OSError, list, flash.digest_steps("/none"))


def test_a_digest_lets_others_run_after_each_piece():
    write("/x", b"x" * 5000)
    assert len(list(flash.digest_steps("/x", bytearray(1000)))) == 6


def test_space_is_plausible_and_never_negative():
    free, total, block = flash.space()
    assert (total, block) == (212 * 4096, 4096)
    assert 0 < free < total
    fill()
    for _ in range(20):
        write("/.small", b"x" * 100)
        free = flash.space()[0]
        assert 0 <= free < 20 * 4096


def test_a_wrapped_free_count_reads_as_full():
    class Os:
        @staticmethod
        def statvfs(path):
            return (4096, 4096, 212, free, free, 0, 0, 0, 0, 255)

    flash.os = Os
    for free in (-1, -2, 4294967294, 213):  # noqa: B007
        assert flash.space()[0] == 0
    free = 212
    assert flash.space()[0] == 212 * 4096


def test_kinds():
    write("/d/f", b"x")
    assert [flash.kind(p) for p in ("/", "/d", "/d/f", "/d/g", "/e/f", "/d/f/g")] == [
        "folder",
        "folder",
        "file",
        None,
        None,
        None,
    ]


def test_entries_are_in_name_order_with_sizes():
    write("/d/b", b"12345")
    write("/d/a/x", b"")
    assert list(flash.entries("/d")) == [("a", True, 0), ("b", False, 5)]


def test_walking_finds_every_file_at_any_depth():
    deep = "/d" + "/a" * 40
    write(deep + "/end", b"1")
    for n in range(30):
        write("/d/wide/f%02d" % n, b"22")
    found = dict(flash.walk("/d"))
    assert len(found) == 31
    assert found[deep + "/end"] == 1
    assert flash.join("/", "x") == "/x"
    assert flash.join("/d", "x") == "/d/x"


def test_what_a_file_takes():
    assert flash.cost(0) == flash.ENTRY
    sizes = (1, 100, 512, 513, 4084, 4085, 100000)
    costs = [flash.cost(size) for size in sizes]
    assert costs == sorted(costs)
    assert flash.cost(4085) - flash.cost(4084) == flash.UNIT
    for size in sizes:
        # What is given back is never more than what was taken.
        assert 0 <= flash.freed(size) <= flash.cost(size)
