"""The file verbs against a simulated Pico."""

import hashlib
import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from pico_ota.remote import Remote


@pytest.fixture(autouse=True)
def scratch(device, cli):
    """Each test has `/t` for itself."""
    cli("rm", "-r", "-f", ":t")
    cli("mkdir", ":t")
    yield
    cli("rm", "-r", "-f", ":t")


def test_a_file_goes_there_and_comes_back_the_same(cli, here):
    data = os.urandom(20_000)
    (here / "data.bin").write_bytes(data)
    there = cli("cp", "data.bin", ":t/")
    assert (there.status, there.err) == (0, "")
    assert "copied :/t/data.bin (20 000 bytes)" in there.out
    assert cli("cp", ":t/data.bin", "back.bin").status == 0
    assert (here / "back.bin").read_bytes() == data


def test_what_is_the_same_is_not_sent_again(cli, here):
    (here / "a.py").write_text("x = 1\n")
    cli("cp", "a.py", ":t/a.py")
    assert json.loads(cli("cp", "a.py", ":t/a.py", "--json").out) == {
        "copied": [],
        "unchanged": [":/t/a.py"],
    }
    assert json.loads(cli("cp", "-f", "a.py", ":t/a.py", "--json").out)["copied"] == [":/t/a.py"]
    (here / "a.py").write_text("x = 2\n")
    assert "Copied 1 file, 6 bytes" in cli("cp", "a.py", ":t/a.py").out


def test_what_is_the_same_is_not_fetched_again(cli, here):
    (here / "a.py").write_text("x = 1\n")
    cli("cp", "a.py", ":t/a.py")
    assert cli("cp", ":t/a.py", "a.py").out == "Up to date: 1 file.\n"


def test_folders_go_there_and_come_back(cli, here):
    (here / "lib/sub").mkdir(parents=True)
    (here / "lib/a.py").write_text("a\n")
    (here / "lib/sub/b.py").write_text("b\n")
    assert cli("cp", "-r", "lib", ":t").status == 0
    assert cli("cat", ":t/lib/sub/b.py").out == "b\n"
    assert cli("cp", "-r", "lib/", ":t/flat").status == 0
    assert cli("cat", ":t/flat/a.py").out == "a\n"
    assert cli("cp", "-r", ":t/flat", "back").status == 0
    assert (here / "back/sub/b.py").read_text() == "b\n"
    (here / "into").mkdir()
    assert cli("cp", "-r", ":t/flat", "into").status == 0
    assert (here / "into/flat/a.py").read_text() == "a\n"


def test_a_copy_on_the_device(cli, here):
    (here / "a.py").write_text("a\n")
    cli("cp", "a.py", ":t/a.py")
    assert cli("cp", ":t/a.py", ":t/b.py").status == 0
    assert cli("cat", ":t/a.py", ":t/b.py").out == "a\na\n"


def test_put_and_get(cli, here):
    (here / "a.py").write_text("a\n")
    assert cli("put", "a.py", "t/").status == 0
    assert cli("get", "t/a.py", "b.py").status == 0
    assert (here / "b.py").read_text() == "a\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["a.py"], "expected what to copy and where to"),
        (["a.py", "b.py"], "are both on this computer. Put a colon before"),
        (["folder", ":t"], "'folder' is a folder: add -r"),
        (["missing.py", ":t"], "'missing.py' is no file and no folder here"),
        ([":t", "."], "':/t' is a folder: add -r"),
        ([":t", ":u"], "':/t' is a folder: add -r"),
        ([":t/a", ":t/b", "missing/"], "is no folder here"),
        (["a.py", ":t/../x"], "'.', '..'"),
    ],
)
def test_wrong_use_of_cp_is_told_before_anything_is_sent(cli, here, arguments, reason):
    (here / "folder").mkdir()
    (here / "a.py").write_text("a\n")
    result = cli("cp", *arguments)
    assert (result.status, result.out) == (2, "")
    assert reason in result.err
    assert result.err.startswith("pico-ota: ")
    assert result.err.count("\n") == 1


def test_a_failed_fetch_leaves_no_half_file(cli, here):
    (here / "a.py").write_text("mine\n")
    assert cli("cp", ":t/missing.py", "a.py").status == 1
    assert sorted(path.name for path in here.iterdir()) == ["a.py"]
    assert (here / "a.py").read_text() == "mine\n"


