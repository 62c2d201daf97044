"""A device takes in a release: what is staged, what goes live, where it can go on after a break."""

import hashlib

from conftest import APP, LIVE


def digests(files):
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


def test_a_signed_release_is_staged_file_by_file(device, archive, trusted, keys):
    answer = device.take(archive, keys=trusted)
    assert answer == {
        "version": "2.0.0",
        "signer": keys[0].key.id,
        "staged": digests({"/" + name: data for name, data in APP.items()}),
    }


def test_a_release_goes_live_and_old_files_go(device, archive, trusted):
    device.take(archive, keys=trusted, commit=True)
    after = device.look()
    assert after["state"] == "trial"
    assert after["version"] == "2.0.0"
    live = {"/boot.py": LIVE["/boot.py"]} | {"/" + name: data for name, data in APP.items()}
    assert after["live"] == digests(live)
