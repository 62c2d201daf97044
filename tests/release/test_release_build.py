"""What `build`, `keygen`, `inspect` and `verify` promise, on the host alone."""

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from release_attacks import DESCRIPTION, SIGNATURE, entries_of
from release_samples import APP, write_app

from pico_ota.errors import PicoOtaError, UsageError
from pico_ota.release import (
    Options,
    ReleaseError,
    archive,
    attach,
    build,
    inspect,
    keygen,
    load_public_keys,
    load_signing_key,
    read,
    verify,
)

NATIVE = b"import micropython\n@micropython.native\ndef f(a):\n    return a + 1\n"


def refused(word, function, *args, **more):
    with pytest.raises(ReleaseError) as caught:
        function(*args, **more)
    assert caught.value.word == word, caught.value
    assert str(caught.value).rstrip().endswith((".", "…"))
    return str(caught.value)


# --- the same bytes -------------------------------------------------------------------------


def test_the_same_input_gives_the_same_archive(keys, tmp_path):
    first = write_app(tmp_path / "here", APP)
    # Another place, order of creation, time and mode.
    second = write_app(tmp_path / "there" / "deep", dict(reversed(APP.items())))
    for path in second.rglob("*"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o755)
    made = []
    for folder, env in ((first, "UTC"), (second, "Asia/Tokyo")):
        out = tmp_path / f"{len(made)}.swu"
        os.environ["TZ"] = env
        build(folder, out, "1.0.0", Options(mpy=True), sign_key=keys[0].private)
        made.append(out.read_bytes())
    del os.environ["TZ"]
    assert made[0] == made[1]


def test_every_input_counts(app, keys, make_release, tmp_path):
    changed = write_app(tmp_path / "app", {**APP, "www/empty.txt": b"x"})
    made = [
        make_release(),
        make_release("2.0.1"),
        make_release(mpy=True),
        make_release(delete=()),
        make_release(trial=False),
        make_release(floor="1.0.0"),
        make_release(micropython="1.26.0"),
        make_release(boards=("RPI_PICO_W",)),
        make_release(key=keys[1].private),
        make_release(sign=False),
        make_release(trust=(keys[0].public,)),
        make_release(ignore=("www/",)),
        make_release(folder=changed),
    ]
    assert len({path.read_bytes() for path in made}) == len(made)


def test_a_failed_build_leaves_the_old_archive(app, tmp_path):
    out = tmp_path / "x.swu"
    out.write_bytes(b"old")
    refused("bad_version", build, app, out, "one")
    assert out.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.swu"]


def test_an_output_that_cannot_be_written(app, tmp_path):
    refused("unwritable", build, app, tmp_path / "no" / "x.swu", "1.0.0")


# --- modules --------------------------------------------------------------------------------


def test_modules_are_compiled_but_what_runs_by_name(tmp_path):
    files = {"boot.py": b"import ota_boot\nota_boot.run()\n", "main.py": b"import a\n",
             "a.py": b"A = 1\n", "lib/main.py": b"M = 1\n", "data.txt": b"1"}  # fmt: skip
    app = write_app(tmp_path / "app", files)
    made = build(app, tmp_path / "x.swu", "1.0.0", Options(mpy=True))
    paths = [file.path for file in made.description.files]
    assert paths == ["/a.mpy", "/boot.py", "/data.txt", "/lib/main.mpy", "/main.py"]
    content = dict(zip(paths, made.contents, strict=True))
    assert content["/a.mpy"][:2] == b"M\6"
    assert made.description.mpy.startswith("6.")
    assert made.description.arch == ""
    # The path of this machine is nowhere in it, the one of the device is.
    assert str(tmp_path).encode() not in content["/a.mpy"]
    assert b"a.py" in content["/a.mpy"]
    assert b"/" not in content["/a.mpy"]


@pytest.mark.parametrize(
    ("boards", "arch"),
    [
        (("RPI_PICO_W",), "armv6m"),
        (("RPI_PICO2_W",), "armv7emsp"),
        (("RPI_PICO_W", "RPI_PICO2_W"), "armv6m"),
    ],
)
def test_native_code_is_compiled_for_the_board(tmp_path, boards, arch):
    app = write_app(tmp_path / "app", {"main.py": b"", "fast.py": NATIVE})
    made = build(app, tmp_path / "x.swu", "1.0.0", Options(mpy=True, boards=boards))
    assert made.description.arch == arch


