"""RSA signatures that are almost right: the whole block is compared, so all are refused."""

import hashlib

import pytest
from release_attacks import DESCRIPTION, entries_of

from pico_ota.release import attach, keygen, load_signing_key

SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
SHA1 = bytes.fromhex("3021300906052b0e03021a05000414")
NO_NULL = bytes.fromhex("302f300b0609608648016503040201" + "0420")


@pytest.fixture(scope="module")
def unsigned(make_release):
    return make_release(sign=False).read_bytes()


@pytest.fixture(scope="module")
def numbers(keys):
    return load_signing_key(keys[0].private).private.private_numbers()


@pytest.fixture(scope="module")
def digest(unsigned):
    text = dict(map(tuple, entries_of(unsigned)))[DESCRIPTION]
    return hashlib.sha256(text).digest()


def block(info, digest, fill=None, kind=b"\1", behind=b"", size=256):
    """Return an encoded block; *fill* is the number of FF bytes, all there is room for if None."""
    end = b"\0" + info + digest + behind
    count = size - 2 - len(end) if fill is None else fill
    return b"\0" + kind + b"\xff" * count + end


def raw(numbers, encoded, size=256):
    value = pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n)
    return value.to_bytes(size, "big")


def test_the_block_that_is_right(device, unsigned, trusted, numbers, digest, keys):
    signature = raw(numbers, block(SHA256, digest))
    assert device.take(attach(unsigned, signature), keys=trusted)["signer"] == keys[0].key.id


def test_blocks_that_are_almost_right(device, unsigned, trusted, numbers, digest):
    filled = 256 - 3 - len(SHA256 + digest)
    wrong = {
        "garbage behind a short filling": block(SHA256, digest, 8, behind=bytes(filled - 8)),
        "one byte behind": block(SHA256, digest, filled - 1, behind=b"\0"),
        "the digest of another text": block(SHA256, hashlib.sha256(b"").digest()),
        "no NULL in the algorithm": block(NO_NULL, digest),
        "another algorithm": block(SHA1, hashlib.sha1(b"").digest()),
        "SHA-1 named, SHA-256 inside": block(SHA1, digest),
        "no algorithm": block(b"", digest),
        "the kind for encryption": block(SHA256, digest, kind=b"\2"),
        "no kind": block(SHA256, digest, kind=b"\0"),
        "a hole in the filling": block(SHA256, digest).replace(b"\xff" * 9, b"\xff" * 8 + b"\0"),
        "only zeros": bytes(256),
        "one": bytes(255) + b"\1",
    }
    for name, encoded in wrong.items():
        answer = device.take(attach(unsigned, raw(numbers, encoded)), keys=trusted)
        assert answer.get("word") == "bad_signature", name


def test_values_that_are_no_residues(device, unsigned, trusted, numbers, digest):
    good = raw(numbers, block(SHA256, digest))
    n, value = numbers.public_numbers.n, int.from_bytes(good, "big")
    for wrong in (value + n, n, 2**2048 - 1, n - value, 0):
        if wrong < 2**2048:
            signature = wrong.to_bytes(256, "big")
            answer = device.take(attach(unsigned, signature), keys=trusted)
            assert answer.get("word") == "bad_signature", wrong
    for signature in (good[1:], good + b"\0", good[:-1], b"\0", good[::-1]):
        answer = device.take(attach(unsigned, signature), keys=trusted)
        assert answer.get("word") == "bad_signature", signature


def test_a_value_above_n_that_fits_its_length(device, make_release, tmp_path):
    # Only a modulus of small value leaves room for it; then s + n opens to the same block.
    unsigned = make_release(sign=False).read_bytes()
    text = dict(map(tuple, entries_of(unsigned)))[DESCRIPTION]
    for attempt in range(64):
        key = keygen(tmp_path / str(attempt), bits=2048)
        numbers = load_signing_key(key.private).private.private_numbers()
        good = raw(numbers, block(SHA256, hashlib.sha256(text).digest()))
        above = int.from_bytes(good, "big") + key.key.n
        if above < 2**2048:
            break
    else:
        pytest.fail("no such key in 64")
    trusted = key.key.as_json()
    assert device.take(attach(unsigned, good), keys=trusted)["signer"] == key.key.id
    answer = device.take(attach(unsigned, above.to_bytes(256, "big")), keys=trusted)
    assert answer.get("word") == "bad_signature"


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_every_size_of_key_among_several(device, make_release, keys, tmp_path, bits):
    key = keygen(tmp_path / "key", bits=bits)
    signed = make_release(key=key.private).read_bytes()
    others = [keys[0].key.as_json(), keys[1].key.as_json()]
    both = device.take(signed, keys=[*others, key.key.as_json()])
    assert both["signer"] == key.key.id
    assert device.take(signed, keys=others)["word"] == "bad_signature"


def test_keys_that_are_refused(device, trusted):
    n = trusted["n"]
    even = n[:-1] + "e"
    wrong = [
        {**trusted, "alg": "rsa-pss-sha256"},
        {**trusted, "alg": None},
        {**trusted, "e": 3},
        {**trusted, "e": "65537"},
        {**trusted, "n": even},
        {**trusted, "n": n[:-2]},
        {**trusted, "n": n[:256]},
        {**trusted, "n": "0" * 8 + n[8:]},
        {**trusted, "n": n.upper() if n.upper() != n else n + "0"},
        {**trusted, "n": "+" + n[1:]},
        {**trusted, "n": " " + n[1:]},
        {**trusted, "n": 5},
        {**trusted, "id": "0" * 16},
        {key: value for key, value in trusted.items() if key != "id"},
        {},
        [],
        [trusted] * 5,
        "/no/such/file.json",
        7,
    ]
    for form in wrong:
        answer = device.ask("keys", keys=form)
        assert answer.get("word") == "bad_keyring", form
    assert device.ask("keys", keys=[trusted])["ids"] == [trusted["id"]]
    assert device.ask("keys", keys={"keys": [trusted]})["ids"] == [trusted["id"]]
    assert device.ask("keys", keys=None)["ids"] == []
