"""`push --confirm` and `push --watch`, and how long a push waits."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time

import pytest
from test_push import APP, write

QUIET = APP.replace("confirm_after_s=1", "confirm_after_s=60").replace(
    "trial_deadline_s=6", "trial_deadline_s=90"
)


@pytest.fixture
def app(here):
    return write(here / "app", main_py=QUIET.format(line="A = 1"))


def test_confirm_keeps_what_answers_at_once(make_pico, cli, app, monkeypatch):
    pico = make_pico(flash_timing=True)
    monkeypatch.setenv("PICO_OTA_HOST", pico.url.removeprefix("http://"))
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
    assert cli("push", app, "--confirm").status == 0
    write(app, main_py=QUIET.format(line="A = 2"))
    began = time.monotonic()
    command = [sys.executable, "-m", "pico_ota.cli", "push", str(app), "--confirm"]
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.monotonic() - began
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("Confirmed: pico-test runs files-")
    assert json.loads(cli("status", "--json").out)["last"]["outcome"] == "confirmed"
    # How long it takes is for bench/push.py; here that it has not waited for the 60 s.
    assert seconds < 45


def test_confirm_does_not_keep_what_does_not_run(trial_device, cli, here):
    bad = write(here / "bad", main_py=APP.format(line="raise ValueError('no sensor')"))
    result = cli("push", bad, "--confirm")
    assert result.status == 5
    assert "no sensor" in result.err


def test_what_never_answers_ends_with_5_and_the_reason(trial_device, cli, here, monkeypatch):
    monkeypatch.setattr("pico_ota.waiting.RESTART_LIMIT_S", 6.0)
    bad = write(here / "bad", main_py="import time\nwhile True:\n    time.sleep(1)\n")
    result = cli("push", bad)  # the board gives it 10 s, its least
    assert result.status == 5
    assert "never let the updater run" in result.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--confirm", "--no-trial"], "--confirm waits for the new set on trial"),
        (["--confirm", "--no-wait"], "leave out --no-trial"),
        (["--watch", "--no-restart"], "--watch waits"),
        (["--watch", "-n"], "--dry-run"),
        (["--watch", "--json"], "leave out --json"),
        (["a.swu", "--watch"], "not at a release"),
    ],
)
def test_wrong_use(cli, app, arguments, reason):
    result = cli("push", *([] if "a.swu" in arguments else [app]), *arguments)
    assert result.status == 2
    assert reason in result.err


class Watched:
    """A `push --watch` in a process of its own."""

    def __init__(self, *arguments):
        command = [sys.executable, "-u", "-m", "pico_ota.cli", "push", "--watch"]
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def until(self, text, timeout=30):
        seen = []
        end = time.monotonic() + timeout
        while not seen or text not in seen[-1]:
            try:
                seen.append(self.lines.get(timeout=max(0.1, end - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"no {text!r} in {seen}") from None
        return seen


def test_watch_pushes_at_every_save_and_ends_clean(own_device, cli, app):
    watched = Watched(app)
    try:
        watched.until("Confirmed: ")
        watched.until("Watching for the next save")
        write(app, main_py=QUIET.format(line="A = 2"))
        seen = watched.until("Confirmed: ")
        assert any(line.startswith("~ /main.py") for line in seen)
        watched.until("  Version ")  # the log of the device
        # What does not compile or does not run is told, and the next save is pushed all the same.
        write(app, main_py=QUIET.format(line="raise ValueError('typo')"))
        assert "was tried and taken back" in watched.until("typo")[-1]
        write(app, main_py=QUIET.format(line="A = 3"))
        watched.until("Confirmed: ")
        watched.until("Watching for the next save")
        watched.process.send_signal(signal.SIGINT)
        assert watched.until("Stopped watching.")
        assert watched.process.wait(10) == 0
    finally:
        watched.process.kill()
        watched.process.wait()
    assert "A = 3" in cli("cat", ":main.py").out


def test_watch_ends_with_a_wrong_password(own_device, app, monkeypatch):
    monkeypatch.setenv("PICO_OTA_PASSWORD", "wrong")
    watched = Watched(app)
    assert watched.process.wait(20) == 4
