"""Bytes that no client should send: always an answer or a close, never a crash, never a write."""

import json
import select
import socket
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from wire import USER, Wire, address_of, ask, basic, request

from pico_ota.release import Options, build
from pico_ota.sim.image import read_tree, write_files

TIME_LIMIT_S = 14  # the longest that the service waits for anybody, and a little more

# Nothing here may be let in to change something: there is no right password in it.
METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "MOVE", "OPTIONS", "get", "", "G\0T", "A" * 300]
TARGETS = [
    "/", "/fs/", "/fs/main.py", "/fs/../x", "/fs/%", "/fs/%ff", "/fs/" + "a/" * 40, "*", "",
    "/api/v1/info", "/api/v1/info?" + "&" * 90, "/api/v1/status", "/api/v1/reboot",
    "/api/v1/update", "/api/v1/update/files/x", "/api/v1/update?commit=yes", "/api/v1/password",
    "http://127.0.0.1/", "//", "/\x7f", "/" + "%41" * 300,
]  # fmt: skip
VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.1 ", "http/1.1", ""]
NAMES = [
    "Host", "Authorization", "Origin", "Connection", "Expect", "Accept", "Content-Length",
    "Content-Type", "Content-Range", "Transfer-Encoding", "If-Match", "If-None-Match",
    "X-Requested-With", "X-Content-SHA256", "X-Destination", "X-OTA-Session", "X-OTA-Protected",
    "Cookie", "", " ", "X" * 40, "\xff",
]  # fmt: skip
VALUES = [
    "", "x", "HOST", "http://HOST", "null", "close", "keep-alive", "100-continue", "chunked", "0",
    "5", "-1", "99999", "999999999", "9" * 50, "bytes 0-1/2", "bytes */*", "*", '"x"', "/fs/x",
    "Digest ", 'Digest nonce="', 'Digest username="a', "Digest nc=" + "f" * 300,
    'Digest response="0", response="0"', "xDigest " + "=," * 200, 'Digest uri="\\", a',
    'Digest username="admin", realm="pico-ota", nonce="0", uri="/", qop=auth, nc=1, cnonce="", '
    'response="' + "0" * 64 + '"',
    "Basic ", "Basic " + "A" * 400, basic(USER, "wrong"), "Bearer x", "text/plain", "yes",
    "\xff\xfe", "\0", "a" * 900, ":", "\r", "0" * 64,
]  # fmt: skip
ENDS = ["\r\n", "\n", "\r", "\r\n\r\n", "\n\r", ""]


@st.composite
def requests(draw):
    """A request with mistakes, as text with HOST for the board's host."""
    end = draw(st.sampled_from(ENDS[:2]) | st.sampled_from(ENDS))
    lines = [
        " ".join(draw(st.sampled_from(part)) for part in (METHODS, TARGETS, VERSIONS)),
    ]
    if draw(st.booleans()):
        lines.append("Host: HOST")
    for _ in range(draw(st.integers(0, 5))):
        lines.append(draw(st.sampled_from(NAMES)) + ": " + draw(st.sampled_from(VALUES)))
    text = end.join(lines) + draw(st.sampled_from(["\r\n\r\n", "\n\n", "\r\n", "", end + end]))
    data = text.encode("latin-1") + draw(st.binary(max_size=40))
    # And sometimes a byte that is another, or missing, anywhere.
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + draw(st.integers(0, 3)) :]
    return data


noise = st.binary(max_size=1500) | st.text(max_size=300).map(lambda text: text.encode())
conversations = st.lists(requests() | noise, min_size=1, max_size=3).map(b"".join)