def test_native_code_of_another_processor_is_refused(tmp_path):
    app = write_app(tmp_path / "app", {"main.py": b"", "fast.py": NATIVE})
    build(app, tmp_path / "x.swu", "1.0.0", Options(mpy=True, boards=["RPI_PICO2_W"]))
    fast = dict(map(tuple, entries_of((tmp_path / "x.swu").read_bytes())))["0001-fast.mpy"]
    other = write_app(tmp_path / "other", {"main.py": b"", "fast.mpy": fast})
    out = tmp_path / "y.swu"
    message = refused("mpy_incompatible", build, other, out, "1.0.0")
    assert "armv7emsp" in message
    assert build(other, out, "1.0.0", Options(boards=["RPI_PICO2_W"])).description.arch
    for head in (b"M\5\x13\x1f", b"X\6\0\x1f", b"M", b"M\6\x0b\x1f"):
        (other / "fast.mpy").write_bytes(head + fast[4:] if len(head) > 1 else head)
        refused("mpy_incompatible", build, other, out, "1.0.0")


def test_what_does_not_compile_is_told_with_its_line(tmp_path):
    app = write_app(tmp_path / "app", {"main.py": b"", "lib/x.py": b"a = 1\nb = (\n"})
    with pytest.raises(PicoOtaError, match=r"/lib/x\.py.*line"):
        build(app, tmp_path / "x.swu", "1.0.0", Options(mpy=True))


# --- what cannot be built --------------------------------------------------------------------


def test_bad_options(app, keys, tmp_path):
    out = tmp_path / "x.swu"

    def bad(word, version="1.0.0", **options):
        refused(word, build, app, out, version, Options(**options))
        assert not out.exists()

    bad("bad_version", "1.0")
    bad("bad_version", floor="1.0.1")
    bad("bad_version", floor="x")
    bad("bad_board", boards=())
    bad("bad_board", boards=["pico"])
    bad("bad_board", boards=["RPI PICO"])
    bad("bad_board", boards=[f"B{number}" for number in range(9)])
    bad("bad_description", boards=["RPI_PICO_W:one/two"])
    bad("bad_description", micropython="1.25")
    bad("bad_path", delete=["old.py"])
    bad("bad_path", delete=["/a/../b"])
    bad("duplicate", delete=["/main.py"])
    bad("bad_path", delete=['/"'])
    bad("protected", delete=["/.ota/state"])
    bad("protected", delete=["/boot.py"])
    for form in ("py", "mpy"):
        bad("protected", delete=["/lib/old.py", f"/ota_boot.{form}"])
    bad("protected", delete=["/ota_boot.py", "/ota_boot.mpy"])
    bad("too_many", delete=[f"/{number}" for number in range(1001)])
    bad("bad_key", trust=[app / "main.py"])


def test_bad_folders(tmp_path):
    out = tmp_path / "x.swu"
    (tmp_path / "empty").mkdir()
    refused("nothing", build, tmp_path / "empty", out, "1.0.0")
    with pytest.raises(UsageError):
        build(tmp_path / "missing", out, "1.0.0")
    for name, word in (('a"b.py', "bad_path"), (".ota/state", "protected"),
                       ("main.mpy", "bad_path"), ("ota.py", "hidden"), ("lib/ota/x.py", "hidden"),
                       ("service_ota/x.py", "protected"), ("boot.py/x", "protected"),
                       ("main.py/x", "not_directory")):  # fmt: skip
        app = write_app(tmp_path / name.replace("/", "_"), {"main.txt": b"1", name: b"M\6\0\x1f"})
        refused(word, build, app, out, "1.0.0")
    both = write_app(tmp_path / "both", {"x.py": b"", "x.mpy": b"M\6\0\x1f"})
    with pytest.raises(UsageError, match=r"\.mpy"):
        build(both, out, "1.0.0")
    many = write_app(tmp_path / "many", {f"f{n}": b"" for n in range(1001)})
    with pytest.raises(UsageError, match="at most 1000 files"):
        build(many, out, "1.0.0")
    assert not out.exists()


def test_the_guard_may_change_its_form(tmp_path):
    app = write_app(tmp_path / "app", {"ota_boot.mpy": b"M\6\3\x1f"})
    build(app, tmp_path / "x.swu", "1.0.0", Options(delete=["/ota_boot.py"]))


def test_300_files_fit(tmp_path, device, trusted, keys):
    app = write_app(tmp_path / "many", {f"d/f{n:04d}": b"%d" % n for n in range(300)})
    out = tmp_path / "x.swu"
    made = build(app, out, "1.0.0", sign_key=keys[0].private)
    assert len(made.description.files) == 300
    answer = device.take(out.read_bytes(), keys=trusted)
    assert len(answer["staged"]) == 300


def test_names_of_all_kinds_travel(tmp_path, device, trusted, keys):
    names = ["ü ö/ß €.txt", "a b.py", "$HOME", "'", "-x", ".hidden", "a;b", "x" * 200,
             "#", "日本/語", "a,b", "{ }", "%41", "tilde~x"]  # fmt: skip
    app = write_app(tmp_path / "app", {name: name.encode() for name in names})
    out = tmp_path / "x.swu"
    build(app, out, "1.0.0", sign_key=keys[0].private)
    answer = device.take(out.read_bytes(), keys=trusted)
    expected = {f"/{name}": hashlib.sha256(name.encode()).hexdigest() for name in names}
    assert answer["staged"] == expected


