"""`push` against a simulated Pico: what it does, what it promises, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from proxy import Proxy

from pico_ota.cli import main
from pico_ota.release import archive
from pico_ota.release.builder import describe
from pico_ota.sim import SimulatedPico
from pico_ota.sync import scan

APP = (
    "import asyncio\n"
    "from manager_wifi import WiFiManager\n"
    "from service_ota import OTAUpdateService\n"
    "{line}\n"
    "async def main():\n"
    "    wifi = WiFiManager('test-net', 'test-password', 'pico-test')\n"
    "    await OTAUpdateService(wifi, trial_deadline_s=6, confirm_after_s=1).start()\n"
    "    while True:\n"
    "        await asyncio.sleep(1)\n"
    "asyncio.run(main())\n"
)


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def app(here):
    return write(here / "app", main_py=APP.format(line="import lib.a"), lib__a_py="A = 1\n")


@pytest.fixture
def wire(own_device, monkeypatch):
    proxy = Proxy(int(own_device.url.rpartition(":")[2]))
    monkeypatch.setenv("PICO_OTA_HOST", f"127.0.0.1:{proxy.port}")
    yield proxy
    proxy.close()


def status(cli):
    return json.loads(cli("status", "--json").out)


def start(*arguments, **options):
    command = [sys.executable, "-m", "pico_ota.cli", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_the_whole_story(trial_device, cli, app):
    result = cli("push", app)
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "+ /lib/a.py  6"
    assert lines[1].startswith("~ /main.py  ")
    assert lines[2].startswith("1 changed, 1 new, 0 unchanged, 0 to delete: ")
    assert lines[3] == "sent /lib/a.py (6 bytes)"
    assert "the device has checked each" in lines[5]
    assert lines[6].startswith("Committed files-")
    assert "On trial" in result.out
    assert lines[-1].startswith("Confirmed: pico-test runs files-")
    assert cli("cat", ":lib/a.py").out == "A = 1\n"
    assert "\x1b" not in result.out  # no terminal, no bars and no colours

    # Again: there is nothing to do, and the version that can be rolled back to is not given up.
    previous = status(cli)["previous"]
    again = cli("push", app, "--json")
    assert json.loads(again.out)["outcome"] == "up to date"
    assert status(cli)["previous"] == previous is not None

    (app / "lib/a.py").write_text("A = 2\n")
    third = json.loads(cli("push", app, "--version", "2.0.0", "--json").out)
    assert third["changed"] == ["/lib/a.py"]
    assert third["unchanged"] == ["/main.py"]
    assert (third["version"], third["outcome"]) == ("2.0.0", "confirmed")
    assert third["bytes_sent"] == 6

    # The same when the version had a name, which a push without one does not know.
    previous = status(cli)["previous"]
    fourth = json.loads(cli("push", app, "--json").out)
    assert (fourth["outcome"], fourth["version"]) == ("up to date", "2.0.0")
    assert fourth["unchanged"] == ["/lib/a.py", "/main.py"]
    assert status(cli)["previous"] == previous is not None

    back = cli("rollback")
    assert (back.status, back.err) == (0, "")
    assert cli("cat", ":lib/a.py").out == "A = 1\n"
    assert status(cli)["version"] == json.loads(again.out)["version"]


def test_what_does_not_prove_healthy_is_undone_and_told_with_its_reason(trial_device, cli, app):
    before = cli("cat", ":main.py").out
    write(app, main_py=APP.format(line="raise ValueError('no sensor')"))
    result = cli("push", app, "--version", "9.9", "--json")
    assert result.status == 5
    assert result.err.startswith("pico-ota: 9.9 was tried and taken back: ")
    assert "ended in an exception: ValueError: no sensor. What ran before" in result.err
    answer = json.loads(result.out)
    assert answer["exit_status"] == 5
    assert (answer["error"], answer["outcome"]) == ("reverted", "reverted")
    assert cli("cat", ":main.py").out == before
    assert cli("ls", ":lib/a.py").status == 1


def test_a_dry_run_changes_nothing(own_device, cli, app):
    write(app, boot_py="import ota_boot\nota_boot.run()\n")
    before = own_device.flash_operations
    result = cli("push", app, "--dry-run", "--delete", "--json")
    plan = json.loads(result.out)
    assert result.status == 0
    assert plan["new"] == ["/lib/a.py"]
    assert plan["changed"] == ["/boot.py", "/main.py"]
    assert plan["dry_run"] is True
    text = cli("push", app, "-n").out
    assert text.endswith("Dry run: nothing was changed.\n")
    assert own_device.flash_operations == before
    assert status(cli)["state"] == "idle"


@pytest.mark.parametrize("path", ["ota.py", "lib/ota.py", "ota/hello.py", "ota/__init__.py"])
@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--mpy",)])
def test_what_the_updater_hides_is_said_before_anything_is_sent(
    own_device, cli, app, path, options
):
    (app / path).parent.mkdir(exist_ok=True)
    (app / path).write_text("X = 1\n")
    before = own_device.flash_operations
    result = cli("push", app, *options)
    assert result.status == 1
    assert path.rpartition(".")[0] in result.err
    assert "another name" in result.err
    assert own_device.flash_operations == before


def test_delete_takes_what_is_not_here_but_nothing_protected(own_device, cli, app, here):
    for name in ("old.py", "data/calibration", "data/deep/x", "lib/old.py", "settings.py"):
        write(here, **{"any_py": "x\n"})
        cli("cp", "any.py", f":{name}")
    (here / "pico-ota.toml").write_text('protected = ["/data/"]\n')
    plan = json.loads(cli("push", app, "--delete", "--dry-run", "--json").out)
    assert plan["delete"] == ["/lib/old.py", "/old.py"]
    inside = json.loads(
        cli("push", app / "lib", "--to", "/lib", "--delete", "--dry-run", "--json").out
    )
    assert inside["delete"] == ["/lib/old.py"]
    without = json.loads(cli("push", app, "--dry-run", "--json").out)
    assert without["delete"] == []
    done = cli("push", app, "--delete", "--no-trial")
    assert done.status == 0
    assert "- /old.py" in done.out.splitlines()
    assert done.out.splitlines()[-1].startswith("Installed: pico-test runs files-")
    left = {entry["path"] for entry in json.loads(cli("tree", "--json").out)}
    assert not {"/old.py", "/lib/old.py"} & left
    assert {"/data/calibration", "/data/deep/x", "/settings.py", "/ota_boot.mpy"} <= left


def test_what_is_kept_comes_once(own_device, cli, app, here):
    (here / "pico-ota.toml").write_text('keep = ["config.json", "conf/"]\nmpy = true\n')
    write(app, conf__a_py="A = 'default'\n")
    (app / "config.json").write_text('{"default": true}')
    assert cli("push", app, "--no-trial").status == 0
    assert cli("cat", ":config.json").out == '{"default": true}'
    assert cli("cat", ":conf/a.py").out == "A = 'default'\n"  # to be changed, so not compiled
    (here / "config.json").write_text('{"mine": true}')
    assert cli("cp", "config.json", ":").status == 0
    (app / "config.json").write_text('{"default": "another"}')
    again = cli("push", app, "--no-trial")
    assert "Up to date" in again.out
    plan = json.loads(cli("push", app, "--dry-run", "--json").out)
    assert (plan["new"], plan["changed"]) == ([], [])
    write(app, lib__a_py="A = 2\n")
    assert cli("push", app, "--no-trial").status == 0
    assert cli("cat", ":config.json").out == '{"mine": true}'
    # Also when it is here no more.
    (app / "config.json").unlink()
    assert json.loads(cli("push", app, "--delete", "--dry-run", "--json").out)["delete"] == []
    assert cli("rm", ":config.json").status == 0
    (app / "config.json").write_text('{"default": "another"}')
    assert cli("push", app, "--no-trial").status == 0
    assert cli("cat", ":config.json").out == '{"default": "another"}'


def test_delete_needs_folders(own_device, cli, app):
    refused = cli("push", app / "main.py", "--delete")
    assert refused.status == 2
    assert "name folders only" in refused.err


def test_no_restart_leaves_it_to_the_next_one(own_device, cli, app):
    boot_id = status(cli)["boot_id"]
    result = cli("push", app, "--no-restart", "--version", "1.1.0")
    assert result.status == 0
    assert "goes live with the next restart" in result.out
    now = status(cli)
    assert (now["state"], now["boot_id"]) == ("committed", boot_id)
    assert cli("ls", ":lib/a.py").status == 1
    assert cli("reboot").status == 0
    assert cli("cat", ":lib/a.py").out == "A = 1\n"
    assert status(cli)["version"] == "1.1.0"


def test_no_wait_ends_with_the_commit(own_device, cli, app):
    began = time.monotonic()
    answer = json.loads(cli("push", app, "--no-wait", "--json").out)
    assert answer["state"] == "committed"
    assert time.monotonic() - began < 3


def test_modules_are_compiled_and_retire_their_source(own_device, cli, app):
    cli("cp", "-r", app / "lib", ":")
    result = cli("push", app, "--mpy", "--no-trial")
    assert result.status == 0
    left = {entry["path"] for entry in json.loads(cli("tree", "--json").out)}
    assert {"/lib/a.mpy", "/main.py"} <= left
    assert "/lib/a.py" not in left


def test_the_project_file_says_what_and_how(own_device, cli, app, here):
    (here / "pico-ota.toml").write_text(
        'source = "app"\nversion = "3.1.4"\nignore = ["*.txt"]\nmpy = true\ntarget = "/pkg"\n'
    )
    write(app, notes_txt="not for the board\n")
    answer = json.loads(cli("push", "--dry-run", "--json").out)
    assert answer["version"] == "3.1.4"
    assert answer["new"] == ["/pkg/lib/a.mpy", "/pkg/main.mpy"]
    nearer = json.loads(cli("push", "-n", "--no-mpy", "--to", "/", "--json").out)
    assert nearer["new"] == ["/lib/a.py"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "what is to be sent?"),
        (["missing"], "'missing' is no file and no folder here"),
        (["empty"], "there is nothing to send in 'empty'"),
        (["app", "a.swu"], "a release (.swu) is sent alone"),
        (["a.swu", "--delete"], "are decided when a release is built"),
        (["a.swu", "--to", "/lib"], "are decided when a release is built"),
        (["a.swu", "--no-trial"], "is decided when it is built"),
        (["app", "--to", "../x"], "'.', '..'"),
        (["huge"], "do not fit on a device"),
    ],
)
def test_wrong_use_changes_nothing(device, cli, app, here, arguments, reason):
    (here / "empty").mkdir()
    (here / "huge").mkdir()
    (here / "huge/x").write_bytes(bytes(1_000_000))
    before = device.flash_operations
    result = cli("push", *arguments)
    assert (result.status, result.out) == (2, "")
    assert reason in result.err
    assert device.flash_operations == before


def test_what_the_device_refuses_leaves_no_session_behind(device, cli, app, here):
    (here / "bad.toml").touch()
    write(app, boot_py="print('no guard')\n")
    result = cli("push", app, "--version", "1.0")
    assert result.status == 1
    assert "boot.py" in result.err
    assert status(cli)["state"] == "idle"
    refused = cli("push", app, "--version", "two words")
    assert refused.status == 1
    assert status(cli)["state"] == "idle"


def test_a_wrong_password_ends_with_4_and_nothing_begun(own_device, cli, app, monkeypatch):
    monkeypatch.setenv("PICO_OTA_PASSWORD", "wrong")
    result = cli("push", app, "--json")
    assert result.status == 4
    assert json.loads(result.out)["error"] == "credentials"
    assert "wrong" not in result.err
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
    assert status(cli)["state"] == "idle"


def test_nobody_there_ends_with_3(cli, app, monkeypatch):
    monkeypatch.setenv("PICO_OTA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("PICO_OTA_PASSWORD", "x")
    result = cli("push", app)
    assert result.status == 3
    assert "does not answer (connection refused)" in result.err


def test_one_changed_file_of_fifty_costs_little(board_files, cli, here, monkeypatch):
    app = write(here / "app", main_py=APP.format(line=""))
    for number in range(50):
        path = app / f"package{number // 10}" / f"module_{number:02}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"# %02d\n" % number + bytes(7995 if number != 7 else 2043))
    with SimulatedPico(here / "flash.img", "pico2_w", app, device_files=board_files) as pico:
        pico.start()
        wire = Proxy(int(pico.wait_listening(20).rpartition(":")[2]))
        monkeypatch.setenv("PICO_OTA_HOST", f"127.0.0.1:{wire.port}")
        monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
        (app / "package0/module_07.py").write_bytes(b"# 7 changed\n" + bytes(2036))
        began = time.monotonic()
        answer = json.loads(cli("push", app, "--no-wait", "--json").out)
        seconds = time.monotonic() - began
        wire.close()
    assert answer["changed"] == ["/package0/module_07.py"]
    assert len(answer["unchanged"]) == 50
    # 51 lines of the description, some 10 000 bytes, and the 2 048 of the file; what proves the
    # password takes some 330 bytes a request.
    assert wire.sent <= 14_500, wire.sent
    assert wire.connections == 1
    assert seconds < 5  # 1.5 s is the figure; others share this machine


def test_a_push_goes_on_over_broken_connections(wire, cli, here):
    app = here / "app"
    app.mkdir()
    data = os.urandom(300_000)
    (app / "big.bin").write_bytes(data)
    wire.cut_at = [500, 100_000, 230_000]
    result = cli("push", app, "--no-trial", "-v")
    assert result.status == 0
    assert result.err.count("again in") >= 3
    assert wire.cut_at == []
    assert wire.sent < 300_000 + 3 * 70_000 + 10_000  # a break costs a piece, not the file
    command = [sys.executable, "-m", "pico_ota.cli", "cat", ":big.bin"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == data


def test_a_push_goes_on_over_a_power_cut(own_device, cli, here):
    app = here / "app"
    app.mkdir()
    (app / "big.bin").write_bytes(os.urandom(200_000))
    (app / "other.bin").write_bytes(os.urandom(100_000))
    done = []
    pushing = threading.Thread(
        target=lambda: done.append(main(["push", str(app), "--no-trial", "--version", "5"]))
    )
    before = own_device.flash_operations
    pushing.start()
    while own_device.flash_operations < before + 400:
        assert pushing.is_alive()
        time.sleep(0.005)
    own_device.power_cut()
    own_device.start()
    own_device.wait_listening(20)
    pushing.join(60)
    assert done == [0]
    now = status(cli)
    assert (now["version"], now["state"]) == ("5", "idle")


def test_what_has_arrived_before_a_push_failed_is_not_sent_again(wire, cli, here):
    app = here / "app"
    app.mkdir()
    (app / "a.bin").write_bytes(os.urandom(150_000))
    (app / "b.bin").write_bytes(os.urandom(150_000))
    wire.cut_at = list(range(220_000, 230_000, 1))  # from here on nothing gets through
    failed = cli("push", app, "--version", "6", "--retries", "1")
    assert failed.status == 3
    assert "goes on where it was" in failed.err
    wire.cut_at = []
    wire.sent = 0
    assert cli("push", app, "--version", "6", "--no-trial").status == 1  # another manifest: busy
    again = cli("push", app, "--version", "6", "--no-wait")
    assert again.status == 0
    assert wire.sent < 160_000


@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_before_the_commit_leaves_the_device_as_it_was(
    make_pico, cli, here, monkeypatch, signals
):
    pico = make_pico(flash_timing=True)
    monkeypatch.setenv("PICO_OTA_HOST", pico.url.removeprefix("http://"))
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
    app = here / "app"
    app.mkdir()
    (app / "small.py").write_text("x = 1\n")
    (app / "zzz.bin").write_bytes(os.urandom(300_000))
    before = json.loads(cli("tree", "--json").out)
    process = start("push", app)
    for line in process.stdout:
        if line.startswith("sent /small.py"):
            break
    time.sleep(0.5)  # in the middle of the large one
    process.send_signal(signal.SIGINT)
    if signals == 2:  # impatient
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.count("\n") == 1
    assert err.startswith("pico-ota: interrupted: ")
    assert "Traceback" not in err
    if signals == 1:
        assert err == "pico-ota: interrupted: the device runs as before.\n"
        assert status(cli)["state"] == "idle"
    assert json.loads(cli("tree", "--json").out) == before
    assert cli("push", app, "--dry-run").status == 0


def test_ctrl_c_after_the_commit_says_that_it_goes_on(own_device, app):
    process = start("push", app)
    for line in process.stdout:
        if line.startswith("Committed"):
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the update is committed, and the device goes on by itself" in err


def test_another_update_in_the_way_is_not_dropped(device, cli, app, here, http_of):
    with http_of(device) as http:
        (here / "x").write_text("x")
        head = archive.pack([("sw-description", describe(scan([here / "x"]), "7").render())])
        session = http.post("/api/v1/update", content=head).json()["id"]
        result = cli("push", app)
        assert result.status == 1
        assert "to 7" in result.err
        assert http.get("/api/v1/update").json()["id"] == session
        dropped = cli("abort", "--json")
        assert (dropped.status, json.loads(dropped.out)) == (0, {"state": "idle"})
        assert http.get("/api/v1/update").status_code == 404
        again = cli("abort", "--json")
        assert (again.status, json.loads(again.out)["error"]) == (1, "wrong_state")


def on_a_terminal(arguments, **environment):
    """Run the command line on a pseudo-terminal; returns (status, what was shown)."""
    import pty

    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(environment)
        os.execv(sys.executable, [sys.executable, "-m", "pico_ota.cli", *arguments])
    shown = b""
    try:
        while data := os.read(fd, 4096):
            shown += data
    except OSError:
        pass  # Linux says so when the other side is closed
    _, result = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(result), shown.decode()


BARS = "━"
COLOUR = re.compile(r"\x1b\[(3[0-9]|9[0-9])[;m]")


@pytest.mark.parametrize(
    ("environment", "bars", "colours"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "CI": "true"}, False, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_bars_and_colours_are_for_terminals(
    device, cli, here, monkeypatch, environment, bars, colours
):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    (here / "a.bin").write_bytes(os.urandom(60_000))
    status, shown = on_a_terminal(["cp", "-f", "a.bin", ":a.bin"], **environment)
    cli("rm", ":a.bin")
    assert status == 0
    assert (BARS in shown) is bars
    assert bool(COLOUR.search(shown)) is colours
    assert "Copied 1 file, 60 000 bytes" in shown
