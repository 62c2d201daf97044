"""What somebody learns who hears, or changes, all that passes between command line and device."""

import hashlib
from base64 import b64encode

import pytest
from proxy import Proxy

PASSWORD, NEW = "otapico", "new-and-longer-word"


@pytest.fixture
def between(own_device, monkeypatch):
    """All traffic to the device passes here."""
    proxy = Proxy(int(own_device.url.rpartition(":")[2]))
    monkeypatch.setenv("PICO_OTA_HOST", f"127.0.0.1:{proxy.port}")
    yield proxy
    proxy.close()


def secret(word):
    return hashlib.sha256(f"admin:pico-ota:{word}".encode()).hexdigest()


def tells(heard, word):
    """What of *word* is in *heard*: itself, as Basic sends it, or what the device keeps of it."""
    pair = b64encode(f"admin:{word}".encode()).rstrip(b"=")
    found = [word.encode(), pair[:-1], secret(word).encode(), bytes.fromhex(secret(word))]
    found.append(hashlib.sha256(word.encode()).hexdigest().encode())
    return [one for one in found if one in heard]


def test_neither_the_password_nor_a_new_one_is_heard(between, cli, here, monkeypatch):
    (here / "main.py").write_text("import time\ntime.sleep(1000)\n")
    (here / "big.bin").write_text("0123456789abcdef" * 1600)
    assert cli("status").status == 0
    assert cli("cp", "big.bin", ":big.bin").status == 0
    assert cli("cat", ":big.bin").status == 0
    assert cli("push", ".", "--no-restart").status == 0
    assert cli("abort").status in (0, 1)
    monkeypatch.setenv("PICO_OTA_NEW_PASSWORD", NEW)
    assert cli("reset-password").status == 0
    monkeypatch.setenv("PICO_OTA_PASSWORD", NEW)
    assert cli("ls").status == 0
    assert len(between.heard) > 50_000
    assert between.heard.count(b"Authorization: Digest ") > 10
    assert not tells(between.heard, PASSWORD)
    assert not tells(between.heard, NEW)
    # The test can fail: Basic is heard.
    assert cli("ls", "--basic").status == 0
    assert tells(between.heard, NEW)


@pytest.mark.parametrize("size", [20, 30_000])
def test_a_file_that_is_changed_on_its_way_does_not_arrive(between, cli, here, size):
    (here / "x.txt").write_bytes(b"good" * (size // 4))
    assert cli("cp", "x.txt", ":x.txt").status == 0
    (here / "x.txt").write_bytes(b"news" * (size // 4))
    between.change = lambda data: data.replace(b"news", b"evil", 1)
    changed = cli("cp", "x.txt", ":x.txt")
    assert changed.status == 1
    assert "SHA-256" in changed.err
    between.change = lambda data: data
    assert cli("cat", ":x.txt").out == "good" * (size // 4)


def test_an_update_that_is_changed_on_its_way_does_not_go_live(between, cli, here, own_device):
    (here / "main.py").write_text("while True: pass\n")
    (here / "x.py").write_text("NEWS = 1\n" * 1000)
    for old, new in (
        (b"NEWS = 1", b"EVIL = 1"),  # a file
        (b'version = "', b'versiom = "'),  # the description
        (b'{"restart":true}', b'{"restart":null}'),
    ):
        between.change = lambda data, old=old, new=new: data.replace(old, new)
        seen = len(own_device.events)
        assert cli("push", ".").status != 0
        assert not [e for e in own_device.events[seen:] if e["event"] == "boot"]


def test_an_offer_of_basic_alone_gets_no_password(between, cli):
    # What somebody in between would do to hear it.
    between.change = lambda data: data
    original = between._down

    def strip(device, client):
        class Stripped:
            def recv(self, size):
                return device.recv(size).replace(b"Digest realm", b"Negoti realm")

            def __getattr__(self, name):
                return getattr(device, name)

        original(Stripped(), client)

    between._down = strip
    refused = cli("status")
    assert refused.status == 4
    assert "--basic" in refused.err
    assert not tells(between.heard, PASSWORD)
