"""ota/body.py"""

import asyncio
import json

from harness import raises, refused

from ota.body import Body
from ota.errors import Gone


class Source:
    """Gives *data* in pieces of *piece* bytes, then what a closed connection gives."""

    def __init__(self, data, piece=1000):
        self._data = memoryview(data)
        self._piece = piece
        self.at = 0

    def take(self, view):
        return 0

    async def readinto(self, view):
        count = min(len(view), self._piece, len(self._data) - self.at)
        view[:count] = self._data[self.at : self.at + count]
        self.at += count
        await asyncio.sleep_ms(0)
        return count


def body(data, length=None, piece=1000):
    return Body(Source(data, piece), len(data) if length is None else length)


def run(awaitable):
    return asyncio.run(awaitable)


def test_a_small_body_is_read_whole():
    assert run(body(b"x" * 2048, piece=7).read_small()) == b"x" * 2048
    assert run(Body(Source(b""), None).read_small()) == b""


def test_a_large_one_is_refused_before_it_is_read():
    long = body(b"x" * 2049)
    refused(413, "too_large", long.read_small)
    assert long._source.at == 0
    refused(413, "too_large", Body(Source(b""), 999999999).json)


def test_one_that_ends_early_is_gone():
    raises(Gone, body(b"x" * 10, length=11).read_small)


def test_json_objects():
    value = {"a": [1, 2, {"b": None}], "ü": "日本", "n": -1.5}
    assert run(body(json.dumps(value).encode(), piece=3).json()) == value
    assert run(Body(Source(b""), None).json()) == {}


def test_anything_else_is_refused():
    for text in (
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b"{",
        b"{'a': 1}",
        b'{"a": 1} x',
        b"\xff\xfe",
        b"nonsense",
        b"{" * 2048,
        b"[" * 2048,
        b'{"a":' * 300,
    ):
        refused(400, "bad_json", body(text).json)


def test_text_in_json_is_text():
    # Bytes that are no UTF-8 would break whatever shows the value.
    refused(400, "bad_json", body(b'{"a": "\xff\xfe"}').json)


def pumped(data, piece, size):
    written = []

    def write(view):
        written.append(bytes(view))

    run(body(data, piece=piece).pump(write, bytearray(size)))
    return written


def test_pumping_writes_full_chunks_only():
    data = bytes(range(256)) * 40
    for piece in (1, 100, 1460, 4096, 100000):
        written = pumped(data, piece, 4096)
        assert b"".join(written) == data
        assert [len(w) for w in written] == [4096, 4096, 2048], piece


def test_pumping_nothing_writes_nothing():
    assert pumped(b"", 10, 4096) == []
    assert [len(w) for w in pumped(b"x" * 8192, 5000, 4096)] == [4096, 4096]


def test_pumping_lets_others_run_between_chunks():
    turns = []

    async def other():
        while True:
            turns.append(len(written))
            await asyncio.sleep_ms(0)

    written = []

    async def both():
        task = asyncio.create_task(other())
        await body(b"x" * 40960, piece=100000).pump(
            lambda view: written.append(1), bytearray(4096)
        )
        task.cancel()

    run(both())
    assert set(turns) >= set(range(10)), turns
