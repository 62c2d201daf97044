"""`/api/v1`: information, status, log, restart, password."""

import time

import pytest
from wire import USER, ask, basic, put, read, refused

from pico_ota.sim.image import read_tree, write_files


def test_info_tells_who_is_there(board):
    info = ask(board, "GET", "/api/v1/info").json
    assert info["api"] == 1
    assert info["service"] == "pico-ota"
    assert info["name"] == "pico-test"
    assert (info["auth"], info["realm"]) == ("Digest, Basic", "pico-ota")
    assert len(info["boot_id"]) == 8


def test_status_has_every_field_of_the_reference(board):
    status = ask(board, "GET", "/api/v1/status").json
    assert set(status) >= {
        "version", "state", "mode", "boot_id", "last", "history", "previous", "name", "ip",
        "board", "micropython", "mpy", "uptime_s", "flash", "memory", "wifi", "default_password",
        "login", "user",
        "require_signed", "upload", "trial", "supervised", "changed", "update", "warnings",
    }  # fmt: skip
    assert status["board"] == "Raspberry Pi Pico W with RP2040"
    assert status["ip"] == "127.0.0.1"
    assert status["flash"]["total"] == 212 * 4096
    assert status["flash"]["block"] == 4096
    assert 0 < status["flash"]["free"] < status["flash"]["total"]
    assert status["memory"]["free"] > 0
    assert status["wifi"] == {"rssi": -50}
    assert (status["mode"], status["state"]) == ("normal", "idle")
    assert status["default_password"] is True
    assert any("password" in warning for warning in status["warnings"])


def test_uptime_counts_seconds(board):
    first = ask(board, "GET", "/api/v1/status").json["uptime_s"]
    time.sleep(2.1)
    assert 1 <= ask(board, "GET", "/api/v1/status").json["uptime_s"] - first <= 4


def test_the_log_goes_on_where_it_was_left(board, folder):
    put(board, folder + "/one", b"1")
    log = ask(board, "GET", "/api/v1/log").json
    assert any("/one written" in line for line in log["lines"])
    put(board, folder + "/two", b"2")
    more = ask(board, "GET", f"/api/v1/log?since={log['next']}").json
    assert [line for line in more["lines"] if "written" in line] == [
        f"{folder}/two written, 1 bytes"
    ]
    assert ask(board, "GET", f"/api/v1/log?since={more['next']}").json["lines"] == []
    assert ask(board, "GET", "/api/v1/log?since=999999999").json["lines"] == []


def test_the_log_is_also_text(board, folder):
    put(board, folder + "/one", b"1")
    answer = ask(board, "GET", "/api/v1/log", accept="text/plain")
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"/one written" in answer.body


def test_the_log_does_not_grow(board, folder):
    for n in range(80):
        put(board, f"{folder}/file-{n}", b"x")
    log = ask(board, "GET", "/api/v1/log").json
    assert sum(map(len, log["lines"])) <= 1500
    assert log["lines"][-1].startswith(f"{folder}/file-79")
    first = log["next"] - len(log["lines"])
    assert ask(board, "GET", f"/api/v1/log?since={first - 50}").json == log


@pytest.mark.parametrize("since", ["-1", "x", "1.5", "%20", "9999999999999999", "+1", "0x1"])
def test_a_line_number_that_is_none_is_refused(board, since):
    refused(ask(board, "GET", f"/api/v1/log?since={since}"), 400, "bad_request")


@pytest.mark.parametrize("query", ["since", "since=", "%", "a=%zz", "=&=&&", "since=1&since=x"])
def test_a_strange_query_is_answered_with_sense(board, query):
    assert ask(board, "GET", f"/api/v1/log?{query}").status in (200, 400)


# --- restart ----------------------------------------------------------------------------------