# --- keys -----------------------------------------------------------------------------------


def test_keygen_writes_three_files_and_never_over_another(tmp_path):
    made = keygen(tmp_path / "new" / "keys")
    folder = made.private.parent
    assert sorted(p.name for p in folder.iterdir()) == ["cert.pem", "private.pem", "public.json"]
    assert stat.S_IMODE(made.private.stat().st_mode) == 0o600
    public = json.loads(made.public.read_text())
    assert set(public) == {"alg", "id", "n", "e"}
    assert (public["alg"], public["e"]) == ("rsa-pkcs1-sha256", 65537)
    assert int(public["n"], 16).bit_length() == 3072
    before = {path: path.read_bytes() for path in folder.iterdir()}
    refused("key_exists", keygen, folder)
    for name in ("private.pem", "cert.pem", "public.json"):
        other = tmp_path / name
        other.mkdir()
        (other / name).symlink_to(tmp_path / "nowhere")
        refused("key_exists", keygen, other)
        assert len(list(other.iterdir())) == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    refused("bad_key", keygen, tmp_path / "small", bits=1024)


def test_all_forms_of_a_key_are_the_same_key(keys):
    key = keys[0]
    for path in (key.private, key.certificate, key.public):
        assert load_public_keys(path) == [key.key]


def test_keys_that_are_none(keys, app, tmp_path):
    out = tmp_path / "x.swu"
    run = ["openssl", "genpkey", "-out", str(tmp_path / "ec.pem"), "-algorithm", "EC",
           "-pkeyopt", "ec_paramgen_curve:P-256"]  # fmt: skip
    subprocess.run(run, check=True, capture_output=True)
    run = ["openssl", "genrsa", "-out", str(tmp_path / "small.pem"), "1024"]
    subprocess.run(run, check=True, capture_output=True)
    (tmp_path / "text").write_text("hello")
    for name in ("ec.pem", "small.pem", "text", "missing"):
        refused("bad_key", load_public_keys, tmp_path / name)
    mine, other = keys
    refused("bad_key", build, app, out, "1.0.0", sign_key=mine.private,
            certificate=other.certificate)  # fmt: skip
    refused("bad_key", build, app, out, "1.0.0", sign_key=mine.certificate)
    refused("bad_key", build, app, out, "1.0.0", sign_key=tmp_path / "ec.pem",
            certificate=mine.certificate)  # fmt: skip
    refused("bad_key", load_signing_key, tmp_path / "small.pem")
    assert not out.exists()


# --- verify and inspect ---------------------------------------------------------------------


def test_verify_takes_any_form_of_the_key(make_release, keys):
    path = make_release()
    mine, other = keys
    for key in (mine.private, mine.certificate, mine.public, [other.public, mine.public]):
        assert verify(path, key).signer == mine.key
    for key in (other.certificate, [other.key]):
        refused("bad_signature", verify, path, key)
    refused("unsigned", verify, make_release(sign=False), mine.public)
    assert verify(make_release(sign=False)).signer is None


def test_verify_asks_for_the_device(make_release, keys):
    path, key = make_release(), keys[0].public
    assert verify(path, key, board="RPI_PICO2_W", micropython="1.25.0", floor="2.0.0")
    refused("wrong_board", verify, path, key, board="RPI_PICO")
    refused("old_micropython", verify, path, key, micropython="1.24.1")
    refused("downgrade", verify, path, key, floor="2.0.1")
    refused("unreadable", verify, path.parent / "missing.swu", key)
    refused("too_large", verify, Path("/dev/zero"), key)
    refused("bad_key", verify, path, Path("/dev/zero"))


def test_verify_knows_what_a_board_can_load(tmp_path):
    app = write_app(tmp_path / "app", {"main.py": b"", "fast.py": NATIVE})
    path = tmp_path / "x.swu"
    build(app, path, "1.0.0", Options(mpy=True, boards=["RPI_PICO2_W"]))
    assert verify(path, board="RPI_PICO2_W")
    entries = entries_of(path.read_bytes())
    text = entries[0][1].decode()
    board = ("RPI_PICO2_W = { hard", "RPI_PICO_W = { hard")
    plain = ('arch = "armv7emsp";\n', "")

    def changed(*changes):
        new = text
        for old, to in changes:
            assert old in new
            new = new.replace(old, to)
        path.write_bytes(archive.pack([(DESCRIPTION, new.encode()), *entries[1:]]))
        return path

    # What the description says, and what a file is that it says nothing of.
    refused("mpy_incompatible", verify, changed(board))
    refused("mpy_incompatible", verify, changed(board, plain))
    refused("mpy_incompatible", verify, changed(('mpy = "6.3"', 'mpy = "5.3"')))
    refused("bad_description", verify, changed(("armv7emsp", "xtensawin")))
    refused("mpy_incompatible", verify, changed(("armv7emsp", "rv32imc"), board))
    # Nobody knows that board here.
    assert verify(changed(("RPI_PICO2_W", "SOME_BOARD")))


