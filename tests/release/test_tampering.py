"""Whatever is done to a release, device and host refuse it, for the same reason."""

import os

import pytest
from attacks import table

from pico_ota.release import Device as Wanted
from pico_ota.release import ReleaseError, Version, read

MICROPYTHON = "1.28.0"


@pytest.fixture(scope="module")
def attacks(make_release, keys):
    data = make_release().read_bytes()
    foreign = make_release("3.0.0", delete=()).read_bytes()
    return table(data, keys[0].private, keys[1].private, foreign)


def host_word(data, keys, board="RPI_PICO_W", floor=None):
    """Return the reason why the host refuses *data*, or None."""
    device = Wanted(board, "1.0", MICROPYTHON, Version.parse(floor) if floor else None)
    try:
        read(data, keys, device)
    except ReleaseError as error:
        assert str(error).endswith((".", "…")), str(error)
        return error.word
    return None


def names():
    """The names of all attacks, which are known only once a release has been built."""
    source = os.path.join(os.path.dirname(__file__), "attacks.names")
    with open(source) as lines:
        return lines.read().splitlines()


def test_every_attack_is_refused_by_device_and_host(attacks, device, trusted, keys, archive):
    wrong = []
    before = {path: digest for path, digest in device.live.items()}
    for name, attack in attacks.items():
        more = dict([attack.device] if attack.device else [])
        on_host = host_word(attack.data, [keys[0].key], **more)
        answer = device.take(attack.data, keys=trusted, **more)
        after = device.look()
        if (on_host, answer.get("word")) != (attack.word, attack.word):
            wrong.append((name, attack.word, on_host, answer))
        if not 400 <= answer.get("status", 0) < 500 or not answer["message"].endswith((".", "?")):
            wrong.append((name, "answer", answer))
        if after["live"] != before or after["state"] != "idle" or after["left"]:
            wrong.append((name, "left behind", after))
        if "version" not in device.take(archive, fresh=False, keys=trusted):
            wrong.append((name, "not updatable afterwards"))
    assert not wrong
    assert len(attacks) > 100
