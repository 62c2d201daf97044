"""`edit` and `diff` against a simulated Pico."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pico_ota.client import Client


@pytest.fixture
def editor(here, monkeypatch):
    """Make a script the editor: it gets the path of the copy as `path`."""

    def use(script):
        file = here / "editor.py"
        file.write_text(f"import sys, pathlib\npath = pathlib.Path(sys.argv[1])\n{script}\n")
        monkeypatch.setenv("EDITOR", f"'{sys.executable}' '{file}'")
        monkeypatch.delenv("VISUAL", raising=False)

    return use


@pytest.fixture
def note(device, cli, here):
    (here / "note.txt").write_text("one\n")
    assert cli("cp", "note.txt", ":note.txt").status == 0
    yield ":note.txt"
    cli("rm", "-f", ":note.txt")


@pytest.fixture(autouse=True)
def no_copies(here, monkeypatch):
    """Copies are made in a folder of the test."""
    folder = here / "copies"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def kept(result):
    """The copy that an error names."""
    return Path(re.search(r"'pico-ota cp (\S+) :/note\.txt' puts it", result.err)[1])


def test_what_the_editor_saves_is_on_the_device(note, cli, editor, no_copies):
    editor("assert path.name == 'note.txt'\npath.write_text(path.read_text() + 'two\\n')")
    result = cli("edit", note)
    assert (result.status, result.err) == (0, "")
    assert result.out == "Saved :/note.txt, 8 bytes.\n"
    assert cli("cat", note).out == "one\ntwo\n"
    assert list(no_copies.iterdir()) == []


def test_an_unchanged_text_is_not_sent(note, cli, editor, no_copies, device):
    editor("pass")
    before = device.flash_operations
    answer = json.loads(cli("edit", note, "--json").out)
    assert answer == {"path": "/note.txt", "saved": False, "size": 4}
    assert device.flash_operations == before
    assert list(no_copies.iterdir()) == []


def test_a_new_file_is_made(device, cli, editor):
    editor("path.write_text('x = 1\\n')")
    assert cli("edit", ":fresh/x.py").status == 0
    assert cli("cat", ":fresh/x.py").out == "x = 1\n"
    cli("rm", "-r", ":fresh")


@pytest.mark.parametrize(
    ("meanwhile", "word", "there"),
    [
        ("cp note.txt :note.txt -f", None, "mine\n"),
        ("cp other.txt :note.txt", "was changed on the device meanwhile", "theirs\n"),
        ("rm :note.txt", "was deleted on the device meanwhile", None),
    ],
)
def test_changed_meanwhile_is_said_and_nothing_is_lost(
    note, cli, here, editor, meanwhile, word, there
):
    (here / "other.txt").write_text("theirs\n")
    editor(
        "import subprocess\npath.write_text('mine\\n')\n"
        f"subprocess.run([sys.executable, '-m', 'pico_ota.cli', *{meanwhile.split()!r}])"
    )
    result = cli("edit", note)
    if word is None:  # the same text was put there: that is no other
        assert result.status == 0
        assert cli("cat", note).out == there
        return
    assert result.status == 1
    assert word in result.err
    assert kept(result).read_text() == "mine\n"
    assert (cli("cat", note).out or None) == there


def test_made_meanwhile_is_not_overwritten(device, cli, here, editor):
    (here / "other.txt").write_text("theirs\n")
    editor(
        "import subprocess\npath.write_text('mine\\n')\nsubprocess.run([sys.executable, '-m', "
        "'pico_ota.cli', 'cp', 'other.txt', ':note.txt'])"
    )
    result = cli("edit", ":note.txt")
    assert "was made on the device meanwhile" in result.err
    assert kept(result).read_text() == "mine\n"
    assert cli("cat", ":note.txt").out == "theirs\n"
    cli("rm", ":note.txt")


def test_a_lost_answer_is_no_change_of_somebody_else(note, cli, editor, monkeypatch):
    import httpx

    editor("path.write_text('mine\\n')")
    send, lost = Client._send, []

    def lossy(self, call):
        response = send(self, call)
        if call.method == "PUT" and not lost:
            response.close()
            lost.append(call)
            raise httpx.ReadError("lost")
        return response

    monkeypatch.setattr(Client, "_send", lossy)
    assert cli("edit", note).status == 0
    assert lost
    assert cli("cat", note).out == "mine\n"


def test_what_fails_keeps_the_text(note, cli, editor, no_copies, monkeypatch):
    editor("path.write_text('mine\\n')\nsys.exit(3)")
    result = cli("edit", note)
    assert result.status == 1
    assert "ended with status 3" in result.err
    assert kept(result).read_text() == "mine\n"
    editor("path.write_text('mine\\n')")
    monkeypatch.setattr("pico_ota.remote.Remote.write", _interrupted)
    result = cli("edit", note)
    assert result.status == 130
    assert kept(result).read_text() == "mine\n"
    assert cli("cat", note).out == "one\n"


def _interrupted(*_, **__):
    raise KeyboardInterrupt


def test_wrong_use_of_edit(note, cli, here, editor, no_copies, monkeypatch):
    (here / "b.bin").write_bytes(b"\0\1")
    cli("cp", "b.bin", ":b.bin")
    assert "is no text" in cli("edit", ":b.bin").err
    cli("rm", ":b.bin")
    assert "is a folder" in cli("edit", ":ota").err
    monkeypatch.delenv("EDITOR", raising=False)
    assert "no terminal for an editor" in cli("edit", ":main.py").err
    monkeypatch.setenv("EDITOR", "/no/such/editor")
    result = cli("edit", note)
    assert result.status == 2
    assert "Set EDITOR to one that does" in result.err
    assert list(no_copies.iterdir()) == []


def test_a_file_of_the_updater_needs_protected(device, cli, editor):
    editor("path.write_text(path.read_text() + '# more\\n')")
    result = cli("edit", ":boot.py")
    assert result.status == 1
    assert "Add --protected" in result.err
    assert "# more" in Path(re.search(r"cp (\S+) :/boot", result.err)[1]).read_text()


def test_diff_shows_the_plan_and_the_lines(own_device, cli, here):
    app = here / "app"
    app.mkdir()
    (app / "a.txt").write_text("one\ntwo\nthree\n")
    (app / "b.bin").write_bytes(b"\0\1\2")
    (app / "same.txt").write_text("same\n")
    assert cli("cp", "-r", "app/", ":t").status == 0
    (app / "a.txt").write_text("one\n2\nthree")
    (app / "b.bin").write_bytes(b"\0\1\2\3")
    (app / "c.txt").write_text("new\x1b[31m\n")
    before = own_device.flash_operations
    result = cli("diff", app, "--to", "/t")
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        "~ /t/a.txt  11",
        "~ /t/b.bin  4",
        "+ /t/c.txt  9",
        "2 changed, 1 new, 1 unchanged, 0 to delete: 24 bytes to send.",
        "--- device/t/a.txt",
        "+++ here/t/a.txt",
        "@@ -1,3 +1,3 @@",
        " one",
        "-two",
        "-three",
        "+2",
        "+three",
        "\\ No newline at end of file",
        ":/t/b.bin is no text: 3 bytes there and 4 bytes here",
        "--- /dev/null",
        "+++ here/t/c.txt",
        "@@ -0,0 +1 @@",
        "+new\\x1b[31m",
    ]
    (app / "same.txt").unlink()
    answer = json.loads(cli("diff", app, "--to", "/t", "--delete", "--json").out)
    assert answer["delete"] == ["/t/same.txt"]
    assert answer["diff"].endswith("--- device/t/same.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-same\n")
    assert own_device.flash_operations == before
    # What patch(1) takes is what was meant.
    cli("cp", "-r", ":t", here / "copy")
    text = json.loads(cli("diff", app / "a.txt", "--to", "/t", "--json").out)["diff"]
    subprocess.run(["patch", "-p2"], input=text, text=True, cwd=here / "copy", check=True)
    assert (here / "copy/a.txt").read_text() == "one\n2\nthree"


def test_diff_of_nothing_changed_is_short(device, cli, here):
    (here / "x.txt").write_text("x\n")
    cli("cp", "x.txt", ":x.txt")
    assert cli("-q", "diff", "x.txt").out == ""
    assert cli("diff").status == 2
    cli("rm", ":x.txt")
