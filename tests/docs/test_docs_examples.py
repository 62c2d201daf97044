"""Each example runs on a simulated Pico and does what its comments say."""

import re
import shutil
import time
from importlib.metadata import distribution
from pathlib import Path

import httpx
import mip_board
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
        "plain_loop",
    }


def test_the_sample_listens_with_the_default_password(board, tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    shutil.copyfile(EXAMPLES / "ota_sample.py", app / "main.py")
    with client(board(app), "otapico") as http:
        status = http.get("/api/v1/status").json()
    assert (status["name"], status["default_password"]) == ("device-name", True)


def test_the_existing_application_works_and_decides_over_its_updates(
    board, folder, tmp_path, monkeypatch, no_settings_of_mine
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
        (app / "main.py").unlink()
        (app / "next.txt").write_text("next")
        build(app, release := tmp_path / "next.swu", "2.0.0", Options())
        staged = http.post("/api/v1/update", content=release.read_bytes())
        assert (staged.status_code, staged.json()["need"]) == (201, [])
        answer = http.post("/api/v1/update/commit", json={})
    assert (answer.status_code, answer.json()["error"]) == (503, "delayed_by_application")
    assert answer.headers["Retry-After"] == "30"


def test_a_program_without_asyncio_is_updated_and_keeps_running(
    board, folder, monkeypatch, no_settings_of_mine
):
    app = folder("plain_loop")
    main = app / "main.py"
    source = main.read_text().replace(
        '"choose-your-own"', '"choose-your-own", confirm_after_s=1, trial_deadline_s=4'
    )
    main.write_text(source)
    pico = board(app)
    pico.wait_console("thermometer at")
    monkeypatch.setenv("PICO_OTA_HOST", pico.url.removeprefix("http://"))
    monkeypatch.setenv("PICO_OTA_PASSWORD", PASSWORD)

    main.write_text(source.replace('"thermometer at', '"it is'))
    assert pico_ota(["push", "-q", str(app), "--version", "good"]) == 0
    pico.wait_console("it is")
    with client(pico) as http:
        status = http.get("/api/v1/status").json()
        assert (status["version"], status["last"]["outcome"]) == ("good", "confirmed")

    # What its comments say of a program that gives no turn.
    deaf = source.replace("ota.sleep(", "time.sleep(").replace("ota.poll(10)", "pass")
    main.write_text("import time\n" + deaf)
    assert pico_ota(["push", "-q", str(app), "--version", "deaf"]) == 5
    with client(pico) as http:
        status = wait_for(lambda: http.get("/api/v1/status").json())
    assert status["last"]["reason"] == (
        "the program ran, but never let the updater run: use asyncio, or call poll()"
    )


@pytest.fixture
def microdot_app(folder, monkeypatch):
    """The example with Microdot, on which Microdot was installed as its comment says."""
    app = folder("microdot_app")
    (package,) = re.findall(r"mpremote mip install (\S+)", (app / "main.py").read_text())
    files, asked = mip_board.install(monkeypatch, package)
    assert asked == [
        "https://raw.githubusercontent.com/miguelgrinberg/microdot/"
        f"v{distribution('microdot').version}/src/microdot/microdot.py"
    ]
    assert list(files) == ["/lib/microdot.py"]
    for path, content in files.items():
        (app / path[1:]).parent.mkdir(exist_ok=True)
        (app / path[1:]).write_bytes(content)
    return app


def test_microdot_does_not_come_with_the_updater(board_files):
    assert not [path for path in board_files if "microdot" in path]


def test_the_updater_inside_of_another_web_application(board, microdot_app):
    pico = board(microdot_app)
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


def test_the_updater_inside_of_another_application_asks_for_the_password(board, microdot_app):
    pico = board(microdot_app)
    with httpx.Client(base_url=pico.url) as http:
        page = http.get("/ota/")
        assert page.status_code == 401
        digest, basic = page.headers.get_list("WWW-Authenticate")
        assert digest.startswith('Digest realm="pico-ota", qop="auth,auth-int", algorithm=SHA-256')
        assert basic == 'Basic realm="pico-ota"'
        script = http.get("/ota/api/v1/status", headers={"X-Requested-With": "pico-ota"})
        assert script.headers.get_list("WWW-Authenticate")[1] == 'xBasic realm="pico-ota"'
        signed = http.get("/ota/fs/", auth=httpx.DigestAuth("admin", "choose-your-own"))
        assert signed.status_code == 200, signed.text
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

        def install():
            return http.put("/api/v1/update?commit=yes", content=release.read_bytes())

        build(app, release, "1.1.0", Options())
        unsigned = install()
        assert (unsigned.status_code, unsigned.json()["error"]) == (403, "unsigned")

        build(app, release, "0.9.0", Options(), sign_key=keys.private)
        old = install()
        assert (old.status_code, old.json()["error"]) == (409, "downgrade")

        build(app, release, "1.1.0", Options(), sign_key=keys.private)
        taken = install()
        assert (taken.status_code, taken.json()["signer"]) == (202, keys.key.id)
        before = taken.json()["boot_id"]
        wait_for(lambda: http.get("/api/v1/info").json()["boot_id"] != before)
        status = http.get("/api/v1/status").json()
    assert (status["state"], status["version"]) == ("trial", "1.1.0")
