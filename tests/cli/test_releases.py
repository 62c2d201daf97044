"""`keygen`, `build`, `inspect`, `verify`, and `push` of what they make."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from proxy import Proxy

from pico_ota import release
from pico_ota.sim import SimulatedPico

MAIN = (
    "import asyncio\n"
    "from manager_wifi import WiFiManager\n"
    "from service_ota import OTAUpdateService\n"
    "async def main():\n"
    "    wifi = WiFiManager('test-net', 'test-password', 'pico-test')\n"
    "    ota = OTAUpdateService(wifi, public_key='/public.json',\n"
    "                           trial_deadline_s=6, confirm_after_s=1)\n"
    "    await ota.start()\n"
    "    while True:\n"
    "        await asyncio.sleep(1)\n"
    "asyncio.run(main())\n"
)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    release.keygen(folder, bits=2048)
    return folder


@pytest.fixture
def app(here, keys):
    folder = here / "app"
    (folder / "lib").mkdir(parents=True)
    (folder / "main.py").write_text(MAIN)
    (folder / "public.json").write_bytes((keys / "public.json").read_bytes())
    (folder / "lib/a.py").write_text("A = 1\n")
    return folder


@pytest.fixture
def signed_device(app, board_files, tmp_path, monkeypatch):
    """A simulated Pico that takes signed releases only."""
    image = tmp_path / "signed.img"
    with SimulatedPico(image, app=app, device_files=board_files) as pico:
        pico.start()
        pico.wait_listening(20)
        monkeypatch.setenv("PICO_OTA_HOST", pico.url.removeprefix("http://"))
        monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
        yield pico


def build(cli, app, keys, version, *options):
    output = app.parent / f"app-{version}.swu"
    sign = ["--sign", keys / "private.pem"] if keys else []
    result = cli("build", app, "-o", output, "--version", version, *sign, *options)
    assert result.status == 0
    return output


def test_keys_are_made_once_and_private(cli, here):
    result = cli("keygen", "keys", "--bits", "2048", "--json")
    assert result.status == 0
    made = json.loads(result.out)
    assert made["bits"] == 2048
    assert sorted(path.name for path in (here / "keys").iterdir()) == [
        "cert.pem",
        "private.pem",
        "public.json",
    ]
    assert (here / "keys/private.pem").stat().st_mode & 0o077 == 0
    again = cli("keygen", "keys")
    assert (again.status, again.out) == (1, "")
    assert "there already" in again.err
    assert cli("keygen", "other", "--bits", "1024").status == 1


def test_a_release_is_built_shown_and_verified(cli, app, keys):
    path = build(cli, app, keys, "1.4.0", "--delete", ":old.py", "--mpy")
    shown = cli("inspect", path).out
    assert "version     1.4.0\n" in shown
    assert "RPI_PICO_W 1.0" in shown
    assert "  /lib/a.mpy\n" in shown
    assert "deletes  /old.py\n" in shown
    answer = json.loads(cli("inspect", path, "--json").out)
    assert answer["signed"] is True
    assert answer["delete"] == ["/old.py"]
    for key in ("cert.pem", "public.json", "private.pem"):
        good = cli("verify", path, "--key", keys / key)
        assert (good.status, good.err) == (0, "")
    assert json.loads(cli("verify", path, "-k", keys / "cert.pem", "--json").out)["ok"] is True


def test_the_same_input_gives_the_same_bytes(cli, app, keys):
    path = build(cli, app, keys, "1.4.0")
    first = path.read_bytes()
    assert build(cli, app, keys, "1.4.0").read_bytes() == first


def test_what_is_off_is_refused_with_its_reason(cli, app, keys, here, tmp_path):
    path = build(cli, app, keys, "1.4.0", "--board", "RPI_PICO_W")
    cli("keygen", tmp_path / "other", "--bits", "2048")
    for arguments, reason in (
        (["--key", tmp_path / "other/cert.pem"], "not made by any accepted key"),
        (["--key", keys / "cert.pem", "--board", "RPI_PICO2_W"], "RPI_PICO2_W"),
        (["--key", keys / "cert.pem", "--floor", "1.4.1"], "1.4.1"),
    ):
        refused = cli("verify", path, *arguments)
        assert (refused.status, refused.out) == (1, "")
        assert reason in refused.err
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    (here / "bad.swu").write_bytes(data)
    assert cli("verify", "bad.swu", "--key", keys / "cert.pem").status == 1
    assert cli("inspect", "bad.swu").status == 1
    assert json.loads(cli("inspect", "missing.swu", "--json").out)["exit_status"] == 1


def test_wrong_use_of_the_release_verbs(cli, app, keys):
    path = build(cli, app, keys, "1.4.0")
    for arguments, reason in (
        (["build"], "expected a folder to build from"),
        (["build", "missing", "--version", "1.0.0"], "expected a folder"),
        (["build", app], "which version is it?"),
        (["verify", path], "against which key?"),
    ):
        refused = cli(*arguments)
        assert refused.status == 2
        assert reason in refused.err
    assert cli("build", app, "--version", "one").status == 1


def test_an_unsigned_release_is_called_out(cli, app):
    result = cli("build", app, "-o", "x.swu", "--version", "1.0.0")
    assert result.status == 0
    assert "NOT signed" in result.out
    assert "not signed" in result.err


def test_the_project_file_has_source_version_and_key(cli, app, here, keys):
    shutil.copytree(keys, here / "keys")
    (here / "pico-ota.toml").write_text(
        'source = "app"\nversion = "2.0.0"\nkey = "keys/private.pem"\n'
    )
    made = json.loads(cli("build", "--json").out)
    assert made["path"] == "app-2.0.0.swu"
    assert made["signed"] is True
    assert cli("verify", "app-2.0.0.swu").status == 0


def test_a_signed_release_is_pushed_and_kept_and_an_older_one_refused(
    signed_device, cli, app, keys
):
    (app / "lib/a.py").write_text("A = 2\n")
    result = cli("push", build(cli, app, keys, "1.1.0"))
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines()[0].startswith("Release 1.1.0 for RPI_PICO2_W, RPI_PICO_W: ")
    assert result.out.splitlines()[-1] == "Confirmed: pico-test runs 1.1.0."
    assert cli("cat", ":lib/a.py").out == "A = 2\n"
    older = cli("push", build(cli, app, keys, "1.0.0"), "--json")
    assert older.status == 1
    assert "1.0.0" in older.err
    assert json.loads(cli("status", "--json").out)["state"] == "idle"


def test_what_is_not_signed_is_refused_by_the_device(signed_device, cli, app):
    for arguments in (
        ["push", build(cli, app, None, "1.1.0")],
        ["push", app],
        ["push", app, "--delete"],
        ["cp", app / "main.py", ":x.py"],
        ["rm", ":main.py"],
        ["mv", ":main.py", ":x.py"],
        ["mkdir", ":folder"],
    ):
        refused = cli(*arguments)
        assert refused.status == 1, arguments
        assert "'pico-ota build --sign KEY' makes a release" in refused.err
    assert json.loads(cli("status", "--json").out)["state"] == "idle"


def test_a_release_travels_as_what_changed(signed_device, cli, app, keys, monkeypatch):
    for number in range(20):
        (app / f"lib/part{number:02}.bin").write_bytes(os.urandom(8_000))
    assert cli("push", build(cli, app, keys, "1.1.0")).status == 0
    (app / "lib/part07.bin").write_bytes(os.urandom(2_000))
    path = build(cli, app, keys, "1.2.0", "--delete", ":lib/part19.bin", "--ignore", "part19.bin")
    plan = json.loads(cli("push", path, "--dry-run", "--json").out)
    assert (plan["changed"], plan["new"]) == (["/lib/part07.bin"], [])
    assert (plan["delete"], plan["bytes"]) == (["/lib/part19.bin"], 2_000)
    wire = Proxy(int(signed_device.url.rpartition(":")[2]))
    monkeypatch.setenv("PICO_OTA_HOST", f"127.0.0.1:{wire.port}")
    shown = cli("push", path, "--no-wait", "--json")
    wire.close()
    done = json.loads(shown.out)
    assert (shown.status, shown.err) == (0, "")
    assert (done["state"], done["bytes_sent"]) == ("committed", 2_000)
    assert done["signer"] == json.loads((keys / "public.json").read_text())["id"]
    # The description of 22 files with its signature, and the one that changed.
    assert path.stat().st_size > 150_000
    assert wire.sent < 12_000


def test_a_dry_run_of_a_release_changes_nothing(own_device, cli, app, keys):
    path = build(cli, app, keys, "1.1.0")
    before = own_device.flash_operations
    shown = cli("push", path, "--dry-run")
    assert (shown.status, shown.err) == (0, "")
    assert "+ /lib/a.py  6" in shown.out.splitlines()
    assert shown.out.endswith("Dry run: nothing was changed.\n")
    assert own_device.flash_operations == before


def test_a_damaged_release_is_not_even_sent(device, cli, app, keys, here):
    path = build(cli, app, keys, "1.1.0")
    (here / "cut.swu").write_bytes(path.read_bytes()[:-600])
    before = device.flash_operations
    refused = cli("push", "cut.swu")
    assert refused.status == 1
    assert device.flash_operations == before


def test_a_release_without_restart_waits_for_one(own_device, cli, app, keys):
    assert cli("push", build(cli, app, keys, "1.1.0"), "--no-restart").status == 0
    assert json.loads(cli("status", "--json").out)["state"] == "committed"


def test_a_release_goes_on_over_broken_connections(own_device, cli, app, keys, monkeypatch):
    for number in range(8):
        (app / f"lib/part{number}.bin").write_bytes(os.urandom(30_000))
    path = build(cli, app, keys, "1.1.0", "--no-trial")
    wire = Proxy(int(own_device.url.rpartition(":")[2]))
    monkeypatch.setenv("PICO_OTA_HOST", f"127.0.0.1:{wire.port}")
    wire.cut_at = [100_000, 200_000]
    result = cli("push", path, "-v")
    wire.close()
    assert result.status == 0
    assert wire.cut_at == []
    assert wire.sent < 240_000 + 2 * 60_000 + 20_000  # never from the beginning
    assert json.loads(cli("status", "--json", "-H", own_device.url).out)["version"] == "1.1.0"


def test_ctrl_c_in_the_middle_of_a_release(make_pico, cli, app, keys, monkeypatch):
    pico = make_pico(flash_timing=True)
    monkeypatch.setenv("PICO_OTA_HOST", pico.url.removeprefix("http://"))
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
    (app / "zzz.bin").write_bytes(os.urandom(250_000))
    path = build(cli, app, keys, "1.1.0")
    before = json.loads(cli("tree", "--json").out)
    process = subprocess.Popen(
        [sys.executable, "-m", "pico_ota.cli", "push", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    while not (json.loads(cli("status", "--json").out).get("upload") or {}).get("received"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (
        130,
        "pico-ota: interrupted: the device runs as before.\n",
    )
    assert json.loads(cli("status", "--json").out)["state"] == "idle"
    assert json.loads(cli("tree", "--json").out) == before