def test_a_file_that_arrives_damaged_is_not_kept(cli, here, monkeypatch):
    (here / "a.py").write_text("x = 1\n")
    cli("cp", "a.py", ":t/a.py")
    honest = Remote.read

    @contextmanager
    def damaging(self, path, *limit):
        with honest(self, path, *limit) as (digest, pieces):
            yield digest, (piece.replace(b"1", b"2") for piece in pieces)

    monkeypatch.setattr(Remote, "read", damaging)
    result = cli("cp", ":t/a.py", "b.py")
    assert (result.status, result.out) == (1, "")
    assert "arrived damaged" in result.err
    assert [path.name for path in here.iterdir()] == ["a.py"]


def test_a_fetched_file_has_the_rights_of_any_other(cli, here):
    (here / "a.py").write_text("a\n")
    cli("cp", "a.py", ":t/a.py")
    cli("cp", ":t/a.py", "b.py")
    assert (here / "b.py").stat().st_mode == (here / "a.py").stat().st_mode


def test_names_with_blanks_and_letters_of_the_world(cli, here):
    name = "ein höflicher % name #1?.py"
    (here / name).write_text("ok\n")
    assert cli("cp", name, ":t/").status == 0
    assert cli("cat", f":t/{name}").out == "ok\n"
    assert name in cli("ls", ":t").out


def test_ls_shows_sizes_and_folders(cli, here):
    (here / "a.py").write_bytes(b"x" * 1234)
    cli("cp", "a.py", ":t/a.py")
    cli("mkdir", ":t/sub")
    assert cli("ls", ":t").out == "       1 234  a.py\n              sub/\n"
    assert json.loads(cli("ls", ":t", "--json").out) == [
        {"path": "/t/a.py", "directory": False, "size": 1234},
        {"path": "/t/sub", "directory": True, "size": 0},
    ]
    assert "boot.py" in cli("ls").out
    assert "boot.py" in cli("ls", "/").out
    both = cli("ls", ":t", "t/sub").out
    assert both.startswith("/t:\n")
    assert both.endswith("/t/sub:\n")


def test_tree_shows_all_below(cli, here):
    (here / "a.py").write_bytes(b"x" * 10)
    cli("mkdir", ":t/one/two")
    cli("cp", "a.py", ":t/one/a.py")
    assert cli("tree", "-s", ":t").out.splitlines() == [
        "/t",
        "└── one",
        "    ├── a.py  (10)",
        "    └── two",
    ]
    found = json.loads(cli("tree", ":t", "--json").out)
    assert [entry["path"] for entry in found] == ["/t/one", "/t/one/a.py", "/t/one/two"]


