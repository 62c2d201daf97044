"""Each example runs on a simulated Pico and does what its comments say."""

import shutil
import time
from pathlib import Path

import httpx
import pytest

from pico_ota.cli import main as pico_ota
from pico_ota.release import Options, build, keygen

EXAMPLES = Path(__file__).parents[2] / "examples"
PASSWORD = "choose-your-own"


def client(pico, password=PASSWORD, **options):
    return httpx.Client(
        base_url=pico.url,
        auth=("admin", password),
        headers={"X-Requested-With": "tests"},
        timeout=30,
        **options,
    )


def wait_for(ask, limit_s=30):
    """Return the first answer of *ask* that is not false; a restart may be under way."""
    end = time.monotonic() + limit_s
    while True:
        try:
            answer = ask()
        except httpx.TransportError:
            answer = None
        if answer:
            return answer
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


@pytest.fixture
def folder(tmp_path):
    """Copy an example, to be changed: folder("existing_app")."""

    def copy(name):
        return Path(shutil.copytree(EXAMPLES / name, tmp_path / name))

    return copy


def test_every_example_is_tried_here():
    assert {path.name for path in EXAMPLES.iterdir()} == {
        "ota_sample.py",
        "existing_app",
        "microdot_app",
        "fleet_key",
    }


def test_the_sample_listens_with_the_default_password(board, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    shutil.copyfile(EXAMPLES / "ota_sample.py", app / "main.py")
    with client(board(app), "otapico") as http:
        status = http.get("/api/v1/status").json()
    assert (status["name"], status["default_password"]) == ("device-name", True)


def test_the_existing_application_works_and_decides_over_its_updates(
    board, folder, monkeypatch, no_settings_of_mine
):
    app = folder("existing_app")
    main = app / "main.py"
    # The time is that of the version that takes the update in, not of the new one.
    source = main.read_text().replace(
        "auto_confirm=False,", "auto_confirm=False, trial_deadline_s=3,"
    )
    main.write_text(source)
    pico = board(app)
    pico.wait_console("27.0 degrees")
    assert "Traceback" not in pico.console()
    monkeypatch.setenv("PICO_OTA_HOST", pico.url.removeprefix("http://"))
    monkeypatch.setenv("PICO_OTA_PASSWORD", PASSWORD)

    # A sensor that does not work is enough to be undone, with Wi-Fi and page in best order.
    main.write_text(source.replace("return 27 -", "return 999 -"))
    assert pico_ota(["push", "-q", str(app), "--version", "bad"]) == 5
    with client(pico) as http:
        status = wait_for(lambda: http.get("/api/v1/status").json())
    assert status["last"]["reason"] == "not confirmed in time"

    # The good one is busy as well: it puts the commit of the next off.
    source = source.replace("watering = False", "watering = True")
    main.write_text(source.replace("return 27 -", "return 22.5 -"))
    assert pico_ota(["push", "-q", str(app), "--version", "good"]) == 0
    pico.wait_console("22.5 degrees")
    with client(pico) as http:
        status = http.get("/api/v1/status").json()
        assert (status["version"], status["last"]["outcome"]) == ("good", "confirmed")
        manifest = {"version": "next", "delete": ["/nothing"]}
        assert http.post("/api/v1/update", json=manifest).status_code == 201
        answer = http.post("/api/v1/update/commit", json={})
    assert (answer.status_code, answer.json()["error"]) == (503, "delayed_by_application")
    assert answer.headers["Retry-After"] == "30"


def test_the_updater_inside_of_another_web_application(board, folder):
    pico = board(folder("microdot_app"))
    with client(pico) as http:
        assert http.get("/").json() == {"on": False}
        assert http.post("/toggle").json() == {"on": True}
        page = http.get("/ota/")
        assert page.headers["Content-Type"].startswith("text/html")
        content = bytes(range(256)) * 400
        put = http.put("/ota/fs/data/blob.bin", content=content)
        assert put.status_code == 201
        assert http.get("/ota/fs/data/blob.bin").content == content
        assert http.get("/ota/api/v1/status").json()["name"] == "pico-lamp"


def test_the_updater_inside_of_another_application_asks_for_the_password(board, folder):
    pico = board(folder("microdot_app"))
    with httpx.Client(base_url=pico.url) as http:
        page = http.get("/ota/")
        assert page.status_code == 401
        assert page.headers["WWW-Authenticate"] == 'Basic realm="pico-ota"'
        script = http.get("/ota/api/v1/status", headers={"X-Requested-With": "page"})
        assert script.headers["WWW-Authenticate"] == 'xBasic realm="pico-ota"'
        # Open, as without a prefix.
        assert http.get("/ota/api/v1/info").json()["name"] == "pico-lamp"


def test_a_device_of_a_fleet_takes_signed_releases_only(board, folder, tmp_path):
    app = folder("fleet_key")
    keys = keygen(tmp_path / "keys", bits=2048)
    shutil.copyfile(keys.public, app / "public.json")
    pico = board(app)
    release = tmp_path / "app.swu"
    (app / "news.py").write_text("NEWS = 1\n")
    with client(pico) as http:
        refused = http.put("/fs/main.py", content=b"print('mine now')\n")
        assert (refused.status_code, refused.json()["error"]) == (403, "signed_only")

        build(app, release, "1.1.0", Options())
        unsigned = http.put("/api/v1/update/release", content=release.read_bytes())
        assert (unsigned.status_code, unsigned.json()["error"]) == (403, "unsigned")

        build(app, release, "0.9.0", Options(), sign_key=keys.private)
        old = http.put("/api/v1/update/release", content=release.read_bytes())
        assert (old.status_code, old.json()["error"]) == (409, "downgrade")

        build(app, release, "1.1.0", Options(), sign_key=keys.private)
        taken = http.put("/api/v1/update/release", content=release.read_bytes())
        assert (taken.status_code, taken.json()["signer"]) == (202, keys.key.id)
        before = taken.json()["boot_id"]
        wait_for(lambda: http.get("/api/v1/info").json()["boot_id"] != before)
        status = http.get("/api/v1/status").json()
    assert (status["state"], status["version"]) == ("trial", "1.1.0")
