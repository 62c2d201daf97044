"""A device takes in a release: what is staged, what goes live, where it goes on after a break."""

import hashlib
import json
import sys
from types import SimpleNamespace

import pytest
from release_attacks import Signer, entries_of, span_of
from release_device import ROOT
from release_samples import APP, LIVE, write_app

from pico_ota.release import archive as cpio
from pico_ota.release import builder

NEW_LIVE = {"/boot.py": LIVE["/boot.py"]} | {"/" + name: data for name, data in APP.items()}


def digests(files):
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


def test_a_signed_release_is_staged_file_by_file(device, archive, trusted, keys):
    answer = device.take(archive, keys=trusted)
    assert answer == {
        "version": "2.0.0",
        "signer": keys[0].key.id,
        "staged": digests({"/" + name: data for name, data in APP.items()}),
    }


@pytest.mark.parametrize("chunk", [1, 2, 109, 110, 111, 512, 2048, 5000, 1 << 20])
def test_pieces_of_any_size(device, archive, trusted, chunk):
    assert device.take(archive, keys=trusted, chunk=chunk)["version"] == "2.0.0"


def test_a_release_goes_live_and_old_files_go(device, archive, trusted):
    device.take(archive, keys=trusted, commit=True)
    after = device.look()
    assert (after["state"], after["version"]) == ("trial", "2.0.0")
    assert after["live"] == digests(NEW_LIVE)
    assert not [path for path in after["left"] if path.startswith("/.ota/release")]
    device.ask("confirm")
    device.ask("rollback")
    assert device.look()["live"] == device.live


def test_no_trial_when_none_is_asked_for(device, make_release, trusted):
    device.take(make_release(trial=False).read_bytes(), keys=trusted, commit=True)
    after = device.look()
    assert (after["state"], after["last"]["outcome"]) == ("idle", "installed")


def test_without_keys_anything_sound_is_taken(device, make_release, archive):
    unsigned = make_release(sign=False).read_bytes()
    assert device.take(unsigned)["signer"] is None
    assert device.take(archive)["signer"] is None
    assert device.take(unsigned[:-600])["word"] == "truncated"
    answer = device.take(unsigned, keys=None, floor="2.0.1")
    assert answer["word"] == "downgrade"


def test_signed_only_without_a_key_takes_nothing(device, archive):
    assert device.take(archive, required=True)["word"] == "no_key"
    assert device.look()["left"] == []


def test_modules_that_this_firmware_cannot_load(device, archive, keys, trusted):
    signer = Signer(archive, keys[0].private)
    line = r"^floor = "
    for lines, word in {
        'mpy = "6.0";': None,
        'mpy = "6.3";': None,
        'mpy = "5.3";': "mpy_incompatible",
        'mpy = "7.0";': "mpy_incompatible",
        'mpy = "6.3";\narch = "armv6m";': "mpy_incompatible",  # the test runs on another one
        'mpy = "6.3";\narch = "rv32imc";': "mpy_incompatible",
        'arch = "armv6m";': "bad_description",
        'mpy = "6.3";\narch = "z80";': "bad_description",
        'mpy = "6";': "bad_description",
    }.items():
        data = signer.edited((line, f"{lines}\nfloor = "))
        assert device.take(data, keys=trusted).get("word") == word, lines


def test_what_this_board_is_called():
    sys.path.append(str(ROOT / "device"))
    from ota.board import board_name

    def named(build="", machine=""):
        return board_name(SimpleNamespace(_build=build, _machine=machine))

    assert named("RPI_PICO_W") == "RPI_PICO_W"
    assert named("RPI_PICO2_W-RISCV") == "RPI_PICO2_W"
    assert named("", "Raspberry Pi Pico W with RP2040") == "RPI_PICO_W"
    assert named("", "Raspberry Pi Pico 2 W with RP2350") == "RPI_PICO2_W"
    assert named("MY_BOARD", "something else") == "MY_BOARD"
    assert board_name(SimpleNamespace()) is None


# --- floor -----------------------------------------------------------------------------------


def test_the_floor_rises_with_the_confirmation_and_not_before(device, archive, trusted):
    device.take(archive, keys=trusted, commit=True)
    assert device.look()["floor"] is None
    device.ask("confirm")
    assert device.look()["floor"] == "2.0.0"


def test_a_floor_that_was_chosen(device, make_release, trusted):
    data = make_release(floor="1.5.0").read_bytes()
    device.take(data, keys=trusted, commit=True)
    device.ask("confirm")
    assert device.look()["floor"] == "1.5.0"


def test_the_floor_never_sinks(device, make_release, trusted):
    device.take(make_release(floor="1.5.0").read_bytes(), keys=trusted, commit=True)
    device.ask("confirm")
    lower = make_release(version="2.0.1", floor="0.0.0").read_bytes()
    device.take(lower, fresh=False, keys=trusted, commit=True)
    device.ask("confirm")
    assert device.look()["floor"] == "1.5.0"


