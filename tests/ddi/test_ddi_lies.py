"""A server that lies or is ill: the reason is told, the board stays as it was, and goes on."""

import socket
import time
from contextlib import suppress

import pytest

MORE = {f"lib/part{n}.py": f"# {n}\n" + "x = 1\n" * 400 for n in range(4)}


def unchanged(board):
    status = board.status()
    assert (status["version"], status["last"]) == (None, None)
    return status


def installs_afterwards(server, board, make_release, version="3.0.0"):
    server.answers.clear()
    server.feedback.clear()
    server.offer(make_release(version), version, "99")
    server.told("closed", "success", 90)
    assert board.status()["version"] == version


def test_what_is_wrong_with_an_archive_is_a_failure_once(server, make_board, make_release, keys):
    good = make_release("2.0.0", MORE)
    middle = good.index(b"# 2\n")
    cases = {
        "another key": (make_release("2.0.0", key=keys[1].private), "signature"),
        "nobody": (make_release("2.0.0", key=False), "sw-description.sig"),
        "another board": (make_release("2.0.0", boards=["RPI_PICO2_W"]), "RPI_PICO2_W"),
        "no archive": (b"<html>" * 300, "docs/format.md"),
        "another file than described": (
            good[:middle] + b"# 9\n" + good[middle + 4 :],
            "/lib/part2.py",
        ),
        "the end is missing": (good[: middle + 8], "cut off after"),
    }
    board = make_board(server)
    for number, (case, (archive, reason)) in enumerate(cases.items(), 1):
        server.feedback.clear()
        server.offer(archive, "2.0.0", str(number))
        assert reason in server.told("closed", "failure"), case
        server.more_polls(3)
        assert sum(row[2] == "failure" for row in server.feedback) <= 1, case
        assert unchanged(board)["state"] in ("idle", "staging"), case
    installs_afterwards(server, board, make_release)


def told(server):
    return [details for _, _, _, details in server.feedback if details]


def test_a_release_below_the_floor_is_refused(server, make_board, make_release):
    board = make_board(server, service={"min_version": "2.5.0"})
    server.offer(make_release("2.0.0"))
    assert "older than 2.5.0" in server.told("closed", "failure")
    unchanged(board)


def answer(**headers):
    """Return an answer to a download with a status and headers that do not fit."""

    def say(handler):
        status = headers.get("status", 206)
        handler.send_response(status)
        for name, text in headers.items():
            if name != "status":
                handler.send_header(name.replace("_", "-"), text)
        handler.end_headers()
        with suppress(OSError):
            handler.wfile.write(b"x" * 4096)
        handler.close_connection = True

    return say


DOWNLOADS = {
    "another range": (
        answer(Content_Range="bytes 7-4102/99999", Content_Length="4096"),
        "asked for",
    ),
    "no range": (answer(Content_Length="4096"), "asked for"),
    "nonsense": (answer(Content_Range="bytes */*", Content_Length="4096"), "asked for"),
    "more than was asked for": (answer(Content_Length="999999"), "asked for"),
    "longer": (answer(status=200, Content_Length="99999999"), "99999999"),
    "elsewhere": (answer(status=302, Location="http://127.0.0.1:9/x"), "redirects"),
    "an error": (answer(status=500, Content_Length="4096"), "500"),
    "not there": (answer(status=404, Content_Length="4096"), "404"),
    "a bad length": (answer(Content_Length="-5"), "no HTTP"),
}


def test_a_download_that_does_not_fit_is_told_and_tried_again(server, make_board, make_release):
    board = make_board(server)
    server.offer(make_release("2.0.0"))
    for case, (lie, reason) in DOWNLOADS.items():
        server.answers["/download$"] = lie
        before = len(server.feedback)
        server.wait(lambda b=before, r=reason: any(r in d[0] for d in told(server)[b:]), 90)
        assert not any(row[2] == "failure" for row in server.feedback), case
        unchanged(board)
        server.answers["/download$"] = lambda handler: server.say(handler, {}, 418)
        board.pico.power_cut()  # how long it waits after errors is not to be waited for here
        board.pico.start()
        board.pico.wait_listening(30)
        server.feedback.clear()
    server.answers.clear()
    server.told("closed", "success", 90)


POLLS = {
    "garbage": (b"\x00\xff<html>", "JSON"),
    "a list": (b"[1, 2]", "JSON"),
    "too much": (b'{"a": "' + b"x" * 10_000_000 + b'"}', "8192"),
    "half": (b'{"_links": {"dep', "JSON"),
}


@pytest.mark.parametrize("case", POLLS)
def test_an_answer_that_is_no_answer_is_said_in_the_status(case, server, make_board, make_release):
    data, reason = POLLS[case]
    server.answers["/v1/[^/]+$"] = lambda handler: server.say(handler, data)
    board = make_board(server)
    server.more_polls(1)
    time.sleep(2)
    status = unchanged(board)
    assert reason in status["fleet"]["error"]
    assert status["fleet"]["state"] == "error"
    installs_afterwards(server, board, make_release)


ODD = [
    {"_links": {"deploymentBase": {"href": 5}}},
    {"_links": {"deploymentBase": ["x"]}},
    {"_links": "x", "config": {"polling": {"sleep": "soon"}}},
    {"_links": {"deploymentBase": {"href": "http://127.0.0.1:9/DEFAULT/x/deploymentBase/1"}}},
    {"_links": {"deploymentBase": {"href": "/x\r\nEvil: yes"}}},
    {"_links": {"configData": {"href": "//127.0.0.1:9/x"}}},
    {"_links": {"cancelAction": {"href": "{}"}}, "config": {"polling": {"sleep": "00:00:00"}}},
    {"config": {"polling": {"sleep": "99:99:99"}}},
    {"config": None, "_links": None},
]


