"""What people type from habit with other tools works, or says in one line what to do."""

import json
import re
import shlex

import pytest

from pico_ota import __version__
from pico_ota.advice import with_advice
from pico_ota.cli.elsewhere import SAID
from pico_ota.cli.verbs import load
from pico_ota.errors import RefusedError
from pico_ota.remote import Remote


@pytest.mark.parametrize("name", SAID)
def test_what_is_not_here_says_what_to_do_in_one_line(cli, name):
    for arguments in ((), ("--soft", "x.py", "-c", "1"), ("--help",)):
        result = cli(name, *arguments)
        assert (result.status, result.out) == (2, "")
        assert result.err.startswith(f"pico-ota: '{name}' is ")
        assert result.err.count("\n") == 1
        assert "pico-ota" in result.err.removeprefix("pico-ota:")
    assert json.loads(cli("--json", name).out)["error"] == "usage"


@pytest.mark.parametrize("name", ["run", "exec", "repl"])
def test_programs_run_over_usb_and_their_output_is_in_the_log(cli, name):
    said = cli(name, "main.py").err
    assert f"'mpremote {name}'" in said
    assert "'pico-ota log -f'" in said


def test_every_command_that_is_advised_is_one(cli):
    for text in SAID.values():
        for line in re.findall(r"'pico-ota ([^']+)'", text):
            name, *rest = shlex.split(line.removeprefix("-H NAME "))
            if name != "VERB":
                assert cli(name, "--help").status == 0
                from pico_ota.cli.app import VERBS

                load(name, VERBS[name]).make_context(name, rest)


def test_help_and_version_are_verbs_too(cli):
    assert cli("help").out == cli("--help").out
    assert cli("help", "push").out == cli("push", "--help").out
    assert cli("help", "sync").out == cli("push", "--help").out
    assert cli("help", "put").out == cli("put", "--help").out
    unknown = cli("help", "psuh")
    assert unknown.status == 2
    assert "Did you mean 'push'?" in unknown.err
    assert cli("help", "repl").status == 2
    assert cli("version").out == f"pico-ota {__version__}\n"
    assert json.loads(cli("version", "--json").out) == {"version": __version__}


def test_deploy_upload_and_download_do_what_they_say(device, cli, here):
    (here / "habit.txt").write_text("one")
    assert cli("upload", "habit.txt").status == 0
    assert cli("deploy", "habit.txt", "--dry-run").out.startswith("0 changed, 0 new, 1 unchanged")
    (here / "habit.txt").unlink()
    assert cli("download", "habit.txt").status == 0
    assert (here / "habit.txt").read_text() == "one"
    assert cli("rm", ":habit.txt").status == 0


def test_touch_makes_what_is_not_there_and_leaves_what_is(device, cli, here):
    assert json.loads(cli("touch", ":fresh.txt", "--json").out) == {"made": ["/fresh.txt"]}
    assert cli("cat", ":fresh.txt").out == ""
    (here / "full").write_text("content")
    cli("cp", "full", ":fresh.txt")
    again = cli("touch", ":fresh.txt", ":ota")
    assert (again.status, again.out.count("is there already.")) == (0, 2)
    assert cli("cat", ":fresh.txt").out == "content"
    cli("rm", ":fresh.txt")


def test_rmdir_takes_empty_folders_only(device, cli):
    cli("mkdir", ":empty")
    cli("touch", ":full/file")
    assert cli("rmdir", ":empty").out == "deleted :/empty\n"
    full = cli("rmdir", ":full")
    assert full.status == 1
    assert "'rm -r' deletes a folder with all that is in it" in full.err
    file = cli("rmdir", ":full/file")
    assert file.status == 1
    assert "'pico-ota rm :/full/file' deletes it" in file.err
    assert cli("ls", ":full/file").status == 0
    cli("rm", "-r", ":full")