def test_a_release_that_is_undone_leaves_the_floor(device, archive, trusted):
    device.take(archive, keys=trusted, commit=True)
    device.ask("rollback")
    after = device.look()
    assert (after["state"], after["floor"]) == ("idle", None)
    assert after["live"] == device.live


def test_without_keys_no_floor_rises(device, archive):
    # Anybody could lock out all versions but his own.
    device.take(archive, commit=True)
    device.ask("confirm")
    assert device.look()["floor"] is None


# --- going on after a break ------------------------------------------------------------------


def boundaries(data):
    """Places in an archive where things begin and end, and some in between."""
    places = {1, 109, 110, 111, len(data) - 1, len(data) - 511}
    for name, _ in entries_of(data):
        for place in span_of(data, name):
            places |= {place, place + 1, max(0, place - 1)}
    _, content, end = span_of(data, "0001-new.py")
    places |= {content + 100, content + 2049, (content + end) // 2}
    return sorted(place for place in places if 0 < place < len(data))


def test_it_goes_on_wherever_it_was_interrupted(device, archive, trusted):
    inside = 0
    for stop in boundaries(archive):
        paused = device.take(archive, keys=trusted, stop=stop)
        assert paused == {"paused": stop}
        half = device.look()["half"]
        if half is None:
            # Before the plan there is nothing to go on from, and nothing is left.
            assert stop <= span_of(archive, "0001-new.py")[0], stop
            assert device.look()["left"] == []
            assert device.look()["state"] == "idle"
            continue
        assert half["version"] == "2.0.0"
        # What is live already is not asked for again, even if it was interrupted.
        _, _, same = span_of(archive, "0002-same.py")
        assert half["received"] <= max(stop + 3, same + -same % 4)
        inside += half["received"] == stop
        answer = device.take(archive, fresh=False, keys=trusted, offset=half["received"],
                             commit=True)  # fmt: skip
        assert answer.get("version") == "2.0.0", (stop, half, answer)
        assert device.look()["live"] == digests(NEW_LIVE), stop
    assert inside > 5


def test_it_goes_on_after_a_restart(device, archive, trusted):
    _, content, _ = span_of(archive, "0003-main.py")
    device.take(archive, keys=trusted, stop=content + 300)
    device.ask("boot")
    half = device.look()["half"]
    assert half["received"] == content + 300
    assert half["sha256"] == hashlib.sha256(entries_of(archive)[0][1]).hexdigest()
    device.take(archive, fresh=False, keys=trusted, offset=half["received"], commit=True)
    assert device.look()["live"] == digests(NEW_LIVE)


def test_only_where_it_stopped_it_goes_on(device, archive, trusted):
    _, content, _ = span_of(archive, "0003-main.py")
    device.take(archive, keys=trusted, stop=content + 300)
    for offset in (1, content, content + 299, content + 301, len(archive)):
        answer = device.take(archive, fresh=False, keys=trusted, offset=offset)
        assert answer["word"] == "wrong_offset"
        assert answer["extra"]["received"] == content + 300
    # Nothing was lost by asking.
    again = device.take(archive, fresh=False, keys=trusted, offset=content + 300)
    assert again["version"] == "2.0.0"


def test_another_archive_cannot_go_on(device, archive, make_release, trusted):
    _, content, _ = span_of(archive, "0003-main.py")
    other = cpio.pack([(n, d.replace(b"new", b"bad")) for n, d in entries_of(archive)])
    device.take(archive, keys=trusted, stop=content + 300)
    answer = device.take(other, fresh=False, keys=trusted, offset=content + 300)
    assert answer["word"] == "digest_mismatch"
    after = device.look()
    assert (after["state"], after["left"], after["live"]) == ("idle", [], device.live)


def test_from_the_start_it_begins_anew(device, archive, make_release, trusted):
    _, content, _ = span_of(archive, "0003-main.py")
    device.take(archive, keys=trusted, stop=content + 300)
    newer = make_release("2.0.1").read_bytes()
    assert device.take(newer, fresh=False, keys=trusted, commit=True)["version"] == "2.0.1"
    assert device.look()["version"] == "2.0.1"


def test_what_was_staged_otherwise_is_in_the_way(device, archive, trusted):
    sha = hashlib.sha256(b"a=1").hexdigest()
    device.ask("push", sha=sha)
    answer = device.take(archive, fresh=False, keys=trusted)
    assert (answer["word"], answer["status"]) == ("busy", 409)
    after = device.look()
    assert (after["state"], after["half"]) == ("staging", None)
    device.ask("abort")
    assert device.take(archive, fresh=False, keys=trusted)["version"] == "2.0.0"


def test_an_old_record_does_not_stand_for_another_update(device, archive, trusted):
    _, content, _ = span_of(archive, "0003-main.py")
    device.take(archive, keys=trusted, stop=content + 300)
    device.ask("abort")
    device.ask("push", sha=hashlib.sha256(b"a=1").hexdigest())
    assert device.look()["half"] is None
    assert device.take(archive, fresh=False, keys=trusted)["word"] == "busy"


def test_a_release_on_trial_is_in_the_way(device, archive, make_release, trusted):
    device.take(archive, keys=trusted, commit=True)
    newer = make_release("2.0.1").read_bytes()
    answer = device.take(newer, fresh=False, keys=trusted)
    assert (answer["word"], answer["status"]) == ("busy", 409)
    assert device.look()["state"] == "trial"


def test_an_old_record_is_cleaned_up(device, archive, trusted):
    _, content, _ = span_of(archive, "0003-main.py")
    device.take(archive, keys=trusted, stop=content + 300)
    assert "/.ota/release" in device.look()["left"]
    device.ask("abort")
    device.ask("boot")
    assert device.look()["left"] == []


def test_a_damaged_record_is_not_gone_on_with(device, archive, trusted):
    _, content, _ = span_of(archive, "0003-main.py")
    text = entries_of(archive)[0][1]
    for path, data in (
        ("/.ota/release", text.replace(b"/main.py", b"/evil.py")),
        ("/.ota/release.json", b"{}"),
        ("/.ota/release.json", b"\xff"),
    ):
        device.take(archive, keys=trusted, stop=content + 300)
        device.ask("write", path=path, data=data.hex())
        assert device.look()["half"] is None
        answer = device.take(archive, fresh=False, keys=trusted, offset=content + 300)
        assert (answer["word"], answer["extra"]) == ("wrong_offset", {"received": 0})
        assert device.take(archive, fresh=False, keys=trusted)["word"] == "busy"
        device.ask("abort")
        assert device.take(archive, fresh=False, keys=trusted)["version"] == "2.0.0"


# --- keys ------------------------------------------------------------------------------------


@pytest.fixture
def rotation(make_release, keys):
    """A release signed by the first key that makes the second the only one trusted."""
    return make_release(trust=(keys[1].public,)).read_bytes()


def test_a_release_changes_the_keys(device, rotation, make_release, keys, trusted):
    device.take(rotation, keys=trusted, commit=True)
    device.ask("confirm")
    assert device.ask("keys", keys=trusted)["ids"] == [keys[1].key.id]
    by_old = make_release("2.0.1").read_bytes()
    assert device.take(by_old, fresh=False, keys=trusted)["word"] == "bad_signature"
    by_new = make_release("2.0.1", key=keys[1].private).read_bytes()
    assert device.take(by_new, fresh=False, keys=trusted)["signer"] == keys[1].key.id


def test_a_release_that_is_undone_takes_its_keys_with_it(device, rotation, keys, trusted):
    device.take(rotation, keys=trusted, commit=True)
    device.ask("rollback")
    assert device.ask("keys", keys=trusted)["ids"] == [keys[0].key.id]


def test_a_stranger_cannot_change_the_keys(device, make_release, keys, trusted):
    data = make_release(key=keys[1].private, trust=(keys[1].public,)).read_bytes()
    assert device.take(data, keys=trusted)["word"] == "bad_signature"
    assert device.ask("keys", keys=trusted)["ids"] == [keys[0].key.id]


def test_a_keyring_that_cannot_be_read_is_refused(device, keys, make_release, trusted, tmp_path):
    good = keys[1].key.as_json()
    for number, content in enumerate((
        b"", b"{", b"[]", b'{"keys": []}', b"\xff", json.dumps({**good, "e": 3}).encode(),
        json.dumps([good] * 5).encode(), b" " * 6145, b"null",
    )):  # fmt: skip
        folder = write_app(tmp_path / str(number), {"ota/keys.json": content, "main.py": b"1"})
        # Not by --trust, which checks: the file lies in the folder itself.
        data = unchecked(make_release, folder, keys)
        answer = device.take(data, keys=trusted)
        assert answer.get("word") == "bad_keyring", content
        assert device.look()["live"] == device.live


def unchecked(make_release, folder, keys):
    """Build a release that the host would refuse to build."""
    read, builder.read = builder.read, lambda *_: None
    try:
        return make_release(folder=folder).read_bytes()
    finally:
        builder.read = read


def test_a_damaged_keyring_does_not_bring_old_keys_back(device, trusted, archive):
    device.ask("write", path="/ota/keys.json", data=b"{".hex())
    assert device.take(archive, fresh=False, keys=trusted)["word"] == "bad_keyring"
