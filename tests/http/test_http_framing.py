"""Where a request begins and ends: lengths, limits, kept connections, 100-continue, draining."""

import os
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from wire import Wire, ask, basic, put, read, refused, request, until

BIG = os.urandom(500_000)


# --- the length of a body ---------------------------------------------------------------------


@pytest.fixture
def path(board, folder):
    """A file that is there, with the content b"old"."""
    put(board, folder + "/file.bin", b"old")
    return folder + "/file.bin"


BAD_LENGTHS = {
    "empty": "",
    "negative": "-1",
    "plus": "+3",
    "hexadecimal": "0x3",
    "fraction": "3.0",
    "exponent": "1e3",
    "underscore": "1_0",
    "two_in_one": "3, 3",
    "words": "three",
    "beyond_32_bits": "4294967299",
    "beyond_64_bits": "18446744073709551619",
    "very_many_digits": "9" * 900,
    "space_inside": "1 0",
}


@pytest.mark.parametrize("name", BAD_LENGTHS)
def test_a_length_that_is_no_plain_number_is_refused(board, path, name):
    before = board.flash_operations
    answer = ask(board, "PUT", "/fs" + path, b"new", content_length=BAD_LENGTHS[name])
    refused(answer, 400, "bad_length")
    assert answer.headers["connection"] == "close"
    assert board.flash_operations == before


def test_two_lengths_are_refused_even_when_they_agree(board, path):
    answer = ask(board, "PUT", "/fs" + path, b"new", content_length=["3", "3"])
    refused(answer, 400, "bad_header")
    assert read(board, path) == b"old"


def test_a_body_without_a_length_is_refused(board, path):
    refused(ask(board, "PUT", "/fs" + path), 411, "length_required")
    answer = ask(
        board, "PUT", "/fs" + path, b"3\r\nnew\r\n0\r\n\r\n",
        content_length=None, transfer_encoding="chunked",
    )  # fmt: skip
    refused(answer, 411, "length_required")
    assert read(board, path) == b"old"


def test_a_length_beside_chunks_is_refused_as_request_smuggling_is_made_of_it(board, path):
    inner = request(board, "DELETE", "/fs" + path)
    with Wire(board) as wire:
        wire.send(
            request(board, "PUT", "/fs" + path, b"0\r\n\r\n" + inner, transfer_encoding="chunked")
        )
        answer = wire.answer()
        assert answer.status == 400, answer
        assert wire.rest() == b""
    assert read(board, path) == b"old"


@pytest.mark.parametrize("value", ["chunked", "gzip, chunked", "identity", ""])
def test_no_transfer_coding_is_understood(board, path, value):
    answer = ask(board, "PUT", "/fs" + path, transfer_encoding=value)
    refused(answer, 411, "length_required")


def test_a_huge_length_is_refused_before_the_body_is_read(board, path):
    before = board.flash_operations
    with Wire(board) as wire:
        wire.send(request(board, "PUT", "/fs" + path, content_length="999999999"))
        reason = refused(wire.answer(), 507, "no_space")
    assert reason["need"] >= 999_999_999
    assert 0 < reason["free"] < 868_352
    assert board.flash_operations == before


def test_a_length_that_is_too_small_ends_the_body_there(board, path):
    with Wire(board) as wire:
        wire.send(request(board, "PUT", "/fs" + path, b"new and more\r\n", content_length="3"))
        assert wire.answer().status == 204
        # The rest cannot be a request, so nothing after it is believed either.
        assert wire.answer().status == 400
        assert wire.rest() == b""
    assert read(board, path) == b"new"


def test_a_length_that_is_too_big_leaves_the_old_file(board, path):
    with Wire(board) as wire:
        wire.send(request(board, "PUT", "/fs" + path, b"new" * 3000, content_length="9001"))
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.rest() == b""
    assert read(board, path) == b"old"
    assert until(lambda: ask(board, "GET", "/api/v1/status").json["upload"] is None)


def test_an_empty_body_needs_no_length_where_no_body_is_wanted(board, folder):
    assert ask(board, "PUT", f"/fs{folder}/d/").status == 201
    assert ask(board, "DELETE", f"/fs{folder}/d/").status == 204


# --- the head ---------------------------------------------------------------------------------


def raw(board, data):
    with Wire(board) as wire:
        return wire.send(data).answer()


