"""What travels of the files here: links, byte order marks, patterns, empty folders, odd names."""

import json
import os
import subprocess
import sys

import pytest

from pico_ota import credentials, project, sync
from pico_ota.cli.output import dumps
from pico_ota.errors import PicoOtaError, UsageError
from pico_ota.ignore import Ignore
from pico_ota.mpy import compile_source

BOM = b"\xef\xbb\xbf"


@pytest.fixture
def app(here):
    (here / "app/lib").mkdir(parents=True)
    (here / "app/main.py").write_text("import lib\n")
    (here / "shared").mkdir()
    (here / "shared/util.py").write_text("x = 1\n")
    return here / "app"


def paths(files):
    return [file.path for file in files]


def test_a_linked_folder_is_followed_inside_the_project(app, here):
    (app / "lib/shared").symlink_to("../../shared")
    (app / "again").symlink_to("lib")
    wanted = ["/again/shared/util.py", "/lib/shared/util.py", "/main.py"]
    assert paths(sync.scan([app], root=here)) == wanted
    with pytest.raises(UsageError, match=r"leads out of .*/app: to .*/shared"):
        sync.scan([app])  # without a project file the folder is all there is
    assert paths(sync.scan([app], ignore=Ignore(["shared", "again"]))) == ["/main.py"]


@pytest.mark.parametrize("target", [".", "..", "../lib", "../../app"])
def test_a_loop_of_links_is_refused(app, here, target):
    (app / "lib/loop").symlink_to(target)
    with pytest.raises(UsageError, match="in which it lies itself"):
        sync.scan([app], root=here)


def test_what_is_no_file_is_refused_and_not_waited_for(app):
    os.mkfifo(app / "fifo")
    with pytest.raises(UsageError, match=r"fifo is a pipe.*--ignore"):
        sync.scan([app])
    assert paths(sync.scan([app], ignore=Ignore(["fifo"]))) == ["/main.py"]


def test_a_wrong_folder_is_not_read_to_its_end(app, monkeypatch):
    for name in ("a.bin", "b.bin"):
        with open(app / name, "wb") as file:
            file.truncate(9 << 20)  # of zeros that take no room
    read = []
    real = sync._read_source
    monkeypatch.setattr(
        sync, "_read_source", lambda path, *rest: read.append(path) or real(path, *rest)
    )
    with pytest.raises(UsageError, match=r"at most 1000 files and 16 MiB.*the right folder"):
        sync.scan([app])
    assert [path.name for path in read] == ["a.bin"]


def test_loops_of_several_links_and_links_to_nowhere_are_refused(app, here):
    (app / "a").mkdir()
    (app / "a/b").symlink_to("../lib")
    (app / "lib/a").symlink_to("../a")
    with pytest.raises(UsageError, match="in which it lies itself"):
        sync.scan([app])
    (app / "lib/a").unlink()
    for target in ("nowhere", "self"):
        link = app / "self"
        link.symlink_to(target)
        with pytest.raises(UsageError, match="leads nowhere, or to itself"):
            sync.scan([app])
        link.unlink()


