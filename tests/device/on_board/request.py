"""ota/request.py, with the buffer of ota/connection.py: how a request is read"""

import asyncio
import hashlib
import io
import json
from binascii import hexlify

from harness import raises, refused

from ota import request, staging
from ota.body import Body
from ota.connection import Connection
from ota.errors import Gone

_LONGEST = 1280  # bytes of a line


class Client:
    """Stands for a Connection: gives *data* in pieces of *piece* bytes."""

    def __init__(self, data, piece=1 << 20):
        self._data = data
        self._piece = piece
        self.s = io.BytesIO()  # the socket: nothing is there without a wait

    async def readinto(self, view):
        count = min(len(view), self._piece, len(self._data))
        view[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


def client(data, piece=1 << 20):
    """Return the Connection of a client that sends *data* in such pieces."""
    made = Connection(Client(data, piece), "1", None)
    made.stream = Client(data, piece)
    return made


def head(data, piece=1 << 20):
    return asyncio.run(request.read(client(data, piece)))


GOOD = (
    b"PUT /fs/x?y=1 HTTP/1.1\r\nHost: pico:8080\r\nCONTENT-length:  5 \r\nCookie: a=b\r\n"
    b"X-OTA-Protected: yes\r\nX-OTA-Anything: yes\r\naccept: a\r\nAccept: b\r\n\r\nhello"
)


def test_a_head_is_read_whatever_the_pieces():
    for piece in (1, 2, 3, 7, 50, 1000):
        got = head(GOOD, piece)
        assert (got.method, got.path, got.query, got.version) == ("PUT", "/fs/x", "y=1", 1)
        assert got.headers["host"] == "pico:8080"
        assert got.length == 5
        assert got.headers["x-ota-protected"] == "yes"
        assert "x-ota-anything" not in got.headers
        assert "cookie" not in got.headers
        assert got.keep


def test_what_follows_the_head_is_left_for_the_body():
    async def rest_of(source):
        await source.wait()
        source.begin(await request.read(source))
        rest = b""
        piece = memoryview(bytearray(9))
        while source.left:
            count = await source.head.source.readinto(piece)
            rest += bytes(piece[:count])
        return rest

    for piece in (1, 7, 1000):
        assert asyncio.run(rest_of(client(GOOD, piece))) == b"hello"


def test_two_heads_in_one_piece():
    source = client(GOOD[:-5].replace(b"5 ", b"0 ") * 3)

    async def three():
        for _ in range(3):
            assert await source.wait()
            assert (await request.read(source)).length == 0
        assert not await source.wait()

    asyncio.run(three())


def test_many_heads_wander_through_the_buffer():
    source = client((b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 300)) * 50, 333)

    async def fifty():
        for _ in range(50):
            assert (await request.read(source)).path == "/" + "a" * 300

    asyncio.run(fifty())


def test_the_longest_line_fits_and_one_byte_more_does_not():
    room = _LONGEST - len(b"GET / HTTP/1.1\r\n")
    assert head(b"GET /" + b"a" * room + b" HTTP/1.1\r\n\r\n").path == "/" + "a" * room
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
    assert (got.method, got.length) == ("?", 3)
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


def test_what_the_query_asks_for():
    made = request.Head("GET", "/x?since=12&restart=no&flag&empty=&a=b=c", 1)
    for name, value in (
        ("since", "12"),
        ("restart", "no"),
        ("flag", ""),
        ("empty", ""),
        ("a", "b=c"),
        ("nothing", ""),
        ("sinc", ""),
    ):
        assert made.asked(name) == value, name
    assert request.Head("GET", "/x", 1).asked("since") == ""


def test_which_part_of_a_file_a_request_carries():
    def part(length, text=None):
        made = request.Head("PUT", "/x", 1)
        made.length = length
        if text is not None:
            made.headers["content-range"] = text
        return staging._content_range(made)

    assert part(5) == (0, None)
    assert part(5, "bytes 10-14/20") == (10, 20)
    assert part(5, "bytes 15-19/20") == (15, 20)
    refused(411, "length_required", part, None)
    for text in (
        "",
        "bytes",
        "bytes 0-4",
        "bytes 0-4/*",
        "bytes */20",
        "bytes -4/20",
        "bytes 0-/20",
        "bytes +0-4/20",
        "bytes 0-4/-20",
        "bits 0-4/20",
        "bytes=0-4/20",
        "bytes 0-4/200000000",
    ):
        refused(400, "bad_range", part, 5, text)
    for text in ("bytes 0-3/20", "bytes 0-5/20", "bytes 16-20/20", "bytes 4-0/20"):
        refused(400, "bad_range", part, 5, text)


# --- bodies --------------------------------------------------------------------------------------


class Sender:
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


def sent(data, length=None, piece=1000, announced=None):
    """Return the Head of a request with this body."""
    made = request.Head("PUT", "/fs/x", 1)
    made.length = len(data) if length is None else length
    made.source = Sender(data, piece)
    if announced:
        made.headers["x-content-sha256"] = announced
    return made


def body(data, piece=1000):
    return Body(sent(data, None, piece))


def run(awaitable):
    return asyncio.run(awaitable)


def test_a_small_body_is_read_whole():
    text = b'"' + b"x" * 2037 + b'"'
    for piece in (7, 5000):
        assert run(sent(b'{"a": %s}' % text, piece=piece).json()) == {"a": "x" * 2037}
    assert run(sent(b"", None).json()) == {}


def test_a_large_one_is_refused_before_it_is_read():
    long = sent(b"x" * 2049)
    refused(413, "too_large", long.json)
    assert long.source.at == 0
    refused(413, "too_large", sent(b"", 999999999).json)


def test_one_that_ends_early_is_gone():
    raises(Gone, sent(b"{}", length=11).json)


def test_one_that_is_not_what_was_announced_is_refused():
    right = hexlify(hashlib.sha256(b"{}").digest()).decode()
    assert run(sent(b"{}", announced=right).json()) == {}
    error = refused(422, "digest_mismatch", sent(b"{ }", announced=right).json)
    assert error.extra["expected"] == right
    refused(422, "digest_mismatch", sent(b"", announced=right).json)


def test_json_objects():
    value = {"a": [1, 2, {"b": None}], "ü": "日本", "n": -1.5}
    assert run(sent(json.dumps(value).encode(), piece=3).json()) == value


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
        refused(400, "bad_json", sent(text).json)


def test_text_in_json_is_text():
    # Bytes that are no UTF-8 would break whatever shows the value.
    refused(400, "bad_json", sent(b'{"a": "\xff\xfe"}').json)


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