@pytest.mark.parametrize(
    "line",
    [
        b"GET /api/v1/info",
        b"GET",
        b"",
        b"GET  /api/v1/info HTTP/1.1",
        b"GET /api/v1/info HTTP/1.1 x",
        b"GET api/v1/info HTTP/1.1",
        b"GET http://127.0.0.1/api/v1/info HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET /api/v1/info HTTP/2.0",
        b"GET /api/v1/info HTTP/0.9",
        b"GET /api/v1/info HTTP/1.",
        b"GET /api/v1/info HTTP/1.11",
        b"GET /api/v1/info http/1.1",
        b"GET /api/v1/\xffinfo HTTP/1.1",
        b"GET /api/v1/\xc3\xbc HTTP/1.1",
        b"GET /api/v1/info\0 HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_a_first_line_that_is_none_is_refused(board, line):
    tail = request(board, "GET", "/").split(b"\r\n", 1)[1]
    answer = raw(board, line + b"\r\n" + tail)
    assert answer.status == 400, answer
    assert answer.json["message"]
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "line",
    [
        b"no colon at all",
        b": no name",
        b"Host : 127.0.0.1",
        b" folded: yes",
        b"\tfolded: yes",
        b"X-Requested-With: \0",
        b"X-Requested-With: a\rb",
        b"Origin: http://\xff",
        b"Na\xffme: x",
    ],
)
def test_a_header_line_that_is_none_is_refused(board, line):
    data = request(board, "GET", "/fs/", x_requested_with=None)
    refused(raw(board, data[:-2] + line + b"\r\n\r\n"), 400, "bad_header")


def test_an_overlong_line_is_refused_not_cut(board):
    refused(ask(board, "GET", "/fs/" + "a" * 1300), 431, "line_too_long")
    refused(ask(board, "GET", "/fs/", cookie="a" * 1300), 431, "line_too_long")
    refused(ask(board, "GET", "/fs/", cookie="a" * 100_000), 431, "line_too_long")


def test_too_many_headers_are_refused(board):
    refused(ask(board, "GET", "/fs/", **{f"x_{n}": "1" for n in range(70)}), 431, "head_too_large")
    many = {f"x_{n}": "1" * 900 for n in range(10)}
    refused(ask(board, "GET", "/fs/", **many), 431, "head_too_large")


def test_what_a_browser_sends_is_not_too_much(board):
    answer = ask(
        board, "GET", "/fs/",
        user_agent="Mozilla/5.0 (X11; Linux x86_64) " * 5,
        cookie="; ".join(f"other_{n}={'x' * 40}" for n in range(16)),
        accept="text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
        accept_language="de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7",
        sec_ch_ua='"Chromium";v="142", "Not_A Brand";v="99"',
        sec_fetch_dest="document",
        upgrade_insecure_requests="1",
    )  # fmt: skip
    assert answer.status == 200


def test_lines_may_end_without_a_return(board):
    data = request(board, "GET", "/api/v1/info").replace(b"\r\n", b"\n")
    assert raw(board, data).status == 200


def test_an_endless_line_costs_no_memory(board):
    before = ask(board, "GET", "/api/v1/status").json["memory"]["used"]
    for _ in range(3):
        with Wire(board) as wire:
            try:
                wire.send(b"GET /" + b"a" * 300_000)
                assert wire.answer().status == 431
            except (ConnectionError, TimeoutError):
                pass  # more than it wants to read: closed
    assert until(
        lambda: ask(board, "GET", "/api/v1/status").json["memory"]["used"] < before + 4096
    )


# --- kept connections -------------------------------------------------------------------------


def test_sixty_files_travel_over_one_connection(board, folder):
    with Wire(board) as wire:
        for n in range(60):
            wire.send(request(board, "PUT", f"/fs{folder}/f{n}", b"%d" % n * n))
            answer = wire.answer()
            assert answer.status == 201
            assert answer.headers["connection"] == "keep-alive"
        wire.send(request(board, "GET", f"/fs{folder}/"))
        assert len(wire.answer().json["files"]) == 60


def test_a_connection_is_kept_after_failures_too(board, path):
    with Wire(board) as wire:
        for data, status in (
            (request(board, "GET", "/nothing"), 404),
            (request(board, "PUT", "/fs" + path, b"x" * 5000, authorization=None), 401),
            (request(board, "PUT", "/fs" + path, b"x" * 5000, origin="null"), 403),
            (request(board, "PUT", "/fs" + path, b"x" * 5000, if_none_match="*"), 412),
            (request(board, "BREW", "/fs" + path, b"x" * 5000), 405),
            (request(board, "PUT", "/fs" + path, b"x", x_content_sha256="0" * 64), 422),
            (request(board, "GET", "/fs" + path), 200),
        ):
            assert wire.send(data).answer().status == status


def test_close_means_close(board):
    with Wire(board) as wire:
        wire.send(request(board, "GET", "/api/v1/info", connection="close"))
        assert wire.answer().headers["connection"] == "close"
        # At once: a client that reads up to the end of the stream waits for it.
        assert wire.closed(0.3)


def test_old_clients_are_closed_unless_they_ask(board):
    data = request(board, "GET", "/api/v1/info").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    with Wire(board) as wire:
        wire.send(data)
        assert wire.answer().headers["connection"] == "close"
        assert wire.closed(0.3)
    with Wire(board) as wire:
        kept = data.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive\r\n\r\n")
        for _ in range(3):
            wire.send(kept)
            assert wire.answer().headers["connection"] == "keep-alive"


def test_requests_sent_at_once_are_answered_in_order(board, folder):
    with Wire(board) as wire:
        wire.send(
            request(board, "PUT", f"/fs{folder}/a", b"A" * 6000)
            + request(board, "GET", f"/fs{folder}/a")
            + request(board, "GET", "/nothing")
            + request(board, "PUT", f"/fs{folder}/b", b"B")
            + request(board, "GET", f"/fs{folder}/b", connection="close")
        )
        assert wire.answer().status == 201
        assert wire.answer().body == b"A" * 6000
        assert wire.answer().status == 404
        assert wire.answer().status == 201
        assert wire.answer().body == b"B"
        assert wire.rest() == b""


def test_a_body_that_nobody_asked_for_is_skipped(board):
    with Wire(board) as wire:
        wire.send(request(board, "GET", "/api/v1/info", b"GET / HTTP/1.1\r\n\r\n" * 50))
        assert wire.answer().status == 200
        wire.send(request(board, "GET", "/fs/"))
        assert wire.answer().status == 200


# --- Expect: 100-continue ---------------------------------------------------------------------


def test_a_client_that_waits_for_continue_is_told_to(board, path):
    data = request(board, "PUT", "/fs" + path, b"new", expect="100-continue")
    with Wire(board) as wire:
        wire.send(data[:-3])
        assert wire.answer(interim=False).status == 100
        wire.send(b"new")
        assert wire.answer(interim=False).status == 204
    assert read(board, path) == b"new"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"authorization": None}, 401),
        ({"origin": "null"}, 403),
        ({"if_none_match": "*"}, 412),
        ({"content_length": "99999999"}, 507),
    ],
)
def test_a_client_that_waits_in_vain_gets_the_reason_instead(board, path, changes, status):
    options = {"expect": "100-continue", "content_length": "500000", **changes}
    with Wire(board) as wire:
        wire.send(request(board, "PUT", "/fs" + path, **options))
        answer = wire.answer(interim=False)
        assert answer.status == status
        # Nobody knows whether the body comes all the same.
        assert answer.headers["connection"] == "close"
    assert read(board, path) == b"old"


