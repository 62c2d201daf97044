"""The verbs that ask a device or tell it something, against a simulated Pico."""

import json
import subprocess
import sys
import time

import pytest

from pico_ota import trusted
from pico_ota.cli.logs import UPDATER, Line, Tail
from pico_ota.errors import RefusedError, UnreachableError
from pico_ota.remote import Remote
from pico_ota.target import parse


def test_status_for_people_and_for_programs(device, cli):
    shown = cli("status")
    assert shown.status == 0
    lines = dict(line.split("  ", 1) for line in shown.out.splitlines() if "  " in line)
    assert lines["device"].strip() == "pico-test at 127.0.0.1"
    assert lines["state"].strip() == "idle"
    assert "of 868 352 bytes free" in lines["flash"]
    assert "default password" in shown.err
    answer = json.loads(cli("status", "--json").out)
    assert {"version", "state", "boot_id", "last", "previous", "flash"} <= set(answer)


def test_the_host_before_the_verb_behind_it_or_in_the_project_file(device, cli, here, monkeypatch):
    host = device.url.removeprefix("http://")
    monkeypatch.setenv("PICO_OTA_HOST", "127.0.0.1:1")
    assert cli("-H", host, "df").status == 0
    assert cli("df", "--host", host).status == 0
    monkeypatch.delenv("PICO_OTA_HOST")
    assert cli("df").status == 2
    (here / "pico-ota.toml").write_text(f'host = "{host}"\n')
    trusted.remember(here / "pico-ota.toml", host)
    assert cli("df").status == 0
    (here / "pico-ota.toml").write_text('host = "127.0.0.1:1"\n')
    assert cli("df", "-H", host).status == 0


def test_a_password_from_a_file_and_from_the_command_line(device, cli, here, monkeypatch):
    monkeypatch.delenv("PICO_OTA_PASSWORD")
    refused = cli("df")
    assert refused.status == 4
    assert "no password for 'admin'" in refused.err
    secret = here / "secret"
    secret.write_text("otapico\n")
    secret.chmod(0o600)
    assert cli("df", "--password-file", secret).err == ""
    secret.chmod(0o644)
    assert "chmod 600" in cli("df", "--password-file", secret).err
    assert cli("df", "--password", "otapico", "-vv").status == 0


def test_a_wrong_password_does_not_show_up_anywhere(device, cli):
    result = cli("df", "--password", "hunter2!", "-vv", "--json")
    assert result.status == 4
    assert "hunter2!" not in result.out + result.err
    assert json.loads(result.out)["exit_status"] == 4
    assert cli("df").status == 0  # and the right one is taken at once after a single wrong try


def test_another_user(device, cli, monkeypatch):
    result = cli("df", "--user", "root")
    assert result.status == 4
    assert "'root'" in result.err
    monkeypatch.setenv("PICO_OTA_USER", "admin")
    assert cli("df").status == 0


def test_something_else_on_that_port_is_told_apart(cli, monkeypatch):
    import http.server
    import threading

    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PICO_OTA_HOST", f"127.0.0.1:{server.server_port}")
    monkeypatch.setenv("PICO_OTA_PASSWORD", "x")
    result = cli("reboot")
    server.shutdown()
    server.server_close()
    assert result.status == 1
    assert "not pico-ota" in result.err


def test_the_log_and_following_it_over_a_restart(own_device, cli):
    lines = cli("log").out.splitlines()
    assert any("Listening" in line for line in lines)
    document = json.loads(cli("log", "--json").out)
    assert [f"ota: {line}" for line in document["lines"]][: len(lines)] == lines
    command = [sys.executable, "-m", "pico_ota.cli", "log", "-f", "--interval", "0.2", "--json"]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        first = json.loads(follower.stdout.readline())
        assert (f"ota: {first['line']}", first["from"]) == (lines[0], "updater")
        assert cli("reboot").status == 0
        seen = []
        while "Restarting" not in "".join(seen):
            seen.append(json.loads(follower.stdout.readline())["line"])
        while "Listening" not in seen[-1]:
            seen.append(json.loads(follower.stdout.readline())["line"])
    finally:
        follower.terminate()
        follower.wait(10)


