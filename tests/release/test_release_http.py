"""The same archives over HTTP, sent to a simulated Pico that takes signed releases only."""

import hashlib
import socket
import time

import httpx
import pytest
from release_attacks import DESCRIPTION, entries_of, span_of, table
from release_samples import APP, write_app

from pico_ota.release import Options, archive, build
from pico_ota.release.builder import describe
from pico_ota.sim import SimulatedPico
from pico_ota.sync import scan

AUTH = ("admin", "otapico")
MAIN = b"""import asyncio
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService
async def main():
    wifi = WiFiManager("test-net", "test-password", "pico-test")
    await OTAUpdateService(wifi, public_key="/public.json").start()
    while True:
        await asyncio.sleep(1)
asyncio.run(main())
"""
PLACE = "/api/v1/update"
PAGE = "/www/page one.html"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_app(tmp_path_factory.mktemp("app"), {**APP, "main.py": MAIN})


@pytest.fixture(scope="module")
def pico(keys, board_files, tmp_path_factory):
    public = keys[0].public.read_bytes()
    live = write_app(tmp_path_factory.mktemp("live"), {"main.py": MAIN, "public.json": public})
    image = tmp_path_factory.mktemp("image") / "flash.img"
    with SimulatedPico(image, app=live, device_files=board_files) as pico:
        pico.start()
        pico.wait_listening(30)
        yield pico


@pytest.fixture
def http(pico):
    headers = {"X-Requested-With": "tests"}
    with httpx.Client(base_url=pico.url, auth=AUTH, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def releases(folder, keys, tmp_path_factory):
    """Signed archives of the application, by version."""
    top = tmp_path_factory.mktemp("releases")
    made = {}
    for version in ("2.0.0", "3.0.0"):
        out = top / f"{version}.swu"
        options = Options(delete=["/lib/gone.py"])
        build(folder, out, version, options, sign_key=keys[0].private)
        made[version] = out.read_bytes()
    return made


def live(http):
    """Return what is live, as far as a release could have changed it."""
    found = {}
    for entry in http.get("/fs/").json()["files"]:
        found[entry["name"]] = entry["file_size"]
    found["main"] = hashlib.sha256(http.get("/fs/main.py").content).hexdigest()
    status = http.get("/api/v1/status").json()
    return found, status["state"], status["version"]


def test_attacks_are_answered_with_their_reason(http, releases, keys):
    attacks = table(releases["2.0.0"], keys[0].private, keys[1].private, releases["3.0.0"])
    # One of each kind over the wire; all of them go through the same reader elsewhere.
    chosen = {}
    for name, attack in attacks.items():
        if not attack.device and attack.word not in chosen.values():
            chosen[name] = attack.word
    before = live(http)
    for name, word in chosen.items():
        answer = http.put(PLACE, content=attacks[name].data)
        assert 400 <= answer.status_code < 500, name
        assert answer.json()["error"] == word, name
        assert live(http) == before, name
        assert http.get(PLACE).status_code == 404
    assert len(chosen) > 12


def test_unsigned_ways_are_closed(http, folder):
    unsigned = archive.pack([(DESCRIPTION, describe(scan([folder]), "9.0.0").render())])
    for answer in (
        http.put("/fs/main.py", content=b"evil"),
        http.put("/fs/ota/keys.json", content=b"{}", headers={"X-OTA-Protected": "yes"}),
        http.put("/fs/folder/"),
        http.delete("/fs/main.py"),
        http.request("MOVE", "/fs/main.py", headers={"X-Destination": "/fs/x.py"}),
        http.post(PLACE, content=unsigned),
        http.put(PLACE, content=unsigned, params={"commit": "yes"}),
    ):
        assert answer.status_code == 403, answer.request.url


def test_the_former_ways_in_are_gone(http, releases):
    before = live(http)
    answer = http.put(PLACE + "/release", content=releases["2.0.0"])
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert http.get(PLACE + "/release").status_code == 404
    manifest = {"version": "9.0.0", "files": [{"path": "/x", "size": 1, "sha256": "0" * 64}]}
    answer = http.post(PLACE, json=manifest)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_archive")
    assert live(http) == before


def test_an_interrupted_upload_goes_on(http, pico, releases):
    data = releases["2.0.0"]
    head = len(archive.pack_head(entries_of(data)[:2]))
    half = span_of(data, "0001-new.py")[1] + 5000
    address = pico.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), 10) as connection:
        request = http.build_request("PUT", PLACE, content=data, headers={"Authorization": ""})
        lines = [f"PUT {PLACE} HTTP/1.1", f"Host: {address[0]}:{address[1]}",
                 "Authorization: Basic YWRtaW46b3RhcGljbw==", "X-Requested-With: tests",
                 f"Content-Length: {request.headers['content-length']}", "", ""]  # fmt: skip
        connection.sendall("\r\n".join(lines).encode() + data[:half])
        wait_for(http, lambda upload: upload and upload["received"])
    wait_for(http, lambda upload: upload is None)
    told = http.get(PLACE).json()
    assert told["id"] == hashlib.sha256(entries_of(data)[0][1]).hexdigest()
    assert (told["version"], told["state"]) == ("2.0.0", "staging")
    part = told["files"][0]["received"]
    assert (told["files"][0]["path"], told["files"][0]["needed"]) == ("/lib/new.py", True)
    assert 0 < part <= 5000
    # Another release has to wait; the head of this one, by another verb, goes on with it.
    other = http.put(PLACE, content=releases["3.0.0"])
    assert (other.status_code, other.json()["error"]) == (409, "busy")
    again = http.post(PLACE, content=data[:head])
    assert (again.status_code, again.json()["id"]) == (201, told["id"])
    assert again.json()["need"] == ["/lib/new.py", "/lib/same.py", "/www/empty.txt", PAGE]
    # The rest of the one file, by itself.
    content, place = APP["lib/new.py"], PLACE + "/files/lib/new.py"
    headers = {"X-OTA-Session": told["id"]}
    spread = {"Content-Range": f"bytes 5-{len(content) - 1}/{len(content)}"}
    wrong = http.put(place, content=content[5:], headers=headers | spread)
    assert (wrong.status_code, wrong.json()["error"]) == (409, "wrong_offset")
    assert wrong.json()["received"] == part
    spread = {"Content-Range": f"bytes {part}-{len(content) - 1}/{len(content)}"}
    answer = http.put(place, content=content[part:], headers=headers | spread)
    assert answer.status_code == 201, answer.text
    early = http.post(PLACE + "/commit", headers=headers)
    assert (early.status_code, early.json()["error"]) == (409, "missing")
    assert early.json()["need"] == ["/lib/same.py", "/www/empty.txt", PAGE]
    # The whole archive once more brings what is left, and installs it.
    answer = http.put(PLACE, content=data, params={"commit": "yes", "restart": "no"})
    assert answer.status_code == 202, answer.text
    assert (answer.json()["state"], answer.json()["version"]) == ("committed", "2.0.0")
    assert http.get("/api/v1/status").json()["state"] == "committed"


def wait_for(http, wanted):
    until = time.monotonic() + 20
    while not wanted(http.get("/api/v1/status").json()["upload"]):
        assert time.monotonic() < until
        time.sleep(0.02)
