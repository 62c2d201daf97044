"""ota/request.py and ota/lines.py: how a request head is read"""

import asyncio

from harness import raises, refused

from ota import request
from ota.lines import LINE_BYTES, Lines


class Stream:
    """Gives *data* in pieces of *piece* bytes."""

    def __init__(self, data, piece=1 << 20):
        self._data = data
        self._piece = piece

    async def readinto(self, view):
        count = min(len(view), self._piece, len(self._data))
        view[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


def reader(data, piece=1 << 20):
    return Lines(Stream(data, piece))


def head(data, piece=1 << 20):
    return asyncio.run(request.read(reader(data, piece)))


GOOD = (
    b"PUT /fs/x?y=1 HTTP/1.1\r\nHost: pico:8080\r\nCONTENT-length:  5 \r\nCookie: a=b\r\n"
    b"X-OTA-Protected: yes\r\nX-OTA-Anything: yes\r\naccept: a\r\nAccept: b\r\n\r\nhello"
)


def test_a_head_is_read_whatever_the_pieces():
    for piece in (1, 2, 3, 7, 50, 1000):
        got = head(GOOD, piece)
        assert (got.method, got.target, got.path, got.minor) == ("PUT", "/fs/x?y=1", "/fs/x", 1)
        assert got.headers["host"] == "pico:8080"
        assert got.length == 5
        assert got.headers["x-ota-protected"] == "yes"
        assert "x-ota-anything" not in got.headers
        assert "cookie" not in got.headers
        assert got.changes
        assert got.keep


def test_what_follows_the_head_is_left_for_the_body():
    async def rest_of(source):
        await request.read(source)
        target = bytearray(5)
        view = memoryview(target)
        count = source.take(view)
        while count < 5:
            count += await source._stream.readinto(view[count:])
        return bytes(target)

    for piece in (1, 1000):
        assert asyncio.run(rest_of(reader(GOOD, piece))) == b"hello"


def test_two_heads_in_one_piece():
    source = reader(GOOD[:-5].replace(b"5 ", b"0 ") * 3)

    async def three():
        for _ in range(3):
            assert (await request.read(source)).length == 0
        assert source.empty

    asyncio.run(three())


def test_many_heads_wander_through_the_buffer():
    source = reader((b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 300)) * 50, 333)

    async def fifty():
        for _ in range(50):
            assert (await request.read(source)).target == "/" + "a" * 300

    asyncio.run(fifty())


def test_the_longest_line_fits_and_one_byte_more_does_not():
    room = LINE_BYTES - len(b"GET / HTTP/1.1\r\n")
    assert head(b"GET /" + b"a" * room + b" HTTP/1.1\r\n\r\n").target == "/" + "a" * room
    refused(431, "line_too_long", head, b"GET /" + b"a" * (room + 1) + b" HTTP/1.1\r\n\r\n")
    refused(431, "line_too_long", head, b"a" * 100000)


def test_the_whole_head_is_bounded():
    line = b"X-A: " + b"a" * 500 + b"\r\n"
    assert head(b"GET / HTTP/1.1\r\n" + line * 16 + b"\r\n")
    refused(431, "head_too_large", head, b"GET / HTTP/1.1\r\n" + line * 17 + b"\r\n")
    few = b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 64
    assert head(few + b"\r\n")
    refused(431, "head_too_large", head, few + b"A: b\r\n\r\n")


def test_headers_that_matter_come_once():
    for name in (b"Host", b"Authorization", b"Content-Length", b"Origin", b"X-Destination"):
        line = name + b": 1\r\n"
        refused(400, "bad_header", head, b"GET / HTTP/1.1\r\n" + line + line.lower() + b"\r\n")


def test_lengths():
    def length(lines):
        return head(b"PUT / HTTP/1.1\r\n" + lines + b"\r\n").length

    assert length(b"") is None
    assert length(b"Content-Length: 0\r\n") == 0
    assert length(b"Content-Length: 999999999\r\n") == 999999999
    for text in (b"", b"-1", b"+1", b"1.0", b"0x1", b"1_0", b"1 0", b"1000000000", b"1,1"):
        refused(400, "bad_length", length, b"Content-Length: " + text + b"\r\n")
    refused(411, "length_required", length, b"Transfer-Encoding: chunked\r\n")
    both = b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"
    assert raises(Exception, length, both).status == 400


def test_keeping_the_connection():
    def keep(version, wish):
        line = b"Connection: " + wish + b"\r\n" if wish else b""
        return head(b"GET / HTTP/1." + version + b"\r\n" + line + b"\r\n").keep

    for version, wish in ((b"1", b""), (b"1", b"x, Keep-Alive"), (b"0", b"Keep-Alive")):
        assert keep(version, wish)
    for version, wish in ((b"1", b"close"), (b"1", b"x, Close"), (b"0", b""), (b"0", b"close")):
        assert not keep(version, wish)


def test_what_is_no_request_line_is_refused():
    for line in (
        b"",
        b"GET",
        b"GET /",
        b"GET / HTTP/1.1 x",
        b"GET  / HTTP/1.1",
        b" GET / HTTP/1.1",
        b"GET x HTTP/1.1",
        b"GET / HTTP/2",
        b"GET / HTTP/1.2",
        b"GET / HTTP/1.",
        b"GET / HTTP/1.10",
        b"GET / HTTX/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET /\0 HTTP/1.1",
    ):
        error = raises(Exception, head, line + b"\r\nHost: x\r\n\r\n")
        assert error.status == 400, line


def test_an_unknown_method_is_read_to_its_end():
    got = head(b"BREW /pot HTTP/1.1\r\nContent-Length: 3\r\n\r\n")
    assert (got.method, got.length, got.changes) == ("?", 3, True)
    assert head(b"get / HTTP/1.1\r\n\r\n").method == "?"


def test_what_is_no_header_is_refused():
    for line in (
        b"no colon",
        b": x",
        b"A : x",
        b"A\t: x",
        b" A: x",
        b"\tA: x",
        b"Host: \0",
        b"Host: a\rb",
        b"Host: \x7f",
        b"Host: \xc3\xbc",
        b"H\xc3\xbcst: x",
    ):
        refused(400, "bad_header", head, b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n")


def test_a_stream_that_ends_inside_is_gone():
    for end in (3, 20, 40, len(GOOD) - 7):
        raises(OSError, head, GOOD[:end])