def test_following_begins_anew_when_the_device_does():
    class Played(Remote):
        boots = iter(["a", "a", "b"])

        def info(self, retry=True):
            return {"boot_id": next(self.boots)}

        def log(self, since=0):
            return {0: (2, ["one", "two"]), 2: (2, [])}[since]

    tail = Tail(Played(parse("pico")), UPDATER)
    both = [Line(UPDATER, "one"), Line(UPDATER, "two")]
    assert tail.new_lines() == both
    assert tail.new_lines() == []
    assert tail.new_lines() == both


def test_what_the_program_prints_is_given_in_lines_once():
    class Played(Remote):
        answers = iter(
            [
                (0, ("a", 10, 3, "cut off\nbegin")),
                (10, ("a", 14, 0, "ning\n>>> ")),
                (14, ("a", 14, 0, "")),
                (14, ("a", 99, 7, "later\n")),
                (99, ("b", 120, 0, "...")),
                (0, ("b", 130, 5, "anew\n")),
            ]
        )

        def console(self, since=0):
            asked, answer = next(self.answers)
            assert asked == since
            names = ("boot_id", "next", "missed", "text")
            return dict(zip(names, answer, strict=True))

    tail = Tail(Played(parse("pico")), "program")
    given = [[line.text for line in tail.new_lines()] for _ in range(5)]
    assert given == [
        ["cut off"],
        ["beginning"],
        [">>> "],
        ["(7 bytes came too fast to be kept)", "later"],
        ["anew"],
    ]


def test_a_device_without_a_console_has_its_log():
    class Played(Remote):
        def console(self, since=0):
            raise RefusedError(404, "not_found", "There is nothing at /api/v1/console.", {})

        def info(self, retry=True):
            return {"boot_id": "a"}

        def log(self, since=0):
            return 1, ["one"]

    assert Tail(Played(parse("pico"))).new_lines() == [Line(UPDATER, "one")]


def test_reboot_comes_back_with_another_boot_id(own_device, cli):
    before = json.loads(cli("status", "--json").out)["boot_id"]
    result = cli("reboot", "--json")
    assert result.status == 0
    assert json.loads(result.out)["boot_id"] != before
    assert cli("reboot", "--no-wait").out == "The device restarts.\n"


def test_rescue_mode_and_back(trial_device, cli):
    time.sleep(2)  # until the start counts as a good one: rescue mode uses its settings
    assert cli("reboot", "--rescue").status == 0
    assert json.loads(cli("status", "--json").out)["mode"] == "rescue"
    assert "in rescue mode: the application does not run" in cli("status").out
    assert cli("reboot").status == 0
    assert json.loads(cli("status", "--json").out)["mode"] == "normal"


def test_a_device_that_comes_back_in_another_mode_is_no_success(device, cli, monkeypatch):
    monkeypatch.setattr(Remote, "reboot", lambda *_: {"boot_id": "a", "restart_ms": 0})
    monkeypatch.setattr(Remote, "info", lambda *_, **__: {"boot_id": "b"})
    monkeypatch.setattr(Remote, "status", lambda *_, **__: {"mode": "normal"})
    result = cli("reboot", "--rescue")
    assert result.status == 1
    assert "expected the device in rescue mode, it is back in normal mode" in result.err


def test_confirm_outside_a_trial_is_refused_with_the_reason(device, cli):
    result = cli("confirm", "--json")
    assert result.status == 1
    assert json.loads(result.out)["exit_status"] == 1
    assert result.err.startswith("pico-ota: Nothing is on trial.")


def test_confirm_ends_a_trial(own_device, cli, here):
    # The application of `plain` would confirm by itself after 30 s only.
    (here / "x.py").write_text("x = 1\n")
    assert cli("push", "x.py", "--version", "2", "--no-wait").status == 0
    end = time.monotonic() + 20
    while json.loads(cli("status", "--json").out or "{}").get("state") != "trial":
        assert time.monotonic() < end
        time.sleep(0.1)
    result = cli("confirm")
    assert result.out == "Confirmed: 2 stays.\n"
    assert json.loads(cli("status", "--json").out)["last"]["outcome"] == "confirmed"


