"""The embedded server: what it makes, who may in, how it ends."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess

import httpx
import pytest
from update_server import Boards, known, pico_ota


def logged_in(server):
    admin = json.loads((server.folder / "admin.json").read_text())
    form = {"username": admin["name"], "password": admin["password"]}
    client = httpx.Client(base_url=server.url, timeout=30)
    token = client.post("/login", data=form).raise_for_status().json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def children(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True)
    return found.stdout.split()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_when_it_answers_and_ends_clean(server, number):
    assert server.told == {"event": "listening", "url": server.url}
    assert server.url.startswith("http://127.0.0.1:")
    assert logged_in(server).get("/api/v1/devices").json() == {"devices": []}
    assert children(server.process.pid) == []
    assert server.stop(number) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_what_is_secret_is_for_its_owner_only(server):
    for name in ("admin.json", "session.json", "db.sqlite3"):
        assert stat.S_IMODE((server.folder / name).stat().st_mode) == 0o600, name
    admin = json.loads((server.folder / "admin.json").read_text())
    assert admin["name"] == "admin"
    assert len(admin["password"]) >= 20
    assert admin["url"] == server.url


def test_a_restart_keeps_boards_password_and_log_ins(serve, tmp_path):
    first = serve(tmp_path / "fleet")
    token = first("token", "pico-1")["token"]
    password = (first.folder / "admin.json").read_text().split('"password": ')[1].split('"')[1]
    client = logged_in(first)
    first.stop()
    second = serve(tmp_path / "fleet")
    assert password in (second.folder / "admin.json").read_text()
    assert second("token", "pico-1")["token"] == token
    headers = {"Authorization": client.headers["Authorization"]}
    assert httpx.get(f"{second.url}/api/v1/devices", headers=headers).status_code == 200


def test_a_lost_password_is_made_anew(serve, tmp_path):
    first = serve(tmp_path / "fleet")
    old = json.loads((first.folder / "admin.json").read_text())["password"]
    first.stop()
    (first.folder / "admin.json").unlink()
    second = serve(tmp_path / "fleet")
    assert logged_in(second).get("/api/v1/devices").status_code == 200
    form = {"username": "admin", "password": old}
    assert httpx.post(f"{second.url}/login", data=form).status_code == 401


def test_nobody_makes_himself_an_administrator(server):
    form = {"username": "mallory", "password": "x"}
    for path in ("/setup", "/setup/"):
        for method in ("GET", "POST"):
            answer = httpx.request(
                method, server.url + path, data=form if method == "POST" else None
            )
            assert answer.status_code in (404, 405), (method, path)
    assert httpx.post(f"{server.url}/login", data=form).status_code == 401


@pytest.mark.parametrize("header", [None, "TargetToken", "TargetToken wrong", "GatewayToken x"])
def test_a_board_without_its_token_stays_outside(server, header):
    server("token", "pico-1")
    headers = {"Authorization": header} if header else {}
    for board in ("pico-1", "stranger"):
        answer = httpx.get(f"{server.url}/DEFAULT/controller/v1/{board}", headers=headers)
        assert answer.status_code == 401
    assert [one["id"] for one in logged_in(server).get("/api/v1/devices").json()["devices"]] == [
        "pico-1"
    ]


def test_a_token_is_the_same_until_a_new_one_is_asked_for(server):
    token = server("token", "pico-1")["token"]
    assert 16 <= len(token) <= 32
    assert server("token", "pico-1")["token"] == token
    new = server("token", "pico-1", "--new")["token"]
    assert new != token
    plain = pico_ota("fleet", "token", "pico-1", "--data", server.folder, check=0)
    assert plain.stdout == f"{new}\n"
    address = f"{server.url}/DEFAULT/controller/v1/pico-1"
    codes = [
        httpx.get(address, headers={"Authorization": f"TargetToken {one}"}).status_code
        for one in (token, new)
    ]
    assert codes == [401, 200]


@pytest.mark.parametrize("word", ["a b", "../x", "", "x" * 65, "a/b", "-x"])
def test_an_id_that_fits_into_no_address_is_refused(word):
    done = pico_ota("fleet", "token", "--server", "http://127.0.0.1:9", "--", word)
    assert done.returncode == 2, done.stderr


def test_the_server_is_named_by_option_environment_or_folder(server):
    admin = json.loads((server.folder / "admin.json").read_text())
    named = {"PICO_OTA_FLEET_USER": admin["name"], "PICO_OTA_FLEET_PASSWORD": admin["password"]}
    url = server.url
    pico_ota("fleet", "token", "a", "--server", url, check=0, **named)
    pico_ota("fleet", "token", "a", check=0, PICO_OTA_FLEET=url, **named)
    pico_ota("fleet", "token", "a", check=0, PICO_OTA_FLEET_DATA=str(server.folder))
    pico_ota("fleet", "token", "a", "--server", url, "--data", server.folder, check=0)
    wrong = named | {"PICO_OTA_FLEET_PASSWORD": "wrong"}
    pico_ota("fleet", "token", "a", "--server", url, check=4, **wrong)
    pico_ota("fleet", "token", "a", "--server", url, check=4)
    assert "which server" in pico_ota("fleet", "token", "a", check=2).stderr
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        pico_ota("fleet", "token", "a", "--server", nobody, check=3, **named)
    pico_ota("fleet", "token", "a", "--server", "ftp://x", check=2, **named)
    pico_ota("fleet", "token", "a", "--server", "http://u:p@x", check=2, **named)


def test_what_cannot_be_served_is_said(server, tmp_path):
    port = server.url.rpartition(":")[2]
    taken = pico_ota("fleet", "serve", "--data", tmp_path / "b", "--port", port, check=2)
    assert "Address already in use" in taken.stderr
    assert "--port" in taken.stderr
    twice = pico_ota("fleet", "serve", "--data", server.folder, "--port", 0, check=2)
    assert "another server works in" in twice.stderr
    (tmp_path / "file").write_text("")
    pico_ota("fleet", "serve", "--data", tmp_path / "file" / "x", "--port", 0, check=2)
    if os.geteuid() != 0:
        (tmp_path / "shut").mkdir(mode=0o500)
        pico_ota("fleet", "serve", "--data", tmp_path / "shut" / "x", "--port", 0, check=2)
    pico_ota("fleet", "serve", "--data", tmp_path / "c", "--poll", "often", check=2)
    pico_ota("fleet", "serve", "--data", tmp_path / "c", "--poll", "2d", check=2)
    pico_ota("fleet", "serve", "--data", tmp_path / "c", "--s3", "http://x", check=2)
    nowhere = "postgres://a:secret@127.0.0.1:9/x"
    done = pico_ota(
        "fleet", "serve", "--data", tmp_path / "d", "--port", 0, "--database", nowhere, check=1
    )
    assert "the database cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_damaged_folder_is_said(serve, tmp_path):
    folder = tmp_path / "fleet"
    folder.mkdir()
    (folder / "admin.json").write_text("[]")
    done = pico_ota("fleet", "serve", "--data", folder, "--port", 0, check=2)
    assert "admin.json" in done.stderr
    (folder / "admin.json").unlink()
    (folder / "db.sqlite3").write_bytes(b"no database" * 1000)
    done = pico_ota("fleet", "serve", "--data", folder, "--port", 0, check=1)
    assert "the database cannot be used" in done.stderr


def test_boards_are_told_when_to_ask(serve, tmp_path):
    server = serve(tmp_path / "fleet", "--poll", "90s")
    with Boards(known(server, 1, poll_s=0.2)):
        board = server("token", "pico-000")
        address = f"{server.url}/DEFAULT/controller/v1/pico-000"
        headers = {"Authorization": f"TargetToken {board['token']}"}
        for _ in range(100):
            answer = httpx.get(address, headers=headers).json()
            if not answer["_links"]:
                break
        assert answer["config"]["polling"]["sleep"] == "00:01:30"


def test_boards_that_register_at_once_break_nothing(serve, make_swu, tmp_path):
    server = serve()
    fleet = known(server, 12)

    async def register(board):
        address = f"{board.url}/DEFAULT/controller/v1/{board.id}"
        data = {"hw_boardname": "RPI_PICO_W", "hw_revision": "9.9", "sw_version": "1.0.0"}
        return await board.ask("PUT", f"{address}/configData", {"data": data})

    async def together():
        return await asyncio.gather(*(register(board) for board in fleet))

    assert all(answer["success"] for answer in asyncio.run(together()))
    server.stop()
    # A database that was used without what keeps them apart is mended at the next start.
    base = sqlite3.connect(server.folder / "db.sqlite3")
    assert base.execute("select count(*) from hardware where revision = '9.9'").fetchone() == (1,)
    base.executescript(
        "drop index pico_ota_hardware;"
        "insert into hardware (model, revision) values ('RPI_PICO_W', '9.9');"
        "update device set hardware_id = (select max(id) from hardware) where id > 'pico-005';"
    )
    base.close()
    again = serve(server.folder)
    base = sqlite3.connect(server.folder / "db.sqlite3")
    assert base.execute("select count(*) from hardware where revision = '9.9'").fetchone() == (1,)
    assert base.execute("select count(distinct hardware_id) from device").fetchone() == (1,)
    base.close()
    for board in fleet:
        board.url = again.url
    assert all(answer["success"] for answer in asyncio.run(together()))
    again("upload", make_swu("1.1.0"))


def test_status_says_what_the_server_knows(server):
    with Boards(known(server, 2)):
        for _ in range(100):
            told = server("status")
            if all(board["version"] for board in told["boards"]):
                break
    assert [board["id"] for board in told["boards"]] == ["pico-000", "pico-001"]
    first = told["boards"][0]
    wanted = {"address": "127.0.0.1", "version": "1.0.0", "state": "registered"}
    assert wanted.items() <= first.items()
    assert first["silent_s"] < 60
    lines = pico_ota("fleet", "status", "--data", server.folder, check=0).stdout.splitlines()
    assert lines[0].split() == ["id", "address", "version", "state", "asked"]
    assert lines[1].split()[:4] == ["pico-000", "127.0.0.1", "1.0.0", "registered"]
    one = server("status", "pico-001")
    assert [board["id"] for board in one["boards"]] == ["pico-001"]
    assert server("status", "pico-009", check=1)["boards"] == []


def test_a_release_is_uploaded_once(server, make_swu, tmp_path):
    swu = make_swu("1.1.0")
    first, second = server("upload", swu), server("upload", swu)
    assert (first["version"], first["new"], second["new"]) == ("1.1.0", True, False)
    other = make_swu("1.1.0", main=b"print('other')\n")
    done = pico_ota("fleet", "upload", other, "--data", server.folder, check=1)
    assert "new version" in done.stderr
    (tmp_path / "x.swu").write_bytes(b"nonsense")
    for path in (tmp_path / "x.swu", tmp_path / "none.swu", tmp_path):
        pico_ota("fleet", "upload", path, "--data", server.folder, check=2)