def curl(board, *arguments):
    began = time.monotonic()
    done = subprocess.run(
        ["curl", "-sS", "-w", "\n%{http_code}", "-H", "X-Requested-With: curl", *arguments],
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    body, _, code = done.stdout.decode().rpartition("\n")
    return int(code), body, time.monotonic() - began


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_uploads_without_waiting_a_second(board, path, tmp_path):
    big = tmp_path / "big.bin"
    # Beyond 1 MB curl asks for 100-continue by itself; a Pico W has no room for that.
    big.write_bytes(BIG[:300_000])
    code, body, took = curl(
        board, "-T", str(big), "-H", "Expect: 100-continue",
        "-u", "admin:otapico", f"{board.url}/fs{path}",
    )  # fmt: skip
    assert code == 204, body
    assert took < 5  # this machine may be busy; the wait would come on top of some 0.5 s
    assert read(board, path) == BIG[:300_000]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_sees_why_it_was_refused(board, path, tmp_path):
    big = tmp_path / "big.bin"
    big.write_bytes(BIG)
    for expect in ("Expect: 100-continue", "Expect:"):
        code, body, _ = curl(
            board, "-T", str(big), "-H", expect, "-u", "admin:wrong", f"{board.url}/fs{path}"
        )
        assert (code, '"unauthorized"' in body) == (401, True)


# --- early answers ----------------------------------------------------------------------------


def answered_in_peace(board, data):
    """Send *data* and return the answer, after checking that no reset follows.

    Linux hands out an answer that came before a reset; other systems throw it away.
    """
    with Wire(board) as wire:
        answer = wire.send(data).answer()
        if answer.headers["connection"] == "keep-alive":
            wire.send(request(board, "GET", "/api/v1/info", connection="close"))
            assert wire.answer().status == 200
        assert wire.rest() == b""
    return answer


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"authorization": None}, 401),
        ({"authorization": basic(password="wrong")}, 401),
        ({"origin": "null"}, 403),
        ({"host": "evil.example"}, 421),
        ({"if_none_match": "*"}, 412),
        ({"x_content_sha256": "x"}, 400),
    ],
)
def test_a_client_with_500_kb_on_its_way_sees_the_code_not_a_reset(board, path, changes, status):
    for _ in range(3):
        data = request(board, "PUT", "/fs" + path, BIG, **changes)
        assert answered_in_peace(board, data).status == status


