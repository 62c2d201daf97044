"""A board that only takes signed releases: no route is left open."""

import re
from pathlib import Path

import pytest
from wire import ask, put, read, refused

from pico_ota.release import build, keygen
from pico_ota.sim.image import read_tree, write_files

SERVER = Path(__file__).parents[2] / "device" / "ota" / "server.py"
MAIN = b"""
import asyncio
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService
async def main():
    wifi = WiFiManager("test-net", "test-password", "pico-test")
    await OTAUpdateService(wifi, public_key="/public.json").start()
    while True:
        await asyncio.sleep(1)
asyncio.run(main())
"""
# What changes no file without a signature: a restart, the password, the end of an update, and
# files of an update whose description was signed.
OPEN = {
    ("POST", "/api/v1/reboot"),
    ("PUT", "/api/v1/password"),
    ("DELETE", "/api/v1/update"),
    ("POST", "/api/v1/update/commit"),
    ("POST", "/api/v1/confirm"),
    ("POST", "/api/v1/rollback"),
    ("PUT", "/api/v1/update/files/"),
}


def changing_rows():
    """Return (method, path) of each row of the route table that may change something."""
    table = re.search(r'^_ROUTES = """\n(.*?)^"""', SERVER.read_text(), re.MULTILINE | re.DOTALL)
    rows = [line.split(" ") for line in table[1].splitlines()]
    assert all(len(row) == 5 for row in rows)
    return [(row[0], row[1]) for row in rows if row[0] != "GET"]


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory):
    """An unsigned release with one file."""
    folder = tmp_path_factory.mktemp("unsigned")
    (folder / "app").mkdir()
    (folder / "app" / "main.py").write_bytes(b"print('evil')")
    build(folder / "app", folder / "x.swu", "2.0.0")
    return (folder / "x.swu").read_bytes()


@pytest.fixture
def signed_only(make_pico, tmp_path):
    """A board with a public key."""
    keygen(tmp_path / "keys", bits=2048)
    pico = make_pico(start=False)
    public = (tmp_path / "keys" / "public.json").read_bytes()
    write_files(pico.image, {"/main.py": MAIN, "/public.json": public, "/data/x.txt": b"old"})
    pico.start()
    pico.wait_listening(20)
    assert ask(pico, "GET", "/api/v1/status").json["require_signed"] is True
    return pico


def test_every_row_that_changes_files_is_closed(signed_only, unsigned):
    before = signed_only.flash_operations
    rows = changing_rows()
    assert set(rows) > OPEN
    closed = [row for row in rows if row not in OPEN]
    assert len(closed) >= 5
    for method, path in closed:
        for target in (
            [path + "x.txt", path + "data/", path + "data/x.txt"] if path[-1] == "/" else [path]
        ):
            for body in (b"print('evil')", b"", unsigned):
                answer = ask(
                    signed_only, method, target, body,
                    x_destination="/fs/y.txt", x_ota_recursive="yes", x_ota_protected="yes",
                )  # fmt: skip
                if path == "/api/v1/update" and body is not unsigned:
                    assert 400 <= answer.status < 500, answer  # no archive at all
                    continue
                assert answer.status == 403, (method, target, answer)
                assert answer.json["error"] in ("signed_only", "unsigned")
    assert read(signed_only, "/data/x.txt") == b"old"
    signed_only.stop()
    tree = read_tree(signed_only.image)
    assert tree["/main.py"] == MAIN
    assert "/y.txt" not in tree
    assert "/x.txt" not in tree
    assert before > 0


def test_without_a_signed_update_no_file_of_one_is_taken(signed_only):
    answer = ask(signed_only, "PUT", "/api/v1/update/files/main.py", b"print('evil')")
    assert 400 <= answer.status < 500, answer
    assert read(signed_only, "/main.py") == MAIN


def test_a_board_without_a_key_takes_all_that(make_pico, unsigned):
    pico = make_pico()
    put(pico, "/x.txt", b"x")
    assert ask(pico, "DELETE", "/fs/x.txt").status == 204
    assert ask(pico, "PUT", "/api/v1/update", unsigned).status == 201


def test_reading_is_as_open_as_elsewhere(signed_only):
    for target in ("/", "/fs/", "/fs/main.py", "/api/v1/status", "/api/v1/log", "/api/v1/info"):
        assert ask(signed_only, "GET", target).status == 200
    refused(ask(signed_only, "GET", "/api/v1/update"), 404, "no_update")
