"""The same archives over HTTP, sent to a simulated Pico that takes signed releases only."""

import hashlib
import socket
import time

import httpx
import pytest
from release_attacks import entries_of, span_of, table
from release_samples import APP, write_app

from pico_ota.release import Options, build
from pico_ota.sim import SimulatedPico

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
PLACE = "/api/v1/update/release"


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


def test_unsigned_ways_are_closed(http):
    for answer in (
        http.put("/fs/main.py", content=b"evil"),
        http.put("/fs/ota/keys.json", content=b"{}", headers={"X-OTA-Protected": "yes"}),
        http.delete("/fs/main.py"),
        http.post("/api/v1/update", json={"version": "9.0.0", "files": []}),
    ):
        assert answer.status_code == 403, answer.request.url


def test_an_interrupted_upload_goes_on(http, pico, releases):
    data = releases["2.0.0"]
    half = span_of(data, "0001-new.py")[1] + 1500
    address = pico.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), 10) as connection:
        request = http.build_request("PUT", PLACE, content=data, headers={"Authorization": ""})
        lines = [f"PUT {PLACE} HTTP/1.1", f"Host: {address[0]}:{address[1]}",
                 "Authorization: Basic YWRtaW46b3RhcGljbw==", "X-Requested-With: tests",
                 f"Content-Length: {request.headers['content-length']}", "", ""]  # fmt: skip
        connection.sendall("\r\n".join(lines).encode() + data[:half])
        wait_for(http, lambda upload: upload and upload["received"] >= half)
    wait_for(http, lambda upload: upload is None)
    told = http.get(PLACE).json()
    assert told["received"] == half
    assert told["version"] == "2.0.0"
    assert told["sha256"] == hashlib.sha256(entries_of(data)[0][1]).hexdigest()
    wrong = http.put(PLACE, content=data[5:], headers=part(5, len(data)))
    assert (wrong.status_code, wrong.json()["received"]) == (409, half)
    # In two more pieces; the last one installs it.
    more = half + 700
    headers = part(half, more, len(data))
    answer = http.put(PLACE, content=data[half:more], headers=headers)
    assert (answer.status_code, answer.json()["received"]) == (202, more)
    answer = http.put(
        PLACE, content=data[more:], headers=part(more, len(data)), params={"restart": "no"}
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "committed"
    assert http.get("/api/v1/status").json()["state"] == "committed"


def wait_for(http, wanted):
    until = time.monotonic() + 20
    while not wanted(http.get("/api/v1/status").json()["upload"]):
        assert time.monotonic() < until
        time.sleep(0.02)


def part(first, end, total=None):
    return {"Content-Range": f"bytes {first}-{end - 1}/{total or end}"}
