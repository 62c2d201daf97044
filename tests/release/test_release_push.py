"""The description of a push: the same form as that of a release, without what it does not need."""

import hashlib

import pytest
from release_attacks import DESCRIPTION
from release_samples import LIVE, write_app

from pico_ota.release import ReleaseError, archive, read
from pico_ota.release.builder import describe
from pico_ota.sync import scan

TEXT = """\
software =
{
version = "files-0123";
pico-ota = {
format = 1;
micropython = "1.25.0";
trial = true;
files = 2;
bytes = 13;
deletes = 1;
delete = (
"/lib/gone.py"
);
};
files = (
{ filename = "0001-n_w.py"; path = "/lib/n w.py"; sha256 = "%s"; size = 8; chksum = "000001A2"; },
{ filename = "0002-main.py"; path = "/main.py"; sha256 = "%s"; size = 5; chksum = "000001C1"; }
);
};
"""
FILES = {"main.py": b"pass\n", "lib/n w.py": b"NEW = 1\n"}


@pytest.fixture
def files(tmp_path):
    return scan([write_app(tmp_path / "app", FILES)])


def digest(data):
    return hashlib.sha256(data).hexdigest()


def pack(description, *contents):
    """Return the archive with the files *contents*; without any, only its head."""
    names = [file.filename for file in description.files]
    return archive.pack([(DESCRIPTION, description.render()), *zip(names, contents, strict=False)])


def test_its_text(files):
    text = describe(files, "files-0123", ["/lib/gone.py"]).render().decode()
    assert text == TEXT % tuple(digest(data) for data in reversed(FILES.values()))


def test_the_same_files_in_any_order_are_the_same_update(files):
    deletes = ["/b", "/a", "/b", "/\u00e9", "/z", "/\U0001d11e", "/\uff5e"]
    one, other = describe(files, "1", deletes), describe(files[::-1], "1", set(deletes))
    assert one.render() == other.render()
    assert list(one.deletes) == sorted(set(deletes), key=str.encode)
    assert describe(files, "1", trial=False).render() != describe(files, "1").render()


def test_a_device_takes_the_head_and_says_what_it_lacks(files, device):
    described = describe(files, "files-0123", ["/lib/gone.py"])
    answer = device.take(pack(described), keep=True)
    assert answer["id"] == digest(described.render())
    assert (answer["version"], answer["signer"]) == ("files-0123", None)
    assert answer["need"] == ["/lib/n w.py", "/main.py"]
    assert answer["bytes"] == 13
    device.ask("abort")


def test_a_device_and_the_host_take_the_whole(files, device):
    described = describe(files, "files-0123", ["/lib/gone.py"])
    data = pack(described, *(file.read() for file in files))
    assert read(data).description == described
    assert device.take(data, commit=True)["need"] == []
    device.ask("confirm")
    found = device.look()
    assert (found["version"], found["live"]["/main.py"]) == ("files-0123", digest(b"pass\n"))
    assert "/lib/gone.py" not in found["live"]


def test_one_that_only_deletes(device):
    described = describe([], "1", ["/lib/gone.py"])
    assert read(pack(described)).description == described
    assert device.take(pack(described), commit=True)["need"] == []
    live = device.look()["live"]
    assert set(LIVE) - set(live) == {"/lib/gone.py"}


@pytest.mark.parametrize("version", ["", "x" * 41, "a b", 'a"b', "a\\b", "\u00e9", "a\n", "\x7f"])
def test_words_that_name_no_version(files, version):
    with pytest.raises(ReleaseError) as caught:
        describe(files, version)
    assert caught.value.word == "bad_version"


@pytest.mark.parametrize("version", ["!", "~", "1.0", "v1.2-3-gabc+0", "x" * 40, "{};=#'"])
def test_words_that_do(files, version, device):
    assert device.take(pack(describe(files, version)))["version"] == version