def test_verify_finds_a_guard_that_goes(make_release, keys):
    entries = entries_of(make_release().read_bytes())
    for form in (b"/ota_boot.py", b"/ota_boot.mpy"):
        text = entries[0][1].replace(b"/lib/gone.py", form)
        with pytest.raises(ReleaseError) as caught:
            read(archive.pack([(DESCRIPTION, text), *entries[2:]]))
        assert caught.value.word == "protected"


def test_inspect_tells_all_and_trusts_nobody(make_release, keys):
    path = make_release("2.1.0", mpy=True, boards=("RPI_PICO_W:1.0", "RPI_PICO_W:1.1"))
    found = inspect(path)
    told = json.loads(json.dumps(found.as_json()))
    assert told["version"] == told["floor"] == "2.1.0"
    assert told["boards"] == {"RPI_PICO_W": ["1.0", "1.1"]}
    assert told["delete"] == ["/lib/gone.py"]
    assert told["signer"] == {"name": "pico-ota release", "key": keys[0].key.id, "matches": True}
    # Somebody else's certificate around it: a claim that does not hold.
    data = path.read_bytes()
    strange = make_release("2.1.1", key=keys[1].private).read_bytes()
    claimed = path.with_suffix(".claimed")
    claimed.write_bytes(attach(data, dict(map(tuple, entries_of(strange)))[SIGNATURE]))
    assert inspect(claimed).signer.matches is False
    unsigned = inspect(make_release(sign=False))
    assert (unsigned.signer, unsigned.as_json()["signed"]) == (None, False)


def test_attach_replaces_a_signature(make_release, keys):
    text = dict(map(tuple, entries_of(make_release().read_bytes())))[DESCRIPTION]
    from pico_ota.release.signing import sign

    signature = sign(text, load_signing_key(keys[1].private))
    once = attach(make_release(sign=False).read_bytes(), signature)
    again = attach(make_release().read_bytes(), signature)
    assert once == again == make_release(key=keys[1].private).read_bytes()


def test_the_package_is_not_loaded_for_help():
    code = "import sys, pico_ota.cli.app; print([m for m in sys.modules if 'cryptography' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


# --- both sides have the same limits ----------------------------------------------------------


def test_the_constants_of_host_and_device_are_the_same():
    from release_device import ROOT

    from pico_ota.release import archive, description, keys, native, paths, reading, signing

    def constants(name):
        found = {}
        for line in (ROOT / "device" / "ota" / f"{name}.py").read_text().splitlines():
            left, equals, right = line.partition(" = ")
            if equals and left.strip("_").isupper() and line[0] not in " #":
                found[left.lstrip("_")] = right.split("  #")[0]
        return found

    def number(name, key):
        text = constants(name)[key].replace("const", "")
        return eval(text, {"__builtins__": {}})

    pairs = [
        (archive.MAX_NAME, number("updates", "MAX_NAME")),
        (archive.HEADER_SIZE, number("updates", "HEADER")),
        (description.MAX_SIZE, number("trust", "MAX_TEXT")),
        (description.MAX_LINE, number("description", "MAX_LINE")),
        (description.MAX_BOARDS, number("conditions", "MAX_BOARDS")),
        (description.MAX_BYTES, number("conditions", "MAX_BYTES")),
        (paths.MAX_ENTRIES, number("description", "MAX_ENTRIES")),
        (native.ARCHITECTURES, tuple(number("conditions", "ARCHITECTURES"))),
        (signing.MAX_SIZE, number("trust", "MAX_SIGNATURE")),
        (reading.MAX_KEYRING, number("trust", "MAX_KEYRING")),
        (reading.DESCRIPTION, number("trust", "NAME")),
        (keys.MAX_KEYS, number("trust", "MAX_KEYS")),
        (keys.KEYRING_PATH, number("record", "KEYRING")),
        (keys.EXPONENT, number("trust", "EXPONENT")),
        (keys.ALGORITHM, number("trust", "ALGORITHM")),
        (paths.MAX_PATH, number("paths", "MAX_PATH")),
        (paths.MAX_DEPTH, number("paths", "MAX_DEPTH")),
        (paths.PRIVATE, number("paths", "PRIVATE")),
    ]
    assert [host for host, _ in pairs] == [device for _, device in pairs]
