"""Names that no request can spell: listed so that every verb takes them."""

import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from wire import ask, refused

from pico_ota.cli import main
from pico_ota.sim.image import write_files

APP = (Path(__file__).parents[1] / "apps" / "plain" / "main.py").read_text()
#: What littlefs has, and how it is listed.
NAMES = {
    b"a\xff\xfe.txt": "a\uf0ff\uf0fe.txt",
    b"caf\xe9": "caf\uf0e9",
    b"back\\slash": "back\uf05cslash",
    b"line\nbreak": "line\uf00abreak",
    b"\x01\x1b[2J\x7f": "\uf001\uf01b[2J\uf07f",
    'looks "like" \uf0ff one'.encode(): 'looks "like" \uf0ef\uf083\uf0bf one',
    "\uff58\u20ac\u00e9".encode(): "\uff58\u20ac\u00e9",
    b"\xed\xa0\x80": "\uf0ed\uf0a0\uf080",
}
CODE = """
import os
for top in (b"/", b"/t/"):
    for name in %r:
        with open(top + name, "wb") as file:
            file.write(b"odd")
    os.mkdir(top + b"folder\\\\\\xff")
    with open(top + b"folder\\\\\\xff/\\xfe", "wb") as file:
        file.write(b"odd")
"""


@pytest.fixture
def odd(make_pico, fresh_image, tmp_path):
    """A board with such names in `/` and in `/t`."""
    image = tmp_path / "odd.img"
    shutil.copyfile(fresh_image("plain"), image)
    code = (
        "try:\n    os = __import__('os')\n    os.mkdir('/t')\nexcept OSError:\n    pass\nelse:\n"
    )
    code += (CODE % list(NAMES)).replace("\n", "\n    ") + "\n"
    write_files(image, {"/main.py": (code + APP).encode()})
    return make_pico(image=image)


def names(board, folder):
    return {f["name"]: f for f in ask(board, "GET", f"/fs{folder}").json["files"]}


@pytest.mark.parametrize("folder", ["/", "/t/"])
def test_every_verb_takes_the_names_of_a_listing(odd, folder):
    found = names(odd, folder)
    assert set(NAMES.values()) <= set(found)
    for name in NAMES.values():
        path = f"/fs{folder}{quote(name)}"
        got = ask(odd, "GET", path)
        assert (got.status, got.body) == (200, b"odd"), name
        assert ask(odd, "HEAD", path).status == 200
        assert ask(odd, "MOVE", path, x_destination="/fs/t/moved").status == 201
        assert ask(odd, "GET", "/fs/t/moved").body == b"odd"
        assert ask(odd, "DELETE", "/fs/t/moved").status == 204
        assert ask(odd, "GET", path).status == 404
    inner = "/fs" + folder + quote("folder\uf05c\uf0ff") + "/"
    assert list(names(odd, inner[3:])) == ["\uf0fe"]
    assert ask(odd, "GET", inner + quote("\uf0fe")).body == b"odd"
    refused(ask(odd, "DELETE", inner, x_ota_recursive="no"), 409, "not_empty")
    assert ask(odd, "DELETE", inner).status == 204
    left = set(names(odd, folder))
    assert not {name for name in left if any("\uf000" <= c <= "\uf0ff" for c in name)}


def test_a_file_is_deleted_by_its_escaped_name_and_with_its_folder(odd):
    for name in NAMES.values():
        assert ask(odd, "DELETE", "/fs/" + quote(name)).status == 204
    assert ask(odd, "DELETE", "/fs/t", x_ota_recursive="yes").status == 204
    assert not set(NAMES.values()) & set(names(odd, "/"))


def test_no_such_name_can_be_made(odd):
    before = odd.flash_operations
    for name in ("new\uf0ff", "\uf05c", "t/\uf001"):
        refused(ask(odd, "PUT", "/fs/" + quote(name), b"x"), 400, "bad_path")
        refused(ask(odd, "PUT", f"/fs/{quote(name)}/"), 400, "bad_path")
        into = ask(odd, "MOVE", "/fs/main.py", x_destination="/fs/" + quote(name))
        refused(into, 400, "bad_path")
    assert odd.flash_operations == before


@pytest.mark.parametrize(
    "name",
    [
        *("\uf02e\uf02e/main.py", "\uf02eota/state", "t\uf02f..\uf02fmain.py"),
        *(".ota\uf000/state", ".ota\uf000", "main\uf02epy"),
    ],
)
def test_an_escape_does_not_lead_to_another_place(odd, name):
    for verb, options in (("GET", {}), ("DELETE", {}), ("MOVE", {"x_destination": "/fs/x"})):
        assert ask(odd, verb, "/fs/" + quote(name), **options).status == 404
    assert ask(odd, "GET", "/fs/main.py").status == 200


def test_the_command_line_works_beside_such_names(odd, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PICO_OTA_HOST", odd.url.removeprefix("http://"))
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "new.txt").write_text("new")

    def run(*arguments):
        status = main(list(arguments))
        output = capsys.readouterr()
        assert status == 0, output.err
        return output.out

    for verb in ("ls", "tree"):
        assert r"caf\uf0e9" in run(verb, ":/t")
    run("cp", "-r", ":/t", "copy")
    assert (
        len([path for path in (tmp_path / "copy").rglob("*") if path.is_file()]) == len(NAMES) + 1
    )
    told = run("push", "app/", "--to", "/t", "--delete", "--dry-run")
    assert r"caf\uf0e9 stays" in told
    run("rm", r":/t/caf\uf0e9")
    assert r"caf\uf0e9" not in run("ls", ":/t")
    run("rm", "-r", ":/t")
    run("push", "app/", "--to", "/t", "--delete", "--no-wait", "--no-restart")
