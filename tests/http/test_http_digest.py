"""Logging in by Digest: clients of others, replays, bodies that are changed on their way."""

import asyncio
import json
import re
import subprocess
import sys
import urllib.request
from hashlib import sha256

import httpx
import pytest
from wire import PASSWORD, USER, ask, basic, digest, read, refused

AUTH = httpx.DigestAuth(USER, PASSWORD)


def sha(text):
    return sha256(text.encode()).hexdigest()


class Login:
    """Somebody who logs in by Digest, with every step in reach of a test."""

    def __init__(self, board, password=PASSWORD):
        self.board = board
        self.secret = sha(f"{USER}:pico-ota:{password}")
        self.nonce, self.count = self.offered()["nonce"], 0

    def offered(self, **headers):
        answer = ask(self.board, "GET", "/fs/", authorization=None, **headers)
        return dict(re.findall(r'(\w+)="?([^",]*)"?', answer.headers["www-authenticate"]))

    def value(self, method, target, qop="auth", body=b"", count=None):
        """Return the value of Authorization."""
        if count is None:
            self.count = count = self.count + 1
        about = f"{method}:{target}" + (f":{digest(body)}" if qop == "auth-int" else "")
        first = f"{self.secret}:{self.nonce}:{count:08x}:0a4f113b:{qop}:{sha(about)}"
        return (
            f'Digest username="{USER}", realm="pico-ota", nonce="{self.nonce}", uri="{target}", '
            f'algorithm=SHA-256, response="{sha(first)}", qop={qop}, nc={count:08x}, '
            'cnonce="0a4f113b"'
        )

    def ask(self, method, target, body=None, qop="auth", signed=None, **headers):
        """Send a request; *signed* is the body that the credentials are for."""
        signed = body or b"" if signed is None else signed
        value = self.value(method, target, qop, signed)
        if qop == "auth-int":
            headers.setdefault("x_content_sha256", digest(signed))
        return ask(self.board, method, target, body, authorization=value, **headers)


@pytest.fixture
def login(board):
    return Login(board)


def test_one_nonce_serves_many_requests_each_of_them_once(login, board):
    values = []
    for _ in range(30):
        values.append(login.value("GET", "/fs/"))
        assert ask(board, "GET", "/fs/", authorization=values[-1]).status == 200
    for value in values:
        answer = ask(board, "GET", "/fs/", authorization=value)
        refused(answer, 401, "unauthorized")
        assert "stale=true" in answer.headers["www-authenticate"]
    # Whoever listens can repeat what was sent; that is no wrong try, and opens nothing.
    assert login.ask("GET", "/fs/").status == 200


def test_what_was_signed_for_one_request_is_good_for_no_other(login, board):
    before = board.flash_operations
    for method, target in (("DELETE", "/fs/main.py"), ("GET", "/fs/?"), ("GET", "/fs/main.py")):
        value = login.value("GET", "/fs/")
        body = None if method == "GET" else b""
        refused(ask(board, method, target, body, authorization=value), 401, "unauthorized")
    assert board.flash_operations == before


@pytest.mark.parametrize("size", [0, 1, 3072, 20_000])
def test_a_body_that_is_changed_on_its_way_does_not_go_live(login, board, folder, size):
    path = f"/fs{folder}/x.py"
    data = bytes(size)
    assert login.ask("PUT", path, data, "auth-int").status == 201
    others = [data + b"\0"] + ([data[:-1], b"\1" + data[1:], data[:-1] + b"\1"] if size else [])
    for other in others:
        answer = login.ask("PUT", path, other, "auth-int", signed=data)
        reason = refused(answer, 422, "digest_mismatch")
        assert (reason["expected"], reason["found"]) == (digest(data), digest(other))
        # The same with clients that know no auth-int: what is in the address is signed, too.
        answer = login.ask("PUT", f"{path}?sha256={digest(data)}", other)
        refused(answer, 422, "digest_mismatch")
    # And who changes the announcement with it has no right credentials any more.
    for other in others:
        value = login.value("PUT", path, "auth-int", data)
        answer = ask(
            board, "PUT", path, other, authorization=value, x_content_sha256=digest(other)
        )
        refused(answer, 401, "unauthorized")
        answer = login.ask(
            "PUT", f"{path}?sha256={digest(data)}", other, x_content_sha256=digest(other)
        )
        refused(answer, 422, "digest_mismatch")
    assert read(board, path[3:]) == data
    names = [entry["name"] for entry in ask(board, "GET", f"/fs{folder}/").json["files"]]
    assert names == ["x.py"]


def test_json_and_archives_that_are_changed_on_their_way_do_nothing(login, board):
    before = board.flash_operations
    good, bad = b'{"mode": "normal"}', b'{"mode": "rescue"}'
    for target in ("/api/v1/reboot", "/api/v1/update", "/api/v1/update?commit=yes"):
        answer = login.ask("POST", target, bad, "auth-int", signed=good)
        assert answer.status in (400, 422), answer
    answer = login.ask("PUT", "/api/v1/password", b'{"password": "theirs"}', "auth-int", good)
    refused(answer, 422, "digest_mismatch")
    assert "Restarting" not in board.console()
    assert login.ask("GET", "/api/v1/update").status == 404
    assert board.flash_operations - before < 12  # what was begun of an archive is gone
    assert ask(board, "GET", "/fs/").status == 200