def test_odd_answers_do_no_harm(server, make_board, make_release):
    board = make_board(server)
    for odd in ODD:
        server.answers["/v1/[^/]+$"] = lambda handler, odd=odd: server.say(handler, odd)
        server.more_polls(1)
        board.pico.power_cut()
        board.pico.start()
        board.pico.wait_listening(30)
    assert "Traceback" not in board.pico.console()
    installs_afterwards(server, board, make_release)
    assert not any("Evil" in headers for _, _, headers in server.requests)


ODD_OFFERS = [
    {"deployment": {"chunks": 5}},
    {"deployment": {"chunks": [5, {"artifacts": 5}, {"artifacts": [5]}]}},
    {"deployment": {"chunks": [{"artifacts": [{"filename": "x.bin", "size": 5}]}]}},
    {"deployment": {"chunks": [{"artifacts": [{"filename": "x.swu", "size": "5"}]}]}},
    {"deployment": {"chunks": [{"artifacts": [{"filename": "x.swu", "size": 10**12}]}]}},
    {"deployment": []},
    {},
]


def test_odd_offers_do_no_harm(server, make_board, make_release):
    board = make_board(server)
    for number, odd in enumerate(ODD_OFFERS):
        server.answers["/deploymentBase/[0-9]+[?]"] = lambda handler, odd=odd: server.say(
            handler, odd
        )
        server.offer(b"x", action=str(number))
        server.more_polls(2)
    assert "Traceback" not in board.pico.console()
    installs_afterwards(server, board, make_release)


DESCRIPTIONS = {
    "garbage": (lambda server, handler: server.say(handler, b"\x00<html>"), "JSON"),
    "too much": (lambda server, handler: server.say(handler, POLLS["too much"][0]), "8192"),
    "an error": (lambda server, handler: server.say(handler, {}, 500), "500"),
    "elsewhere": (
        lambda server, handler: server.say(handler, {}, 302, Location="http://127.0.0.1:9/"),
        "redirects",
    ),
}


def test_a_description_that_is_none_is_told_and_asked_for_again(server, make_board, make_release):
    board = make_board(server)
    server.offer(make_release("2.0.0"))
    for case, (lie, reason) in DESCRIPTIONS.items():
        # How long it waits after errors is not to be waited for here.
        board.pico.power_cut()
        server.answers["/deploymentBase/[0-9]+[?]"] = lambda handler, lie=lie: lie(server, handler)
        server.feedback.clear()
        board.pico.start()
        board.pico.wait_listening(30)
        assert reason in server.told("proceeding"), case
        assert not any(row[2] == "failure" for row in server.feedback), case
        unchanged(board)
    server.answers.clear()
    server.told("closed", "success", 90)


def test_a_link_to_another_server_is_not_followed(server, make_board, make_release):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(1)
        board = make_board(server, {"token": "secret"})
        href = f"http://127.0.0.1:{other.getsockname()[1]}/app.swu"
        server.offer(make_release("2.0.0"), href=href)
        server.wait(lambda: any("follows no link" in d[0] for d in told(server)))
        with pytest.raises(TimeoutError):
            other.accept()
        unchanged(board)


def test_a_slow_server_is_given_up(server, make_board, make_release):
    def dribble(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        with suppress(OSError):
            for _ in range(100):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(1)

    server.answers["/v1/[^/]+$"] = dribble
    board = make_board(server)
    board.pico.wait_console("too slow", 60)
    unchanged(board)
    installs_afterwards(server, board, make_release)


def test_a_server_that_says_nothing_is_given_up(server, make_board, make_release):
    server.answers["/v1/[^/]+$"] = lambda handler: time.sleep(40)
    board = make_board(server)
    board.pico.wait_console("too slow", 60)
    installs_afterwards(server, board, make_release)


@pytest.mark.parametrize(
    "date", ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_a_clock_that_is_far_off_stops_nothing(date, server, make_board, make_release):
    server.date = date
    server.answers["/v1/[^/]+$"] = lambda handler: server.say(handler, {}, 503, Retry_After=date)
    board = make_board(server)
    board.pico.wait_console("503", 60)
    server.more_polls(1)  # and not at the date that it says
    unchanged(board)
    installs_afterwards(server, board, make_release)


def endless_body(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def endless_head(handler):
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"X-More: yes\r\n" * 100)


def endless_line(handler):
    with suppress(OSError):
        while True:
            handler.wfile.write(b"x" * 4096)


@pytest.mark.parametrize("answer", [endless_body, endless_head, endless_line])
def test_an_endless_answer_ends(answer, server, make_board, make_release):
    server.answers["/v1/[^/]+$"] = answer
    board = make_board(server)
    board.pico.wait_console("Fleet: ", 60)
    unchanged(board)
    installs_afterwards(server, board, make_release)


def test_an_endless_download_ends(server, make_board, make_release):
    server.answers["/download$"] = endless_body
    board = make_board(server)
    server.offer(make_release("2.0.0"))
    assert "docs/format.md" in server.told("closed", "failure")
    unchanged(board)
    installs_afterwards(server, board, make_release)