def converse(board, data, pieces):
    """Send *data* in pieces and wait for the end; return what came back."""
    host, port = address_of(board)
    data = data.replace(b"HOST", f"{host}:{port}".encode())
    size = max(1, -(-len(data) // pieces))
    got = b""
    end = time.monotonic() + TIME_LIMIT_S
    with Wire(board, timeout=TIME_LIMIT_S) as wire:
        try:
            for at in range(0, len(data), size):
                wire.send(data[at : at + size])
                if pieces > 1:
                    time.sleep(0.001)
            wire.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has heard enough
        while True:
            left = end - time.monotonic()
            assert left > 0, "neither an answer nor a close"
            if not select.select([wire.socket], [], [], left)[0]:
                continue
            try:
                piece = wire.socket.recv(65536)
            except ConnectionResetError:
                return got
            if not piece:
                return got
            got += piece


def check(board, data, pieces):
    before = board.flash_operations
    got = converse(board, data, pieces)
    assert board.flash_operations == before
    assert got == b"" or got.startswith(b"HTTP/1.1 "), got[:100]
    assert b" 500 " not in got[:20], got
    # With no end of the request, or of its body, no answer is expected; else there is one.
    if data.startswith(b"GET /api/v1/info HTTP/1.1\r\nHost: HOST\r\n\r\n"):
        assert got.startswith(b"HTTP/1.1 200 ")


def fuzz(board, examples):
    info = ask(board, "GET", "/api/v1/info").json

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(data=conversations, pieces=st.sampled_from([1, 1, 1, 2, 7]))
    @example(data=b"GET /api/v1/info HTTP/1.1\r\nHost: HOST\r\n\r\n", pieces=1)
    @example(data=b"GET /api/v1/info HTTP/1.1\r\nHost: HOST\r\n\r\n" * 30, pieces=3)
    @example(data=b"PUT /fs/x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 9\r\n\r\n", pieces=1)
    @example(data=b"\r\n" * 500, pieces=1)
    @example(data=b"\0" * 5000, pieces=1)
    @example(data=b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 3000, pieces=5)
    @example(data=b"GET " + b"/" * 9000 + b" HTTP/1.1\r\n\r\n", pieces=2)
    @example(data=b"POST /api/v1/reboot HTTP/1.1\r\nHost: HOST\r\n\r\n{}", pieces=1)
    def run(data, pieces):
        check(board, data, pieces)

    run()
    assert ask(board, "GET", "/api/v1/info").json == info
    assert "Traceback" not in board.console(), board.console()[-3000:]
    assert ask(board, "GET", "/api/v1/status", authorization=None).status in (401, 429)


def test_whatever_comes_is_answered_or_closed_and_writes_nothing(calm_board):
    fuzz(calm_board, 400)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_much_more_of_it(calm_board):
    fuzz(calm_board, 3000)


# --- from somebody with the password ----------------------------------------------------------

SEGMENTS = st.sampled_from(
    ["t", "main.py", "boot.py", "ota", "lib", ".ota", "..", ".", "", "%2e%2e", "%00", "%ff",
     "a" * 90, "%C3%BC", "x.html", "ota_boot", "~", "a b", "%", "\\"]
)  # fmt: skip
PATHS = st.lists(SEGMENTS, max_size=5).map(lambda names: "/fs/" + "/".join(names))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["mode", "password", "restart"]) | st.text(max_size=4),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@cache
def archive():
    """Return a release of two files and a deletion, which is never sent whole as it is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "app")
        (folder / "t").mkdir(parents=True)
        for n in range(2):
            (folder / "t" / f"f{n}").write_bytes(b"%d" % n * 700)
        build(folder, Path(name, "x.swu"), "2.0.0", Options(delete=["/t/gone"]))
        return Path(name, "x.swu").read_bytes()


def damaged(at, junk, skip, end):
    """Return that release, cut at *end*, with *junk* in place of *skip* bytes."""
    data = archive()[:end]
    at %= len(data)
    return data[:at] + junk + data[at + skip :]


ARCHIVES = st.builds(
    damaged,
    st.integers(0, 4000),
    st.binary(min_size=1, max_size=3),
    st.integers(0, 3),
    st.integers(1, 4000),
)
BODIES = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()) | ARCHIVES
API = ["update", "update/commit", "update/files/t/f0", "confirm", "rollback", "log", "progress"]
HEADERS = st.dictionaries(
    st.sampled_from(
        ["if_match", "if_none_match", "x_content_sha256", "x_destination", "x_ota_recursive",
         "content_range", "content_length", "accept", "x_ota_session", "expect", "connection"]
    ),
    st.sampled_from([*VALUES, "/fs/t/y", "/fs/../y", "/fs/boot.py", "/fs/ota/x", "1", "3"]),
    max_size=3,
)  # fmt: skip


def fuzz_inside(board, examples):
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(
        method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "MOVE"]),
        target=PATHS | st.sampled_from(["/api/v1/" + name for name in API]),
        body=st.none() | BODIES,
        headers=HEADERS,
    )
    def run(method, target, body, headers):
        headers = {name: value.encode("latin-1") for name, value in headers.items()}
        got = converse(board, request(board, method, target, body, **headers), 1)
        assert b" 500 " not in got[:20], (method, target, body, headers, got)
        if got and got.split()[1][:1] in b"45" and method != "HEAD":
            reason = json.loads(got.rpartition(b"\r\n\r\n")[2])
            assert set(reason) >= {"error", "message"}

    run()


def updater(tree):
    return {
        path: data
        for path, data in tree.items()
        if path.startswith(("/ota", "/boot.py", "/service_ota", "/manager_wifi"))
    }


def check_inside(board, examples):
    boot_id = ask(board, "GET", "/api/v1/info").json["boot_id"]
    fuzz_inside(board, examples)
    assert ask(board, "GET", "/api/v1/info").json["boot_id"] == boot_id
    assert "Traceback" not in board.console(), board.console()[-3000:]
    before = updater(board.made_of)
    board.stop()
    # Without `X-OTA-Protected` nothing of the updater is ever changed.
    assert updater(read_tree(board.image)) == before
    write_files(board.image, {"/main.py": board.made_of["/main.py"]})  # which it may well replace
    board.start()
    board.wait_listening()


@pytest.fixture
def fresh_board(make_pico):
    """A board that remembers what was on its flash before it was switched on."""
    pico = make_pico(start=False)
    pico.made_of = read_tree(pico.image)
    pico.start()
    pico.wait_listening()
    return pico


def test_whatever_a_user_asks_for_is_answered_with_sense_and_the_updater_stays(fresh_board):
    check_inside(fresh_board, 300)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_much_more_of_what_a_user_may_ask_for(fresh_board):
    check_inside(fresh_board, 4000)


@settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True,
    database=None,
)  # fmt: skip
@given(
    at=st.integers(0, 400),
    junk=st.binary(max_size=3),
    skip=st.integers(0, 3),
    target=st.sampled_from(["/fs/t/x.bin", "/fs/main.py", "/api/v1/reboot", "/api/v1/password"]),
)
def check_damaged(board, at, junk, skip, target):
    """A good request with a damaged head: it works as it was meant, or nothing is written."""
    body = b'{"x": 1}'
    method = "PUT" if target != "/api/v1/reboot" else "PATCH"
    data = request(board, method, target, body, if_none_match="*")
    head = len(data) - len(body)
    at %= head
    damaged = data[:at] + junk + data[at + skip :]
    before = board.flash_operations
    got = converse(board, damaged, 1)
    if not got.startswith((b"HTTP/1.1 201 ", b"HTTP/1.1 204 ")):
        assert board.flash_operations == before, (damaged, got)
    assert b" 500 " not in got[:20], (damaged, got)


def test_a_good_request_with_a_damaged_head_does_what_it_says_or_nothing(calm_board):
    boot_id = ask(calm_board, "GET", "/api/v1/info").json["boot_id"]
    check_damaged(calm_board)
    assert ask(calm_board, "GET", "/api/v1/info").json["boot_id"] == boot_id
    assert "Traceback" not in calm_board.console()