def test_a_linked_file_that_leads_out_is_refused_unless_named(app, here, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (app / "notes.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(UsageError, match="leads out of"):
        sync.scan([app], root=here)
    assert paths(sync.scan([app / "notes.txt"])) == ["/notes.txt"]


def test_a_folder_outside_of_the_project_that_is_named_is_one_of_its_own(app, here):
    (here / "shared/more").mkdir()
    (here / "shared/more/y.py").touch()
    (here / "shared/link").symlink_to("more")
    found = sync.scan([here / "shared"], root=app)
    assert paths(found) == ["/link/y.py", "/more/y.py", "/util.py"]


def test_links_are_the_same_to_push_build_and_cp(device, cli, app, here):
    (app / "lib/shared").symlink_to("../../shared")
    build = ("build", app, "-o", "x.swu", "--version", "1.0.0")
    commands = [("push", app, "-n"), build, ("cp", "-r", app, ":linked")]
    for command in commands:
        refused = cli(*command)
        assert refused.status == 2
        assert "leads out of" in refused.err
    (here / "pico-ota.toml").touch()
    for command in commands:
        assert cli(*command).status == 0
    assert cli("cat", ":linked/lib/shared/util.py").out == "x = 1\n"
    cli("rm", "-r", ":linked")


def test_delete_does_not_take_what_a_link_brings(device, cli, app, here):
    (app / "lib/shared").symlink_to("../../shared")
    (here / "pico-ota.toml").touch()
    cli("cp", "-r", f"{app}/", ":t")
    plan = json.loads(cli("push", app, "--to", "/t", "--delete", "-n", "--json").out)
    assert plan["delete"] == []
    cli("rm", "-r", ":t")


def test_a_byte_order_mark_is_left_out_of_source_and_said(here):
    (here / "x.py").write_bytes(BOM + b"x = 1\n")
    (here / "x.txt").write_bytes(BOM + b"text\n")
    told = []
    for compiler in (None, compile_source):
        source, text = sync.scan(
            [here / "x.py", here / "x.txt"], compiler=compiler, tell=told.append
        )
        if source.path == "/x.txt":
            source, text = text, source
        assert BOM not in source.read()
        assert text.read().startswith(BOM)
    assert source.read()[:1] == b"M"
    assert told == [f"{here}/x.py begins with a byte order mark: sent without it."] * 2
    changed = sync.scan([here / "x.py"])[0]
    assert changed.read() == b"x = 1\n"


def test_a_byte_order_mark_in_project_and_password_files(here, monkeypatch):
    (here / "pico-ota.toml").write_bytes(BOM + b'host = "kitchen"\n')
    assert project.load(here / "pico-ota.toml").host == "kitchen"
    (here / "secret").write_bytes(BOM + b"hunter2\r\n")
    assert credentials.read_file(here / "secret") == "hunter2"
    read, write = os.pipe()
    os.write(write, BOM + b"hunter2\n")
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert credentials.read_file(credentials.Path("-")) == "hunter2"


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("./tests/", "tests", True),
        ("./tests/", "a/tests", False),
        ("./a.md", "a.md", True),
        ("./a.md", "docs/a.md", False),
        ("docs/./a.md", "docs/a.md", True),
        ("!./a.md", "a.md", False),
        ("\\!a", "!a", True),
        ("\\#a", "#a", True),
    ],
)
def test_patterns_that_begin_here(pattern, path, ignored):
    assert Ignore([pattern], defaults=()).ignored(path, directory=True) is ignored


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("docs\\*.md", "Write / between folders: 'docs/*.md'"),
        (".\\tests\\", "'./tests/'"),
        ("../x", "leads out of the folder"),
        ("./", "names nothing"),
    ],
)
def test_patterns_that_would_never_match_are_refused(pattern, reason):
    with pytest.raises(UsageError) as caught:
        Ignore([pattern])
    assert reason in str(caught.value)


def test_empty_folders_are_said_not_to_be_sent(device, cli, app):
    (app / "data/deep").mkdir(parents=True)
    (app / "junk/__pycache__").mkdir(parents=True)
    out = cli("push", app, "-n").out
    for name in ("data/deep", "junk", "lib"):
        assert f"{app}/{name} is not sent: empty folders do not travel.\n" in out
    assert out.count("do not travel") == 3


def test_cp_makes_empty_folders(device, cli, app):
    (app / "data/deep").mkdir(parents=True)
    assert cli("cp", "-r", app, ":copied").status == 0
    assert json.loads(cli("ls", ":copied/data", "--json").out)[0]["path"] == "/copied/data/deep"
    cli("rm", "-r", ":copied")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_pipe_that_cannot_hold_a_name_breaks_nothing(device, here, encoding):
    (here / "app").mkdir()
    (here / "app/żółw.txt").write_text("x")
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}

    def run(*arguments):
        command = [sys.executable, "-m", "pico_ota.cli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True)

    done = run("push", "app", "-n")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u017c" in done.stdout
    document = run("push", "app", "-n", "--json")
    assert json.loads(document.stdout.decode(encoding))["new"] == ["/żółw.txt"]
    missing = run("push", "ż")
    assert missing.returncode == 2
    assert b"\\u017c" in missing.stderr


def test_a_name_here_that_is_not_utf_8_is_an_error_and_no_traceback(device, cli, here):
    (here / "app").mkdir()
    with open(os.fsencode(here) + b"/app/\xff.txt", "w"):
        pass
    result = cli("push", "app", "-n", "--json")
    assert result.status == 2
    assert "is not UTF-8" in json.loads(result.out)["message"]


@pytest.mark.parametrize("text", ["\x9b2J", "\u202egnp", "\x7f", "\udc80", "plain ü"])
def test_json_steers_no_terminal(text, capsys):
    shown = dumps({"name": text})
    assert shown.isprintable()
    assert json.loads(shown) == {"name": text}


def test_a_folder_that_cannot_be_read_is_an_error(app, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", refuse)
    with pytest.raises(PicoOtaError, match=r"cannot read .*Permission denied"):
        sync.scan([app])