def test_auth_int_without_the_announcement_goes_on_with_auth(login, board, folder):
    path = f"/fs{folder}/x.py"
    value = login.value("PUT", path, "auth-int", b"x")
    answer = ask(board, "PUT", path, b"x", authorization=value)
    refused(answer, 401, "unauthorized")
    offered = answer.headers["www-authenticate"]
    assert 'qop="auth",' in offered
    assert "stale=true" in offered


@pytest.mark.parametrize("announced", ["x", "0" * 63, "0" * 65, "g" * 64, "%61" * 64, "a" * 900])
def test_an_announcement_that_is_none_is_refused(board, folder, announced):
    answer = ask(board, "PUT", f"/fs{folder}/x?sha256={announced}", b"x")
    refused(answer, 400, "bad_digest")
    answer = ask(board, "GET", f"/fs/?sha256={announced}")
    refused(answer, 400, "bad_digest")


def test_long_names_in_any_script_fit_beside_the_credentials(login, board, folder):
    name = "%E6%97%A5" * 70  # 210 bytes in UTF-8
    path = f"/fs{folder}/{name}"
    assert login.ask("PUT", path, b"x", "auth-int").status == 201
    assert login.ask("GET", path).body == b"x"
    assert login.ask("DELETE", path).status == 204


def test_several_connections_share_a_nonce(login, board):
    values = [login.value("GET", "/api/v1/progress") for _ in range(12)]

    async def every():
        async with httpx.AsyncClient(base_url=board.url) as web:
            asked = [
                web.get("/api/v1/progress", headers={"Authorization": value}) for value in values
            ]
            return await asyncio.gather(*reversed(asked))

    assert [answer.status_code for answer in asyncio.run(every())] == [200] * 12


def test_after_a_restart_the_old_nonce_is_stale(make_pico):
    pico = make_pico()
    login = Login(pico)
    assert login.ask("GET", "/fs/").status == 200
    pico.power_cut()
    pico.start()
    pico.wait_listening()
    login.board = pico
    value = login.value("GET", "/fs/")
    answer = ask(pico, "GET", "/fs/", authorization=value, x_requested_with="pico-ota")
    refused(answer, 401, "unauthorized")
    # Not the scheme for scripts: the browser goes on by itself and asks nobody.
    assert answer.headers["www-authenticate"].startswith("Digest ")
    assert "stale=true" in answer.headers["www-authenticate"]


# --- clients of others --------------------------------------------------------------------------


