"""Tools that nobody here wrote read what `build` makes, and what they make a device takes."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from release_attacks import DESCRIPTION, SIGNATURE, entries_of, table, with_content
from stock_swupdate import swupdate

from pico_ota.release import attach, keygen

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BOARDS = ("RPI_PICO_W:1.0", "RPI_PICO2_W:1.0")


def needs(command):
    return pytest.mark.skipif(shutil.which(command) is None, reason=f"{command} is not installed")


def run(*command, timeout=60, **more):
    return subprocess.run(
        [str(part) for part in command], check=True, capture_output=True, timeout=timeout, **more
    ).stdout


def in_parallel(function, items):
    # It spends a second asleep, whatever the archive.
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(function, items))


@needs("swupdate")
def test_swupdate_accepts_it_on_both_boards_and_no_other(archive, keys):
    certificate = keys[0].certificate
    asked = [*BOARDS, "RPI_PICO_W:1.1", "RPI_PICO:1.0", "RPI_PICO2:1.0"]
    verdicts = in_parallel(
        lambda board: swupdate(archive, certificate, board, hoped=board in BOARDS)[0], asked
    )
    assert dict(zip(asked, verdicts, strict=True)) == {board: board in BOARDS for board in asked}


@needs("swupdate")
def test_swupdate_accepts_every_size_of_key_for_both_purposes(app, make_release, tmp_path):
    cases = []
    for bits in (2048, 3072, 4096):
        key = keygen(tmp_path / str(bits), bits=bits)
        data = make_release(key=key.private).read_bytes()
        cases += [(data, key.certificate, p) for p in ("emailProtection", "codeSigning")]
    verdicts = in_parallel(lambda c: swupdate(c[0], c[1], purpose=c[2]), cases)
    assert [verdict for verdict, _ in verdicts] == [True] * 6


@needs("swupdate")
def test_swupdate_accepts_300_files_and_every_option(make_release, keys, tmp_path):
    folder = tmp_path / "app"
    for number in range(300):
        path = folder / f"d{number % 7}" / f"module_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"N = {number}\n")
    big = make_release(folder=folder).read_bytes()
    rich = make_release(
        "2.1.0-rc.1+build.7", mpy=True, delete=("/a.py", "/b/c.py"), floor="0.0.0", trial=False,
        boards=("RPI_PICO_W:1.0", "RPI_PICO_W:1.1", "RPI_PICO2_W"), trust=(keys[1].public,),
    ).read_bytes()  # fmt: skip
    for data in (big, rich):
        accepted, log = swupdate(data, keys[0].certificate)
        assert accepted, log[-2000:]


@needs("swupdate")
def test_swupdate_refuses_what_the_device_refuses_or_there_is_a_reason(make_release, keys):
    data = make_release().read_bytes()
    foreign = make_release("3.0.0", delete=()).read_bytes()
    attacks = table(data, keys[0].private, keys[1].private, foreign)
    asked = {name: one for name, one in attacks.items() if one.swupdate is not None}

    def verdict(one):
        board = "RPI_PICO:1.0" if one.device == ("board", "RPI_PICO") else BOARDS[0]
        return swupdate(one.data, keys[0].certificate, board, hoped=bool(one.swupdate))

    verdicts = in_parallel(verdict, asked.values())
    surprises = [
        (name, one.swupdate or "should be refused", log[-300:])
        for (name, one), (accepted, log) in zip(asked.items(), verdicts, strict=True)
        if accepted != bool(one.swupdate)
    ]
    assert not surprises
    # What a stranger can do without the key is refused unless it changes nothing that counts.
    assert sum(not one.swupdate for one in asked.values()) > 50


@needs("swupdate")
def test_bytes_around_the_cms(archive, keys, trusted, device):
    # Each side looks at one end of the entry: the CMS at its beginning, the RSA value at its end.
    signature = dict(map(tuple, entries_of(archive)))[SIGNATURE]
    for data, here, stock in (
        (signature + b"junk", False, True),
        (b"junk" + signature, True, False),
        (signature[:-256] + b"junk" + signature[-256:], True, False),
        (signature + b"junk" + signature[-256:], True, True),
    ):
        changed = with_content(archive, SIGNATURE, data)
        assert ("signer" in device.take(changed, keys=trusted)) is here
        assert swupdate(changed, keys[0].certificate, hoped=stock)[0] is stock


@needs("openssl")
def test_openssl_verifies_the_signature(archive, keys, tmp_path):
    entries = dict(map(tuple, entries_of(archive)))
    (tmp_path / "text").write_bytes(entries[DESCRIPTION])
    (tmp_path / "sig").write_bytes(entries[SIGNATURE])
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "sig", "-content",
               "text", "-CAfile", keys[0].certificate, "-out", os.devnull]  # fmt: skip
    run(*command, cwd=tmp_path)
    (tmp_path / "text").write_bytes(entries[DESCRIPTION] + b"\n")
    with pytest.raises(subprocess.CalledProcessError):
        run(*command, cwd=tmp_path)


@needs("openssl")
def test_openssl_alone_makes_the_key_and_signs(make_release, device, tmp_path):
    run("openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "3650",
        "-subj", "/CN=ci", "-addext", "extendedKeyUsage=emailProtection,codeSigning",
        "-keyout", "key.pem", "-out", "cert.pem", cwd=tmp_path)  # fmt: skip
    unsigned = make_release(sign=False).read_bytes()
    (tmp_path / "text").write_bytes(dict(map(tuple, entries_of(unsigned)))[DESCRIPTION])
    run("openssl", "cms", "-sign", "-binary", "-noattr", "-outform", "DER", "-signer", "cert.pem",
        "-inkey", "key.pem", "-in", "text", "-out", "sig", cwd=tmp_path)  # fmt: skip
    signed = attach(unsigned, (tmp_path / "sig").read_bytes())
    # The keys of a device, from the certificate alone.
    from pico_ota.release import load_public_keys

    (key,) = load_public_keys(tmp_path / "cert.pem")
    assert device.take(signed, keys=key.as_json())["signer"] == key.id
    if shutil.which("swupdate"):
        assert swupdate(signed, tmp_path / "cert.pem")[0]
    # The bare value that `openssl dgst` makes, as swupdate built for raw RSA wants it.
    run("openssl", "dgst", "-sha256", "-sign", "key.pem", "-out", "raw", "text", cwd=tmp_path)
    bare = attach(unsigned, (tmp_path / "raw").read_bytes())
    assert device.take(bare, keys=key.as_json())["signer"] == key.id


@needs("openssl")
def test_a_signature_with_signed_attributes_is_refused(make_release, keys, device, trusted,
                                                       tmp_path):  # fmt: skip
    unsigned = make_release(sign=False).read_bytes()
    (tmp_path / "text").write_bytes(dict(map(tuple, entries_of(unsigned)))[DESCRIPTION])
    run("openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", keys[0].certificate,
        "-inkey", keys[0].private, "-in", "text", "-out", "sig", cwd=tmp_path)  # fmt: skip
    signed = attach(unsigned, (tmp_path / "sig").read_bytes())
    assert device.take(signed, keys=trusted)["word"] == "bad_signature"


@needs("cpio")
def test_cpio_lists_and_unpacks_it(archive, tmp_path):
    listed = run("cpio", "-it", "--quiet", input=archive).decode().splitlines()
    assert listed == [name for name, _ in entries_of(archive)]
    run("cpio", "-id", "--quiet", "--only-verify-crc", input=archive, cwd=tmp_path)
    run("cpio", "-id", "--quiet", input=archive, cwd=tmp_path)
    assert [[name, (tmp_path / name).read_bytes()] for name in listed] == entries_of(archive)


@needs("cpio")
def test_cpio_alone_makes_the_same_bytes(archive, tmp_path):
    names = []
    for name, data in entries_of(archive):
        names.append(name)
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o644)
        os.utime(tmp_path / name, (0, 0))
    packed = run("cpio", "-o", "-H", "crc", "--reproducible", "-R", "0:0", "--quiet",
                 input="\n".join(names).encode() + b"\n", cwd=tmp_path)  # fmt: skip
    assert packed == archive


def test_goosebit_takes_it_on_upload(make_release, tmp_path):
    rich = make_release("2.1.0-rc.1", mpy=True, delete=("/old.py",), boards=("RPI_PICO_W:1.0",))
    damaged = tmp_path / "damaged.swu"
    damaged.write_bytes(rich.read_bytes().replace(b"software =", b"software ~"))
    archives = [make_release(), rich, damaged]
    out = run(sys.executable, HERE / "goosebit_upload.py", tmp_path, *archives)
    told = json.loads(out.decode().splitlines()[-1])
    assert told["answers"] == [200, 200, 422]
    found = {
        one["version"]: sorted((c["model"], c["revision"]) for c in one["compatibility"])
        for one in told["software"]
    }
    assert found == {
        "2.0.0": [("RPI_PICO2_W", "1.0"), ("RPI_PICO_W", "1.0")],
        "2.1.0-rc.1": [("RPI_PICO_W", "1.0")],
    }