def test_cat_prints_bytes_as_they_are(cli, here):
    data = bytes(range(256)) * 20
    (here / "a.bin").write_bytes(data)
    cli("cp", "a.bin", ":t/a.bin")
    command = [sys.executable, "-m", "pico_ota.cli", "cat", ":t/a.bin"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == data


def test_cat_of_a_folder_prints_nothing(cli):
    result = cli("cat", ":t")
    assert (result.status, result.out) == (1, "")
    assert "/t is a folder" in result.err


def test_a_reader_that_has_seen_enough_is_no_error(here, cli):
    (here / "a.bin").write_bytes(b"line\n" * 50_000)
    cli("cp", "a.bin", ":t/a.bin")
    script = f"{sys.executable} -m pico_ota.cli cat :t/a.bin | head -1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("line\n", "")


def test_rm_takes_files_and_with_r_folders(cli, here):
    cli("mkdir", ":t/full/deep")
    (here / "a.py").write_text("a\n")
    cli("cp", "a.py", ":t/full/a.py")
    refused = cli("rm", ":t/full")
    assert refused.status == 1
    assert "'rm -r' deletes" in refused.err
    assert "X-OTA" not in refused.err
    assert cli("rm", "-r", ":t/full").out == "deleted :/t/full\n"
    assert cli("ls", ":t").out == ""


def test_rm_of_what_is_not_there(cli):
    missing = cli("rm", ":t/missing")
    assert (missing.status, missing.out) == (1, "")
    assert "/t/missing" in missing.err
    assert cli("rm", "-f", ":t/missing").status == 0
    answer = json.loads(cli("rm", ":t/missing", "--json").out)
    assert answer["error"] == "not_found"
    assert answer["exit_status"] == 1


def test_the_updater_is_protected_until_told_otherwise(cli, here):
    (here / "x").write_text("a\n")
    for attempt in (
        ["rm", ":ota/page.txt"],
        ["mv", ":ota/page.txt", ":t/page.txt"],
        ["cp", "x", ":ota/extra.txt"],
    ):
        refused = cli(*attempt)
        assert refused.status == 1
        assert "--protected" in refused.err
        assert "X-OTA" not in refused.err
    assert cli("cp", "--protected", "x", ":ota/extra.txt").status == 0
    assert cli("rm", "--protected", ":ota/extra.txt").status == 0
    for attempt in (["rm", ":service_ota.mpy"], ["cp", "x", ":ota/extra.mpy"]):
        for options in ([], ["--protected"]):
            refused = cli(*attempt, *options)
            assert refused.status == 1
            assert "only an update replaces it" in refused.err
            assert "--protected" not in refused.err


def test_the_records_of_the_updater_are_out_of_reach(cli):
    assert cli("rm", "-r", "--protected", ":.ota").status == 1
    assert cli("ls", ":.ota").status == 1


def test_mv_renames_moves_into_folders_and_never_overwrites(cli, here):
    (here / "a.py").write_text("a\n")
    (here / "b.py").write_text("b\n")
    cli("cp", "a.py", "b.py", ":t")
    assert cli("mv", ":t/a.py", ":t/c.py").out == ":/t/a.py -> :/t/c.py\n"
    refused = cli("mv", ":t/b.py", ":t/c.py")
    assert refused.status == 1
    assert cli("cat", ":t/c.py").out == "a\n"
    cli("mkdir", ":t/sub")
    moved = json.loads(cli("mv", ":t/b.py", ":t/c.py", ":t/sub", "--json").out)["moved"]
    assert [row["to"] for row in moved] == ["/t/sub/b.py", "/t/sub/c.py"]
    assert cli("mv", ":t/x").status == 2


def test_mkdir_makes_all_above_and_is_content_with_what_is_there(cli):
    assert cli("mkdir", ":t/a/b/c").out == "made :/t/a/b/c\n"
    again = cli("mkdir", ":t/a/b/c")
    assert (again.status, again.out) == (0, "there already: :/t/a/b/c\n")


def test_df_adds_up(cli):
    space = json.loads(cli("df", "--json").out)
    assert space["used"] + space["free"] == space["total"] == 848 * 1024
    assert cli("df").out.splitlines()[1].startswith("868 352")


def test_sha256sum_is_that_of_the_content(cli, here):
    data = os.urandom(5000)
    (here / "a.bin").write_bytes(data)
    cli("cp", "a.bin", ":t/a.bin")
    expected = hashlib.sha256(data).hexdigest()
    assert cli("sha256sum", ":t/a.bin").out == f"{expected}  /t/a.bin\n"
    assert json.loads(cli("sha256sum", ":t/a.bin", "--json").out) == {"/t/a.bin": expected}
    for nothing in (":t/missing", ":t"):
        refused = cli("sha256sum", nothing)
        assert refused.status == 1
        assert "is no file of the device" in refused.err


def test_a_full_flash_is_told_with_numbers(cli, here):
    (here / "huge.bin").write_bytes(bytes(900_000))
    refused = cli("cp", "huge.bin", ":t/huge.bin", "--json")
    assert refused.status == 1
    answer = json.loads(refused.out)
    assert answer["error"] in ("no_space", "too_large")
    assert refused.err.startswith("pico-ota: ")
    assert cli("ls", ":t").out == ""


def test_quiet_says_nothing_but_results(cli, here):
    (here / "a.py").write_text("a\n")
    assert cli("-q", "cp", "a.py", ":t/a.py").out == ""
    assert cli("cp", "-q", "-f", "a.py", ":t/a.py").out == ""
    assert cli("-q", "cat", ":t/a.py").out == "a\n"
    assert cli("-q", "rm", ":t/a.py").out == ""


def test_very_verbose_shows_each_request_on_stderr(cli, here):
    (here / "a.py").write_text("a\n")
    result = cli("-vv", "cp", "a.py", ":t/a.py")
    assert "PUT /fs/t/a.py: 201" in result.err
    assert "PUT" not in result.out