def test_a_restart_is_announced_done_and_seen_by_the_boot_id(make_pico):
    pico = make_pico()
    put(pico, "/x.txt", b"x")
    old = ask(pico, "GET", "/api/v1/info").json["boot_id"]
    seen = len(pico.events)
    answer = ask(pico, "POST", "/api/v1/reboot", b'{"mode": "normal"}')
    assert answer.status == 202
    assert answer.json == {"boot_id": old, "restart_ms": 1000}
    # The answer is out before the board goes down.
    assert ask(pico, "GET", "/api/v1/info").json["boot_id"] == old
    pico.wait_event("listening", since=seen)
    new = ask(pico, "GET", "/api/v1/info").json["boot_id"]
    assert new != old
    assert read(pico, "/x.txt") == b"x"
    assert [e["event"] for e in pico.events[seen:]][:2] == ["flash", "boot"]


def test_a_restart_needs_no_body(make_pico):
    pico = make_pico()
    seen = len(pico.events)
    assert ask(pico, "POST", "/api/v1/reboot").status == 202
    assert pico.wait_event("boot", since=seen)["cause"] == "machine.reset"


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b'{"mode": "fast"}', 400, "bad_mode"),
        (b'{"mode": null}', 400, "bad_mode"),
        (b'{"mode": ["normal"]}', 400, "bad_mode"),
        (b"[]", 400, "bad_json"),
        (b"{", 400, "bad_json"),
        (b"\xff\xfe", 400, "bad_json"),
        (b"mode=rescue", 400, "bad_json"),
        (b'{"mode": "' + b"x" * 3000 + b'"}', 413, "too_large"),
        (b"[" * 2000, 400, "bad_json"),
    ],
)
def test_a_restart_that_is_not_understood_does_not_happen(board, body, status, word):
    refused(ask(board, "POST", "/api/v1/reboot", body), status, word)
    time.sleep(0.05)
    assert "Restarting" not in board.console()


# --- password ---------------------------------------------------------------------------------


def test_a_new_password_holds_at_once_and_after_restarts_and_yields_to_new_code(make_pico):
    pico = make_pico()
    answer = ask(pico, "PUT", "/api/v1/password", '{"password": "zwölf Äpfel"}'.encode())
    assert answer.status == 204
    new = basic(USER, "zwölf Äpfel")

    def check():
        refused(ask(pico, "GET", "/fs/"), 401, "unauthorized")
        status = ask(pico, "GET", "/api/v1/status", authorization=new)
        assert status.json["default_password"] is False
        assert status.json["warnings"] == []

    check()
    pico.power_cut()
    pico.start()
    pico.wait_listening()
    check()
    # It is nowhere to be read, not even with the password.
    answer = ask(pico, "GET", "/fs/.ota/password", authorization=new, x_ota_protected="yes")
    refused(answer, 403, "protected")
    pico.stop()
    # The application comes with a password of its own.
    main = read_tree(pico.image)["/main.py"].replace(
        b'"pico-test")', b'"pico-test"), auth_password="built in"'
    )
    write_files(pico.image, {"/main.py": main})
    pico.start()
    pico.wait_listening()
    refused(ask(pico, "GET", "/fs/", authorization=new), 401, "unauthorized")
    assert ask(pico, "GET", "/fs/", authorization=basic(USER, "built in")).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"password": ""}',
        b'{"password": null}',
        b'{"password": 12345678}',
        b'{"password": ["x"]}',
        b'{"password": "' + b"x" * 129 + b'"}',
    ],
)
def test_a_password_that_is_none_is_refused(board, body):
    before = board.flash_operations
    refused(ask(board, "PUT", "/api/v1/password", body), 400, "bad_password")
    assert board.flash_operations == before
    assert ask(board, "GET", "/fs/").status == 200


def test_wrong_passwords_show_nowhere(board):
    ask(board, "GET", "/fs/", authorization=basic(USER, "my-other-secret"))
    log = ask(board, "GET", "/api/v1/log").body
    assert b"my-other-secret" not in log
    assert "my-other-secret" not in board.console()
