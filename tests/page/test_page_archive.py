"""The page's description and archive against those of the command line, byte for byte."""

import base64
import hashlib
import random
from pathlib import Path

import pytest

from pico_ota.release import Options, archive, build, keygen
from pico_ota.release.builder import describe
from pico_ota.release.reading import DESCRIPTION
from pico_ota.sync import local_file

DESCRIBE = """
    const files = [];
    for (const [path, content] of input.files) {
        const file = new Blob([Buffer.from(content, "base64")]);
        const measured = await page.measure(file, new AbortController().signal);
        files.push({ path, size: file.size, ...measured });
    }
    const description = page.describe(input.version, files, input.gone);
    const head = Buffer.from(await page.headOf(description).arrayBuffer());
    return { head: head.toString("base64"), id: page.idOf(description) };
"""
OPEN = """
    const release = await page.openRelease(new File([Buffer.from(input, "base64")], "x.swu"));
    const base64 = async (blob) => Buffer.from(await blob.arrayBuffer()).toString("base64");
    release.head = await base64(release.head);
    for (const listed of release.files) listed.file = await base64(listed.file);
    return release;
"""
CASES = {
    "one": {"/main.py": b"print('hello')\n"},
    "empty file": {"/lib/__init__.py": b"", "/lib/util.py": b"x = 1\n"},
    "names": {
        "/data/grüße 100%.txt": b"1",
        "/data/été/naïve (copy).txt": b"2",
        "/data/😀😀.bin": b"3",
        "/data/{a}, b; 'c' = d.txt": b"4",
        "/.hidden": b"5",
        "/-dash": b"6",
        "/" + "long_name_" * 20 + ".py": b"7",
        "/" + "日本" * 20 + "語.py": b"8",
    },
    # U+FF5E comes before U+1F600 by its UTF-8, but behind its first half in UTF-16.
    "order": dict.fromkeys(("/b/\uff5e", "/b/\U0001f600", "/b.x", "/a.py", "/a/b", "/Z"), b"1"),
    "big": {"/a.bin": random.Random(1).randbytes(300_000), "/b.bin": b"\xff" * 140_000},
    "compiled": {"/lib/x.mpy": b"M\x06\x13\x1f" + bytes(40)},
}


def described(files, version, gone):
    local = [local_file(path, data, Path(path)) for path, data in files.items()]
    return describe(local, version, gone).render()


@pytest.mark.parametrize("gone", [(), ("/old.py", "/lib/\uff5e", "/lib/\U0001f600", "/Alt.py")])
@pytest.mark.parametrize("name", CASES)
def test_description_and_head_are_those_of_the_command_line(page_js, name, gone):
    content = [[path, base64.b64encode(data).decode()] for path, data in CASES[name].items()]
    random.Random(name).shuffle(content)
    version = "2025.11.30-1650~x"
    made = page_js(DESCRIBE, {"version": version, "files": content, "gone": list(gone)})
    text = described(CASES[name], version, gone)
    assert made["id"] == hashlib.sha256(text).hexdigest()
    head = base64.b64decode(made["head"])
    whole = archive.pack([(DESCRIPTION, text)])
    assert whole.startswith(head)
    assert whole[len(head) :].startswith(b"070702" + b"0" * 8)
    assert b"TRAILER!!!" in whole[len(head) :][:124]


def test_deletions_alone(page_js):
    made = page_js(DESCRIBE, {"version": "1", "files": [], "gone": ["/b.py", "/a.py"]})
    text = described({}, "1", ["/a.py", "/b.py"])
    assert made["id"] == hashlib.sha256(text).hexdigest()


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A signed release: its bytes, and what is in it."""
    folder = tmp_path_factory.mktemp("release")
    keys = keygen(folder / "keys", bits=2048)
    files = {"lib/empty.py": b"", "main.py": b"print(1)\n", "été.txt": b"e" * 5001}
    for path, data in files.items():
        (folder / "app" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "app" / path).write_bytes(data)
    options = Options(delete=("/old.py", "/lib/old.py"))
    build(folder / "app", folder / "x.swu", "1.4.0", options, sign_key=keys.private)
    return (folder / "x.swu").read_bytes(), files


def opened(page_js, data):
    return page_js(OPEN, base64.b64encode(data).decode())


def test_a_release_is_opened(page_js, release):
    data, files = release
    read = opened(page_js, data)
    entries = list(archive.unpack(data))
    assert read["version"] == "1.4.0"
    assert read["signed"] is True
    assert read["id"] == hashlib.sha256(entries[0].data).hexdigest()
    assert read["gone"] == ["/lib/old.py", "/old.py"]
    content = {f["path"]: base64.b64decode(f["file"]) for f in read["files"]}
    assert content == {"/" + path: content for path, content in files.items()}
    assert all(f["size"] == len(content[f["path"]]) for f in read["files"])
    assert all(f["sha"] == hashlib.sha256(content[f["path"]]).hexdigest() for f in read["files"])
    head = base64.b64decode(read["head"])
    assert data.startswith(head)
    signature = entries[1].data
    assert head.rstrip(b"\0").endswith(signature.rstrip(b"\0"))
    assert data[len(head) : len(head) + 6] == b"070702"


def test_an_unsigned_release_has_a_head_of_one_entry(page_js, release):
    entries = [(entry.head.name, entry.data) for entry in archive.unpack(release[0])]
    read = opened(page_js, archive.pack([entries[0], *entries[2:]]))
    assert read["signed"] is False
    assert base64.b64decode(read["head"]).endswith(b"};\n" + b"\0" * (-len(entries[0][1]) % 4))


def refused(page_js, data):
    with pytest.raises(AssertionError) as failure:
        opened(page_js, data)
    return str(failure.value)


def test_what_is_no_release_is_refused_with_words(page_js, release):
    data = release[0]
    for other in (b"", data[:50], b"PK\x03\x04" + bytes(500), b"\xff" * 400, data[1:]):
        assert "x.swu is no release" in refused(page_js, other)
    for short in (data[:110], data[:130], data[:1000], data[: len(data) - 1200]):
        assert "ends too early" in refused(page_js, short), len(short)
    assert "x.swu is no release" in refused(page_js, archive.pack([("something", b"else")]))
    huge = bytearray(data)
    huge[54:62] = b"FFFFFFFF"  # the size of the description
    assert "ends too early" in refused(page_js, bytes(huge))
    long_name = bytearray(data)
    long_name[94:102] = b"FFFFFFFF"
    assert "ends too early" in refused(page_js, bytes(long_name))
    big = archive.pack([(DESCRIPTION, bytes(192 * 1024 + 4))])
    assert "x.swu is no release" in refused(page_js, big)
    entries = [(entry.head.name, entry.data) for entry in archive.unpack(data)]
    entries[1] = (entries[1][0], bytes(8 * 1024 + 4))
    assert "signature is too long" in refused(page_js, archive.pack(entries))
    overwritten = bytearray(data)
    overwritten[data.rindex(b"070702", 0, data.rindex(b"0003-"))] = 0
    assert "nothing begins at byte" in refused(page_js, bytes(overwritten))


def test_files_that_are_not_where_they_are_listed_are_seen(page_js, release):
    entries = [(entry.head.name, entry.data) for entry in archive.unpack(release[0])]
    for damaged in (
        [*entries[:2], *entries[3:]],
        [*entries[:2], *reversed(entries[2:])],
        [*entries[:-1], (entries[-1][0], entries[-1][1] + b"1")],
        entries[:-1],
    ):
        assert "was damaged" in refused(page_js, archive.pack(damaged))