def test_monitor_follows_the_log(device, cli, monkeypatch):
    looks = []

    def sleep(self, seconds):
        looks.append(seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr("pico_ota.cli.session.Session.remote", _with_sleep(sleep))
    result = cli("monitor", "--interval", "0.5")
    assert result.out == cli("log").out != ""
    assert looks == [0.5]
    assert result.status == 130
    *lines, end = map(json.loads, cli("log", "-f", "--json").out.splitlines())
    assert lines[0]["from"] == "updater"
    assert end["error"] == "interrupted"


def _with_sleep(sleep):
    from pico_ota.cli.session import Session

    real = Session.remote

    def remote(self):
        made = real(self)
        made.sleep = sleep.__get__(made)
        return made

    return remote


def test_a_file_is_listed_as_ls_does(device, cli):
    line = cli("ls", ":main.py").out
    assert re.fullmatch(r" +\d+  main\.py\n", line)
    assert line in cli("ls").out
    (row,) = json.loads(cli("ls", ":main.py", "--json").out)
    assert (row["path"], row["directory"]) == ("/main.py", False)
    assert cli("ls", ":nothing.py").status == 1
    assert cli("ls", ":main.py/x").status == 1


def test_a_folder_is_copied_on_the_device(device, cli):
    cli("mkdir", ":first/deep/empty")
    for name in ("x", "deep/y"):
        cli("touch", f":first/{name}")
    refused = cli("cp", ":first", ":second")
    assert refused.status == 2
    assert "add -r" in refused.err
    assert cli("cp", "-r", ":first", ":second").status == 0
    assert (
        cli("tree", ":second").out.splitlines()[1:] == cli("tree", ":first").out.splitlines()[1:]
    )
    cli("cp", "-r", ":first", ":second")  # into it, now that it is there
    assert cli("ls", ":second/first/deep/y").status == 0
    for inside in (":first/deep", ":first"):
        itself = cli("cp", "-r", ":first/", inside)
        assert itself.status == 2
        assert "nothing was copied" in itself.err
        assert "add -r" not in itself.err
    cli("rm", "-r", ":first", ":second")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-H", "a", "-H", "b", "df"),
        ("df", "-H", "a", "--host", "b"),
        ("-H", "a", "df", "--host=b"),
        ("-qHa", "df", "-Hb"),
    ],
)
def test_two_hosts_are_refused(cli, arguments, monkeypatch):
    monkeypatch.setattr(Remote, "request", None)
    result = cli(*arguments)
    assert (result.status, result.out) == (2, "")
    assert "--host was given twice, 'a' and 'b'" in result.err


def test_json_before_the_verb_is_as_good_as_behind(device, cli):
    assert json.loads(cli("--json", "df").out) == json.loads(cli("df", "--json").out)
    assert json.loads(cli("--json", "rm", ":nothing").out)["exit_status"] == 1


def test_an_empty_word_is_not_the_current_folder(device, cli, here):
    (here / "mine.txt").write_text("mine")
    copied = cli("cp", "-r", "", ":")
    assert (copied.status, "a source is empty" in copied.err) == (2, True)
    named = cli("push", "mine.txt", "--version", "")
    assert (named.status, "--version is empty" in named.err) == (2, True)
    assert cli("ls", ":mine.txt").status == 1


def test_plus_is_refused_before_anything_is_done(device, cli):
    cli("touch", ":keep.txt")
    result = cli("rm", ":keep.txt", "+", "ls")
    assert result.status == 2
    assert "nothing was done" in result.err
    assert cli("ls", ":keep.txt").status == 0
    cli("rm", ":keep.txt")


def refused(word, text):
    return RefusedError(409, word, text, {})


def test_no_advice_to_give_what_was_given():
    assert "'rm -r'" in str(with_advice(refused("not_empty", "/a is not empty.")))
    assert str(with_advice(refused("not_empty", "/a is not empty."), {"recursive"})) == (
        "/a is not empty."
    )
    header = "/ota/x belongs to the updater. To change it send 'X-OTA-Protected: yes'."
    assert "--protected" in str(with_advice(refused("protected", header)))
    closed = refused("protected", "/.ota/state holds the updater's own records.")
    for given in ((), {"protected"}):
        assert "--protected" not in str(with_advice(closed, given))
    memory = refused("low_memory", "No memory.")
    assert "--rescue" in str(with_advice(memory))
    assert "--rescue" not in str(with_advice(memory, {"rescue"}))


def test_nobody_is_told_to_name_the_host_that_was_named(cli):
    asked = cli("discover", "127.0.0.1:1", "--wait", "0.1")
    assert asked.status == 3
    assert "discover ADDRESS" not in asked.err


def test_no_rate_for_less_than_a_second(own_device, cli, here):
    (here / "rate.txt").write_text("x")
    result = cli("push", "rate.txt", "--no-restart")
    assert re.search(r"Sent 1 file, 1 bytes in 0\.\d s; the device has checked", result.out)