def test_a_client_with_more_than_fits_on_its_way_sees_the_code_not_a_reset(board, path):
    data = request(board, "PUT", "/fs" + path, BIG + BIG[:400_000])
    refused(answered_in_peace(board, data), 507, "no_space")


@pytest.mark.parametrize("target", ["POST /nothing", "BREW /fs/x", "PUT /", "PUT /fs/ota"])
def test_a_wrong_place_for_500_kb_is_answered_too(board, target):
    data = request(board, *target.split(), BIG)
    assert answered_in_peace(board, data).status in (403, 404, 405)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"content_length": None, "transfer_encoding": "chunked"}, 411),
        ({"content_length": None}, 411),
        ({"content_length": "many"}, 400),
        ({"content_length": ["5", "5"]}, 400),
        ({"expect": "100-continue", "authorization": None}, 401),
    ],
)
def test_bytes_of_unknown_number_do_not_reset_the_answer_either(board, path, changes, status):
    data = request(board, "PUT", "/fs" + path, BIG, **changes)
    assert answered_in_peace(board, data).status == status


# --- clients that stall -----------------------------------------------------------------------


def test_clients_that_stall_are_told_and_cut_in_time(board, path):
    """Three at once, so that the test lasts as long as the slowest."""

    def after_silence(data):
        began = time.monotonic()
        with Wire(board, timeout=20) as wire:
            answer = wire.send(data).answer() if data else wire.rest()
            took = time.monotonic() - began
            assert wire.rest() == b""
        return answer, took

    put_half = request(board, "PUT", "/fs" + path, b"new" * 3000)[:-100]
    with ThreadPoolExecutor(3) as pool:
        idle = pool.submit(after_silence, b"")
        head = pool.submit(after_silence, put_half[:60])
        body = pool.submit(after_silence, put_half)
        time.sleep(2)
        # All three places are taken by clients that have done nothing wrong yet: one that waits
        # for its turn to speak gives way to one that speaks.
        status = ask(board, "GET", "/api/v1/status")
        assert status.json["upload"]["received"] <= 9000 - 100
        answer, took = idle.result()
        assert answer == b""
        assert took < 8.5
        answer, took = head.result()
        refused(answer, 408, "timeout")
        assert took < 6.5
        answer, took = body.result()
        refused(answer, 408, "timeout")
        assert 9 < took < 12.5
    assert read(board, path) == b"old"
    assert ask(board, "GET", "/api/v1/status").json["upload"] is None


def test_a_kept_connection_outlasts_the_patience_of_common_clients(board):
    info = request(board, "GET", "/api/v1/info")
    with Wire(board, timeout=20) as wire:
        assert wire.send(info).answer().status == 200
        time.sleep(5.5)  # httpx and Node's fetch let go after 5 s at most
        assert wire.send(info).answer().status == 200
        began = time.monotonic()
        assert wire.rest() == b""
        assert 5.5 < time.monotonic() - began < 8.5


def test_clients_that_never_read_or_never_stop_are_cut(impatient_board):
    """Both at once, for the same reason."""
    pico = impatient_board
    pico.start()
    pico.wait_listening()
    put(pico, "/big", BIG[:300_000])

    def never_stops():
        with Wire(pico) as wire:
            wire.send(request(pico, "PUT", "/fs/x", authorization=None, content_length="9" * 9))
            assert wire.answer().status == 401
            began = time.monotonic()
            try:
                while time.monotonic() - began < 10:
                    wire.send(b"x" * 1000)
                    time.sleep(0.01)
            except ConnectionError:
                pass
            return time.monotonic() - began

    def never_reads():
        with Wire(pico, receive_buffer=4096) as wire:
            wire.send(request(pico, "GET", "/fs/big") * 40)
            time.sleep(4)
            received = 0
            try:
                while piece := wire.socket.recv(65536):
                    received += len(piece)
            except ConnectionResetError:
                pass
            return received

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(never_stops), pool.submit(never_reads)]
        assert read(pico, "/big") == BIG[:300_000]  # others are served meanwhile
        assert results[0].result() < 5
        assert results[1].result() < 39 * 300_000