def test_rollback_without_a_previous_set_is_refused(device, cli):
    result = cli("rollback")
    assert (result.status, result.out) == (1, "")
    assert "pico-ota: " in result.err


def test_a_new_password_from_a_file(own_device, cli, here, monkeypatch):
    (here / "new").write_text("correct horse\n")
    result = cli("reset-password", "--new-password-file", "new")
    assert (result.status, result.err) == (0, "")
    assert "correct horse" not in result.out
    assert cli("df").status == 4
    monkeypatch.setenv("PICO_OTA_PASSWORD", "correct horse")
    assert cli("df").status == 0
    made = cli("reset-password", "--random", "--json")
    monkeypatch.setenv("PICO_OTA_PASSWORD", json.loads(made.out)["password"])
    assert cli("df").status == 0


def test_a_new_password_that_is_asked_for(own_device, cli, monkeypatch):
    answers = iter(["one", "two"])
    monkeypatch.setattr("pico_ota.credentials.prompt", lambda: lambda _: next(answers))
    result = cli("reset-password")
    assert result.status == 2
    assert "not the same" in result.err
    answers = iter(["three three", "three three"])
    assert cli("reset-password").status == 0
    monkeypatch.setenv("PICO_OTA_PASSWORD", "three three")
    assert cli("df").status == 0


@pytest.mark.parametrize("arguments", [[], ["--random", "--new-password-file", "x"]])
def test_wrong_use_of_reset_password(device, cli, arguments):
    assert cli("reset-password", *arguments).status == 2


def test_a_new_password_from_the_environment_and_a_poor_one(own_device, cli, monkeypatch):
    monkeypatch.setenv("PICO_OTA_NEW_PASSWORD", "x" * 500)
    refused = cli("reset-password")
    assert refused.status == 1
    assert "x" * 20 not in refused.err
    assert cli("df").status == 0


@pytest.mark.parametrize(
    ("error", "status"), [(UnreachableError("It does not answer."), 3), (KeyboardInterrupt(), 130)]
)
def test_a_made_up_password_is_not_lost_with_an_answer(device, cli, monkeypatch, error, status):
    sent = []

    def lost(self, password):
        sent.append(password)
        raise error

    monkeypatch.setattr(Remote, "set_password", lost)
    result = cli("reset-password", "--random")
    assert result.status == status
    assert f"may have the new password already, which was made up: {sent[0]}\n" in result.err
    monkeypatch.setenv("PICO_OTA_NEW_PASSWORD", "my own secret")
    assert "my own secret" not in cli("reset-password").err


def test_cp_that_is_interrupted_says_what_it_leaves(device, cli, here, monkeypatch):
    (here / "one").write_text("1")
    monkeypatch.setattr(Remote, "write", _interrupt)
    result = cli("cp", "one", ":")
    assert result.status == 130
    assert result.err == ("pico-ota: interrupted, 0 files copied: all else is as it was before.\n")


def test_a_restart_that_is_not_waited_for_goes_on(device, cli, monkeypatch):
    asked = {"boot_id": "x", "restart_ms": 0}
    monkeypatch.setattr("pico_ota.waiting.Watch.restart", _interrupt)
    for verb, left in (("reboot", "restarts all the same"), ("rollback", "old files back")):
        monkeypatch.setattr(Remote, verb, lambda *_: asked)
        result = cli(verb)
        assert result.status == 130
        assert result.err.startswith("pico-ota: interrupted: the device ")
        assert left in result.err


def _interrupt(*_, **__):
    raise KeyboardInterrupt


def test_ctrl_c_ends_with_130_and_one_line(device, cli, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Remote, "status", interrupt)
    result = cli("status", "--json")
    assert result.status == 130
    assert result.err == "pico-ota: interrupted.\n"
    assert json.loads(result.out)["exit_status"] == 130
