"""A device takes in a release: what is staged, what goes live, where it goes on after a break."""

import hashlib
import json
from urllib.parse import quote

import pytest
from release_attacks import Signer, entries_of, span_of
from release_samples import APP, LIVE, write_app

from pico_ota.release import archive as cpio
from pico_ota.release import builder

NEW_LIVE = {path: LIVE[path] for path in ("/boot.py", "/ota_boot.mpy")}
NEW_LIVE |= {"/" + name: data for name, data in APP.items()}


def digests(files):
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


def test_a_signed_release_is_staged_file_by_file(device, archive, trusted, keys):
    answer = device.take(archive, keys=trusted)
    assert answer == {
        "status": 201,
        "id": hashlib.sha256(entries_of(archive)[0][1]).hexdigest(),
        "version": "2.0.0",
        "signer": keys[0].key.id,
        "state": "staging",
        "need": [],
        "bytes": 0,
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
    assert not [path for path in after["left"] if "/.ota/new" in path or "description" in path]
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
    assert device.take(archive, required=True, keys=None)["word"] == "no_key"
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


# --- the head alone, and the files one by one ------------------------------------------------


def head_of(data):
    """Return *data* up to its first file."""
    return data[: span_of(data, "0001-new.py")[0]]


def send(device, path, data, first=0, **headers):
    target = "/api/v1/update/files" + quote(path)
    if first:
        headers["content-range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
    return device.ask("ask", data[first:], method="PUT", target=target, headers=headers)


def test_the_head_alone_says_what_is_needed(device, archive, trusted):
    answer = device.take(head_of(archive), keys=trusted, keep=True)
    # What is live is not needed, and an empty file is a file.
    need = ["/lib/new.py", "/main.py", "/www/empty.txt", "/www/page one.html"]
    assert (answer["status"], answer["need"]) == (201, need)
    assert answer["bytes"] == sum(len(APP[path[1:]]) for path in need)
    for path in need:
        sent = send(device, path, APP[path[1:]])
        assert sent == {"status": 201, "received": len(APP[path[1:]]), "size": len(APP[path[1:]])}
    done = device.ask("ask", b"", method="POST", target="/api/v1/update/commit")
    assert (done["status"], done["state"]) == (202, "committed")
    device.ask("boot")
    assert device.look()["live"] == digests(NEW_LIVE)


def test_a_head_that_ends_as_an_archive_is_a_head(device, archive, trusted):
    # As `cpio -o` writes it when it is given the head's two files.
    answer = device.take(cpio.pack(entries_of(archive)[:2]), keys=trusted)
    assert (answer["status"], len(answer["need"])) == (201, 4)


def test_a_head_cut_anywhere_begins_nothing(device, archive, trusted):
    head = head_of(archive)
    behind_text = span_of(archive, "sw-description.sig")[0]
    for end in [*range(0, len(head), 61), behind_text - 1, len(head) - 1]:
        answer = device.take(head[:end], keys=trusted)
        assert answer["word"] == "truncated", end
        after = device.look()
        assert (after["state"], after["left"], after["live"]) == ("idle", [], device.live), end
    assert device.take(head[:behind_text], keys=trusted)["word"] == "unsigned"


def test_an_unsigned_head_on_a_device_that_takes_signed_releases(device, make_release, trusted):
    unsigned = make_release(sign=False).read_bytes()
    assert device.take(head_of(unsigned), keys=trusted)["word"] == "unsigned"
    assert device.look()["left"] == []
    # Without the duty to sign it is a push like any other.
    assert device.take(head_of(unsigned), keys=trusted, required=False)["signer"] is None


def test_the_head_of_one_release_with_the_files_of_another(device, archive, keys, trusted):
    other = dict(map(tuple, entries_of(archive)))
    other["0003-main.py"] = other["0003-main.py"].replace(b"new", b"bad")
    mixed = cpio.pack([(name, other[name]) for name, _ in entries_of(archive)])
    answer = device.take(mixed, keys=trusted)
    assert answer["word"] == "unexpected_entry"  # its checksum is another
    device.take(head_of(archive), keys=trusted, keep=True)
    answer = send(device, "/main.py", other["0003-main.py"])
    assert (answer["word"], answer["status"]) == ("digest_mismatch", 422)
    rows = device.ask("ask", b"", method="GET", target="/api/v1/update")["files"]
    assert [row["received"] for row in rows if row["path"] == "/main.py"] == [0]
    assert device.look()["live"] == device.live


def test_an_archive_whose_files_are_partly_live_is_compared_all_the_same(device, archive, trusted):
    _, content, _ = span_of(archive, "0002-same.py")
    swapped = bytearray(archive)
    # Two bytes change places, so that only the digest tells.
    swapped[content : content + 2] = swapped[content + 1 : content - 1 : -1]
    answer = device.take(bytes(swapped), keys=trusted)
    assert answer["word"] == "digest_mismatch"
    assert device.look()["state"] == "idle"


def test_a_file_that_is_not_listed(device, archive, trusted):
    device.take(head_of(archive), keys=trusted, keep=True)
    answer = send(device, "/lib/other.py", b"1")
    assert (answer["word"], answer["status"]) == ("not_in_update", 404)


def test_no_file_without_a_description(device):
    answer = send(device, "/main.py", b"1")
    assert (answer["word"], answer["status"]) == ("wrong_state", 409)
    answer = device.ask("ask", b"", method="GET", target="/api/v1/update")
    assert (answer["word"], answer["status"]) == ("no_update", 404)


def test_a_commit_too_early_names_what_is_missing(device, archive, trusted):
    head = head_of(archive)
    answer = device.ask("reset") or device.ask(
        "ask", head, keys=trusted, method="PUT", target="/api/v1/update?commit=yes"
    )
    assert (answer["word"], answer["status"], answer["extra"]["count"]) == ("missing", 409, 4)
    assert answer["extra"]["need"][0] == "/lib/new.py"
    assert device.look()["state"] == "staging"


def test_one_request_installs(device, archive, trusted, keys):
    answer = device.ask(
        "ask", archive, keys=trusted, method="PUT", target="/api/v1/update?commit=yes&restart=no"
    )
    del answer["id"]
    assert answer == {
        "status": 202, "state": "committed", "version": "2.0.0", "boot_id": "0",
        "signer": keys[0].key.id,
    }  # fmt: skip
    device.ask("boot")
    assert device.look()["live"] == digests(NEW_LIVE)


def test_what_was_staged_unsigned_is_not_committed_by_a_device_that_became_strict(
    device, make_release, trusted
):
    device.take(make_release(sign=False).read_bytes(), keep=True)
    answer = device.ask("ask", b"", keys=trusted, method="POST", target="/api/v1/update/commit")
    assert (answer["word"], answer["status"]) == ("signed_only", 403)
    assert device.look()["live"] == device.live


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
    staged = 0
    for stop in boundaries(archive):
        assert device.take(archive, keys=trusted, stop=stop, keep=True) == {"gone": True}
        half = device.look()
        if half["state"] == "idle":
            # Before the head was complete there is nothing to go on from, and nothing is left.
            assert stop < span_of(archive, "0001-new.py")[1], stop
            assert half["left"] == []
            continue
        assert half["live"] == device.live
        # The same description again, here as a head, tells what is still needed.
        answer = device.take(head_of(archive), fresh=False, keys=trusted, keep=True)
        assert answer["status"] == 201, (stop, answer)
        staged += "/lib/new.py" not in answer["need"]
        rows = device.ask("ask", b"", method="GET", target="/api/v1/update")["files"]
        for row in rows:
            if row["needed"]:
                data = APP[row["path"][1:]]
                assert send(device, row["path"], data, row["received"])["status"] == 201
        device.ask("ask", b"", method="POST", target="/api/v1/update/commit")
        device.ask("boot")
        assert device.look()["live"] == digests(NEW_LIVE), stop
    assert staged > 5


def test_the_whole_archive_again_goes_on_too(device, archive, trusted):
    _, content, _ = span_of(archive, "0003-main.py")
    device.take(archive, keys=trusted, stop=content + 300, keep=True)
    device.ask("boot")
    answer = device.take(archive, fresh=False, keys=trusted, commit=True)
    assert (answer["status"], answer["need"]) == (201, [])
    assert device.look()["live"] == digests(NEW_LIVE)


def test_a_file_goes_on_only_where_it_stopped(device, archive, trusted):
    _, content, _ = span_of(archive, "0001-new.py")
    device.take(archive, keys=trusted, stop=content + 4000, keep=True)
    (row, *_) = device.ask("ask", b"", method="GET", target="/api/v1/update")["files"]
    here, data = row["received"], APP["lib/new.py"]
    assert 0 < here <= 4000
    for first in (1, here - 1, here + 1, len(data) - 1):
        answer = send(device, "/lib/new.py", data, first)
        assert (answer["word"], answer["extra"]) == ("wrong_offset", {"received": here})
    assert send(device, "/lib/new.py", data, here)["status"] == 201


def test_another_session_is_not_written_to(device, archive, trusted):
    device.take(head_of(archive), keys=trusted, keep=True)
    answer = send(device, "/main.py", APP["main.py"], **{"x-ota-session": "0" * 64})
    assert (answer["word"], answer["status"]) == ("stale_session", 409)
    answer = send(device, "/main.py", APP["main.py"],
                  **{"x-ota-session": device.look()["id"]})  # fmt: skip
    assert answer["status"] == 201


def test_another_release_waits_until_nobody_goes_on_with_the_first(
    device, archive, make_release, trusted
):
    device.take(head_of(archive), keys=trusted, keep=True)
    newer = make_release("2.0.1").read_bytes()
    answer = device.take(newer, fresh=False, keys=trusted)
    assert (answer["word"], answer["status"]) == ("busy", 409)
    assert answer["extra"]["id"] == device.look()["id"]
    answer = device.take(newer, fresh=False, keys=trusted, force=True, commit=True)
    assert answer["version"] == "2.0.1"
    assert device.look()["version"] == "2.0.1"


def test_a_release_on_trial_is_in_the_way(device, archive, make_release, trusted):
    device.take(archive, keys=trusted, commit=True)
    newer = make_release("2.0.1").read_bytes()
    answer = device.take(newer, fresh=False, keys=trusted)
    assert (answer["word"], answer["status"]) == ("busy", 409)
    assert device.look()["state"] == "trial"


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


def test_a_roll_back_does_not_bring_a_retired_key_back(
    device, rotation, make_release, keys, trusted
):
    device.take(rotation, keys=trusted, commit=True)
    device.ask("confirm")
    device.ask("rollback")
    after = device.look()
    # All else is as before.
    assert {p: d for p, d in after["live"].items() if p != "/ota/keys.json"} == device.live
    assert device.ask("keys", keys=trusted)["ids"] == [keys[1].key.id]
    by_old = make_release("2.0.1").read_bytes()
    assert device.take(by_old, fresh=False, keys=trusted)["word"] == "bad_signature"


def test_a_roll_back_of_a_second_rotation_keeps_the_second_key(
    device, rotation, make_release, keys, trusted
):
    device.take(rotation, keys=trusted, commit=True)
    device.ask("confirm")
    back = make_release("2.1.0", key=keys[1].private, trust=(keys[0].public,)).read_bytes()
    device.take(back, fresh=False, keys=trusted, commit=True)
    device.ask("confirm")
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