def curl(board, *arguments, **options):
    done = subprocess.run(
        ["curl", "-sS", "-u", f"{USER}:{PASSWORD}", "-w", " %{http_code}", *arguments],
        capture_output=True, timeout=60, check=False, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().rpartition(" ")[2]


@pytest.mark.parametrize("way", ["--digest", "--anyauth", "--basic"])
@pytest.mark.parametrize("size", [0, 100, 60_000])
def test_curl_sends_a_file(board, folder, tmp_path, way, size):
    file = tmp_path / "a b.bin"
    file.write_bytes(bytes(size))
    where = f"{board.url}/fs{folder}/a%20b.bin"
    assert curl(board, way, "-T", str(file), where) == "201"
    assert read(board, f"{folder}/a%20b.bin") == bytes(size)
    # With the SHA-256 in the address: Digest signs that, and so the body.
    assert curl(board, way, "-T", str(file), f"{where}?sha256={digest(bytes(size))}") == "204"
    assert curl(board, way, "-T", str(file), f"{where}?sha256={digest(b'else')}") == "422"


@pytest.mark.parametrize("way", ["--digest", "--anyauth"])
def test_curl_posts_lists_and_deletes(board, way):
    for arguments in (
        ["-X", "PUT", f"{board.url}/fs/t/new/"],
        [f"{board.url}/fs/t/new/"],
        ["-X", "DELETE", f"{board.url}/fs/t/new/"],
        ["-X", "DELETE", f"{board.url}/fs/t/"],
    ):
        assert curl(board, way, *arguments) in ("200", "201", "204")
    # With any value of the header but our page's, curl is offered the schemes it knows.
    header = ["-H", "X-Requested-With: curl"]
    assert curl(board, way, *header, "-d", '{"mode": "?"}', board.url + "/api/v1/reboot") == "400"


def test_curl_says_no_password_with_digest(board):
    trace = subprocess.run(
        ["curl", "-sv", "--digest", "-u", f"{USER}:{PASSWORD}", board.url + "/fs/"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stderr  # fmt: skip
    assert "authorization: digest" in trace.lower()
    assert basic() not in trace


def test_httpx(board, folder):
    with httpx.Client(base_url=board.url, auth=AUTH) as web:
        for number in range(5):
            put = web.put(f"/fs{folder}/x{number}", content=bytes(5000))
            assert put.status_code == 201
        assert web.get(f"/fs{folder}/x1").content == bytes(5000)


class Sha256(urllib.request.HTTPDigestAuthHandler):
    """Python knows SHA-256 for Digest from 3.14 on; this adds it to those before."""

    def get_algorithm_impls(self, algorithm):
        def two(secret, data):
            return sha(f"{secret}:{data}")

        return (sha, two) if algorithm == "SHA-256" else super().get_algorithm_impls(algorithm)


@pytest.mark.parametrize(
    "handler", [Sha256, urllib.request.HTTPBasicAuthHandler], ids=["digest", "basic"]
)
def test_urllib(board, folder, handler):
    known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    known.add_password(None, board.url, USER, PASSWORD)
    opener = urllib.request.build_opener(handler(known))
    for path, data, method in (
        (f"{folder}/x", b"hello", "PUT"),
        (f"{folder}/x", None, "GET"),
        (f"{folder}/x", None, "DELETE"),
    ):
        asked = urllib.request.Request(f"{board.url}/fs{path}", data, method=method)
        with opener.open(asked, timeout=20) as answer:
            assert answer.status in (200, 201, 204)


def test_httpie(board, folder, tmp_path):
    file = tmp_path / "x.txt"
    file.write_bytes(b"hello")
    for way in ("digest", "basic"):
        done = subprocess.run(
            [sys.executable, "-m", "httpie", "--ignore-stdin", "--check-status", "-A", way,
             "-a", f"{USER}:{PASSWORD}", "PUT", f"{board.url}/fs{folder}/x", f"@{file}"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert read(board, f"{folder}/x") == b"hello"


# --- Basic can be switched off ------------------------------------------------------------------


NO_BASIC = b"""
import asyncio
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService

async def main():
    service = OTAUpdateService(WiFiManager("home", "password", "pico-test"), basic=False,
        auth_password="sha256:%s")
    await service.start()
    while True:
        await asyncio.sleep(1)

asyncio.run(main())
""" % sha(f"{USER}:pico-ota:{PASSWORD}").encode()


@pytest.fixture
def strict(make_pico, tmp_path):
    app = tmp_path / "strict"
    app.mkdir()
    (app / "main.py").write_bytes(NO_BASIC)
    return make_pico(app)


def test_basic_can_be_switched_off(strict):
    answer = ask(strict, "GET", "/fs/")
    assert "Digest" in refused(answer, 401, "unauthorized")["message"]
    assert answer.headers["www-authenticate"].startswith("Digest ")
    assert "Basic" not in answer.headers["www-authenticate"]
    assert ask(strict, "GET", "/api/v1/info").json["auth"] == "Digest"
    # Never compared, so it is no wrong try, and nobody can guess that way.
    for _ in range(15):
        refused(ask(strict, "GET", "/fs/", authorization=basic(password="x")), 401, "unauthorized")
    login = Login(strict)
    assert login.ask("GET", "/api/v1/status").json["login"] == "digest"
    # And the password that was given as its SHA-256 is the default one: that is seen.
    assert login.ask("GET", "/api/v1/status").json["default_password"] is True
    body = b'{"password": "in clear"}'
    refused(login.ask("PUT", "/api/v1/password", body), 400, "bad_password")


def test_a_new_password_travels_masked(strict):
    login = Login(strict)
    new, salt = sha(f"{USER}:pico-ota:new one"), digest(b"salt")
    mask = sha(f"{login.secret}:new password:{salt}")
    body = {
        "masked": f"{int(new, 16) ^ int(mask, 16):064x}",
        "salt": salt,
        "check": sha(f"{new}:{mask}"),
    }
    for wrong in (
        {"masked": body["masked"]},
        {"masked": None, "salt": salt},
        {"masked": body["masked"][:-1], "salt": salt},
        {"masked": body["masked"].upper() + "G", "salt": salt},
        {"masked": body["masked"], "salt": "x"},
        {"masked": 5, "salt": 5},
        {**body, "check": None},
        {**body, "check": "0" * 64},
        {**body, "masked": body["masked"][:-1] + ("0" if body["masked"][-1] != "0" else "1")},
    ):
        answer = login.ask("PUT", "/api/v1/password", json.dumps(wrong).encode(), "auth-int")
        refused(answer, 400, "bad_password")
    text = json.dumps(body).encode()
    assert login.ask("PUT", "/api/v1/password", text, "auth-int").status == 204
    refused(login.ask("GET", "/fs/"), 401, "unauthorized")
    assert Login(strict, "new one").ask("GET", "/fs/").status == 200
    strict.power_cut()
    strict.start()
    strict.wait_listening()
    assert Login(strict, "new one").ask("GET", "/fs/").status == 200


# --- how somebody logged in ---------------------------------------------------------------------


def test_status_says_how_somebody_logged_in_last(board):
    login = Login(board)
    assert login.ask("GET", "/api/v1/status").json["login"] == "digest"
    put_by_basic = ask(board, "GET", "/fs/")
    assert put_by_basic.status == 200
    # The session from before goes on: that is no new login, and does not hide the one in clear.
    assert login.ask("GET", "/api/v1/status").json["login"] == "basic"
    assert Login(board).ask("GET", "/api/v1/status").json["login"] == "digest"
