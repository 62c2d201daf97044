"""Somebody else's project file, and a device that lies: neither gets what is not theirs."""

import http.server
import json
import threading

import pytest

from pico_ota import trusted
from pico_ota.client import Client
from pico_ota.errors import AnswerError
from pico_ota.shape import STATUS, flaw


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each path with what the test has put into `answers`; notes what came."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        server = self.server
        server.seen.append((self.command, self.path, self.headers.get("Authorization")))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body, headers = 404, b"{}", {}
        for path, given in server.answers.items():
            if self.path == path or (path.endswith("*") and self.path.startswith(path[:-1])):
                status, body, headers = given(self.path) if callable(given) else given
                break
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *_):
        """Say nothing."""


INFO = {"service": "pico-ota", "api": 1, "name": "x", "boot_id": "a", "release": "1"}


def as_json(document, status=200):
    return status, json.dumps(document).encode(), {}


@pytest.fixture
def liar(monkeypatch):
    """A server whose answers are given."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client that hangs up in mid-answer is right
    server.seen, server.answers = [], {"/api/v1/info": as_json(INFO)}
    server.place = f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PICO_OTA_HOST", server.place)
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
    yield server
    server.shutdown()
    server.server_close()


# --- the project file ---------------------------------------------------------------------------


@pytest.fixture
def named(liar, here, monkeypatch):
    """The server, named by a project file alone."""
    monkeypatch.delenv("PICO_OTA_HOST")
    liar.answers["/api/v1/status"] = as_json({"state": "idle"})
    (here / "pico-ota.toml").write_text(f'host = "{liar.place}"\n')
    return liar


def test_the_password_of_the_environment_does_not_go_where_a_project_file_says(named, cli):
    result = cli("status", "--json")
    assert result.status == 4
    assert f"PICO_OTA_PASSWORD is not sent to {named.place}" in result.err
    assert named.seen == []


def test_a_host_of_ones_own_gets_it(named, cli, monkeypatch):
    assert cli("-H", named.place, "status").status == 0
    monkeypatch.setenv("PICO_OTA_HOST", named.place)
    assert cli("status").status == 0
    assert len(named.seen) == 2


def test_a_password_that_was_given_for_this_run_goes_there(named, cli, here):
    (here / "secret").write_text("otapico\n")
    (here / "secret").chmod(0o600)
    assert cli("status", "--password-file", "secret").status == 0


def test_the_pair_is_confirmed_once(named, cli, here, monkeypatch):
    asked = []

    def consent(question):
        asked.append(question)
        return len(asked) > 1

    monkeypatch.setattr("pico_ota.credentials.consent", consent)
    assert cli("status").status == 4
    assert named.seen == []
    assert cli("status").status == 0
    assert cli("status").status == 0
    assert len(asked) == 2
    assert str(here / "pico-ota.toml") in asked[0]
    assert named.place in asked[0]
    # The same file with another host is another pair, and so is another file with the same host.
    (here / "pico-ota.toml").write_text('host = "127.0.0.1:9"\n')
    assert not trusted.known(here / "pico-ota.toml", "127.0.0.1:9")
    assert not trusted.known(here / "other/pico-ota.toml", named.place)


def test_where_nothing_can_be_remembered_nothing_breaks(named, cli, here, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(here / "pico-ota.toml"))
    monkeypatch.setattr("pico_ota.credentials.consent", lambda question: True)
    assert cli("status").status == 0


@pytest.mark.parametrize("place", ["../elsewhere", "link", "/etc"])
def test_source_and_key_are_in_the_project(named, cli, here, tmp_path, place):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/main.py").touch()
    (here / "link").symlink_to(tmp_path / "elsewhere")
    (here / "app").mkdir()
    (here / "app/main.py").touch()
    host = f'host = "{named.place}"\n'
    (here / "pico-ota.toml").write_text(f'{host}source = "{place}"\nversion = "1.0.0"\n')
    for verb in ("push", "build", "diff"):
        result = cli(verb)
        assert result.status == 2
        assert "'source' leads out of the folder" in result.err
    assert cli("build", "app", "-o", "x.swu").status == 0
    (here / "pico-ota.toml").write_text(f'{host}key = "{place}/private.pem"\n')
    for arguments in (("build", "app", "--version", "1.0.0"), ("verify", "x.swu")):
        result = cli(*arguments)
        assert result.status == 2
        assert "'key' leads out of the folder" in result.err
    assert named.seen == []


# --- the device ---------------------------------------------------------------------------------

DEEP = b"[" * 100_000 + b"]" * 100_000
STATUSES = [
    {"trial": [1]},
    {"trial": {"remaining_s": "x"}},
    {"flash": "full"},
    {"flash": {"free": 10**400}},
    {"last": "x"},
    {"history": {"a": 1}},
    {"history": [1]},
    {"update": {"bytes": "x"}},
    {"warnings": 7},
    {"uptime_s": "long"},
    {"wifi": 1},
]


def listing(*rows, **more):
    return as_json({"total": 1, "free": 1, "block_size": 1, "files": rows} | more)


def row(name, directory=False, size=1):
    return {"name": name, "directory": directory, "file_size": size}


def bad_answer(result):
    """Whether the verb ended with one line that says so."""
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err
    assert result.err.replace("\n", "").isprintable()
    return result.status == 1


@pytest.mark.parametrize(
    "body",
    [
        b"{" + b'"a":' * 100_000,
        DEEP,
        b'{"a":' + DEEP + b"}",
        b"\xff",
        b"[]",
        b"1e999",
        b"{}" + b" " * (2 << 20),
    ],
    ids=["open", "deep", "deeper", "bytes", "list", "inf", "long"],
)
def test_an_answer_without_bounds_is_an_error(liar, cli, body):
    liar.answers["/api/v1/status"] = (200, body, {})
    assert bad_answer(cli("status"))
    liar.answers["/api/v1/status"] = (400, body, {})
    assert bad_answer(cli("status"))


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_of_another_form_is_an_error(liar, cli, status):
    assert flaw(status, STATUS)
    liar.answers["/api/v1/status"] = as_json(status)
    assert bad_answer(cli("status"))
    assert cli("status", "--json").status == 1


def test_what_a_device_leaves_out_is_no_flaw(liar, cli):
    for status in ({}, {"trial": None, "history": [{"reason": None}], "wifi": {"rssi": None}}):
        liar.answers["/api/v1/status"] = as_json(status)
        assert cli("status").status == 0


def test_an_answer_that_dribbles_ends(liar, cli, monkeypatch):
    monkeypatch.setattr("pico_ota.client._ANSWER_S", -1.0)
    liar.answers["/api/v1/status"] = as_json({})
    assert bad_answer(cli("status"))


def test_a_packed_bomb_is_not_unpacked_without_end(liar, cli):
    import zlib

    packed = zlib.compress(b" " * (300 << 20))
    liar.answers["/api/v1/status"] = (200, packed, {"Content-Encoding": "deflate"})
    assert bad_answer(cli("status"))
    liar.answers["/api/v1/status"] = (200, b"xx", {"Content-Encoding": "gzip"})
    assert bad_answer(cli("status"))


@pytest.mark.parametrize("verb", [("tree",), ("cp", "-r", ":", "out")])
def test_a_tree_without_an_end_is_an_error(liar, cli, verb):
    liar.answers["/fs/*"] = listing(row("a", True))
    assert bad_answer(cli(*verb))
    assert len(liar.seen) < 30
    liar.answers["/fs/*"] = listing(row("x" * 256))
    assert bad_answer(cli(*verb))
    liar.answers["/fs/*"] = listing(row("a", size=1 << 60))
    assert bad_answer(cli(*verb))
    liar.answers["/fs/*"] = listing(*[row(f"{n}", n < 40) for n in range(9000)])
    assert bad_answer(cli(*verb))


def test_a_file_is_not_larger_than_listed(liar, cli, here):
    big = bytes(1 << 20)

    def answer(path):
        return listing(row("a", size=10)) if path == "/fs/" else (200, big, {"ETag": '"0"'})

    liar.answers["/fs/*"] = answer
    result = cli("cp", "-r", ":", "out")
    assert bad_answer(result)
    assert "more than there can be" in result.err
    assert list((here / "out").iterdir()) == []


def test_one_file_has_an_end_too(liar, cli, here):
    liar.answers["/fs/a"] = (200, bytes(33 << 20), {"ETag": '"0"'})
    result = cli("cp", ":a", "out.bin")
    assert bad_answer(result)
    assert "more than there can be" in result.err
    assert list(here.iterdir()) == []


def test_names_and_messages_steer_no_terminal(liar, cli):
    liar.answers["/fs/"] = listing(row("a\x1b[2J"), row("\u202egood"))
    shown = cli("ls")
    assert shown.status == 0
    assert "\x1b" not in shown.out + shown.err
    assert "\u202e" not in cli("ls", "--json").out
    liar.answers["/fs/"] = as_json({"error": "x\x1b[2J", "message": "\x9b2J" + "y" * 5000}, 400)
    for result in (cli("ls"), cli("ls", "--json")):
        assert result.status == 1
        assert "\x1b" not in result.out + result.err
        assert "\x9b" not in result.out + result.err
        assert len(result.err) < 1200


@pytest.mark.parametrize("wait", ["inf", "nan", "1e400", "-5", "x"])
def test_odd_pauses(liar, cli, wait):
    liar.answers["/api/v1/status"] = (429, b"{}", {"Retry-After": wait})
    result = cli("status")
    assert result.status == 4
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("begun", "file", "commit"),
    [
        ({"need": "x"}, {}, {}),
        ({"need": [1]}, {}, {}),
        ({"need": ["/elsewhere"], "bytes": "x"}, {}, {}),
        ({"need": ["/x.txt"], "bytes": 1}, {"error": "wrong_offset", "message": "."}, {}),
        (
            {"need": ["/x.txt"], "bytes": 1},
            {"error": "wrong_offset", "message": ".", "received": -3},
            {},
        ),
        ({"need": []}, {}, {"restart_ms": "x"}),
        ({"need": []}, {}, {"boot_id": 7}),
    ],
)
def test_a_push_to_a_liar_ends(liar, cli, here, begun, file, commit):
    (here / "x.txt").write_text("x")
    liar.answers |= {
        "/api/v1/status": as_json({"state": "idle", "flash": {"total": 99}}),
        "/fs/*": listing(),
        "/api/v1/update": as_json(begun, 201),
        "/api/v1/update/files/*": as_json(file, 409),
        "/api/v1/update/commit": as_json(commit, 202),
    }
    result = cli("push", "x.txt", "--version", "1", "--retries", "0")
    assert result.status == 1
    assert "Traceback" not in result.err


def test_the_shape_of_an_answer_is_checked_before_it_is_used(liar):
    from pico_ota.target import parse

    with Client(parse(liar.place)) as client:
        liar.answers["/a"] = as_json({"n": True})
        with pytest.raises(AnswerError, match="n is no whole number"):
            client.json("GET", "/a", {"n": int})
