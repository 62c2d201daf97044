"""Whatever is done to a release, device and host refuse it, for the same reason."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from release_attacks import DESCRIPTION, SIGNATURE, entries_of, table
from release_samples import write_app

from pico_ota.release import Device as Wanted
from pico_ota.release import ReleaseError, Version, archive, read
from pico_ota.release.builder import describe
from pico_ota.sync import scan

# What runs the device here: MicroPython for x86-64, sys.implementation._mpy of it.
MICROPYTHON, MPY = "1.28.0", 6 | 3 << 8 | 2 << 10
# Each example starts from the same state: the flash is put back first.
settings.register_profile(
    "device",
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("device")


@pytest.fixture(scope="module")
def attacks(make_release, keys):
    data = make_release().read_bytes()
    foreign = make_release("3.0.0", delete=()).read_bytes()
    return table(data, keys[0].private, keys[1].private, foreign)


@pytest.fixture(scope="module")
def small(make_release, tmp_path_factory):
    """A signed release of two files, the same without a signature, and a push of them."""
    files = {"main.py": b"import lib\n", "lib/a.py": b"A = 1\n" * 3}
    folder = write_app(tmp_path_factory.mktemp("small"), files)
    made = [make_release(folder=folder, sign=sign).read_bytes() for sign in (True, False)]
    text = describe(scan([folder]), "a-word", ["/lib/gone.py"]).render()
    return [*made, archive.pack([[DESCRIPTION, text], *entries_of(made[1])[1:]])]


def host_word(data, keys, board="RPI_PICO_W", floor=None):
    """Return the reason why the host refuses *data*, or None."""
    device = Wanted(board, "1.0", MICROPYTHON, Version.parse(floor) if floor else None, MPY)
    try:
        read(data, keys, device)
    except ReleaseError as error:
        return error.word
    return None


def untouched(device):
    """Return what is not as it was before, or nothing."""
    after = device.look()
    if (after["state"], after["left"], after["live"]) != ("idle", [], device.live):
        return after
    return None


def test_every_attack_is_refused_by_device_and_host(attacks, device, trusted, keys, archive):
    wrong = []
    for name, attack in attacks.items():
        more = dict([attack.device] if attack.device else [])
        on_host = host_word(attack.data, [keys[0].key], **more)
        answer = device.take(attack.data, keys=trusted, **more)
        if (on_host, answer.get("word")) != (attack.word, attack.word):
            wrong.append((name, attack.word, on_host, answer))
        if not 400 <= answer.get("status", 0) < 500 or not answer["message"].endswith("."):
            wrong.append((name, "answer", answer))
        wrong += [(name, "left behind", left) for left in [untouched(device)] if left]
        if "version" not in device.take(archive, fresh=False, keys=trusted):
            wrong.append((name, "not updatable afterwards"))
    assert not wrong
    assert len(attacks) > 100


def test_what_is_refused_early_costs_nothing(attacks, device, trusted, make_release, tmp_path):
    # Neither the set to roll back to, nor an update that is on its way.
    early = {"bad_signature", "unsigned", "bad_checksum", "wrong_board", "old_micropython",
             "downgrade", "too_large", "bad_description", "bad_path", "protected", "duplicate",
             "mpy_incompatible", "empty", "too_many", "both_forms"}  # fmt: skip
    chosen = {name: attack for name, attack in attacks.items() if attack.word in early}
    device.take(make_release("1.0.0").read_bytes(), keys=trusted, commit=True)
    device.ask("confirm")
    live = device.look()["live"]
    for name, attack in chosen.items():
        more = dict([attack.device] if attack.device else [])
        device.take(attack.data, fresh=False, keys=trusted, **more)
        assert device.look()["live"] == live, name
    device.ask("rollback")
    assert device.look()["live"] == device.live
    assert len({attack.word for attack in chosen.values()}) == len(early)


def test_a_head_alone_is_no_attack(device, make_release, trusted, keys):
    entries = entries_of(make_release().read_bytes())
    head = archive.pack(entries[:2])
    answer = device.take(head, keys=trusted)
    assert answer["need"] == ["/lib/new.py", "/main.py", "/www/empty.txt", "/www/page one.html"]
    # A release has to be whole.
    assert host_word(head, [keys[0].key]) == "missing_entry"


def test_the_words_are_documented(attacks):
    from release_device import ROOT

    text = (ROOT / "docs" / "format.md").read_text()
    assert not [attack.word for attack in attacks.values() if f"`{attack.word}`" not in text]


def changed_bytes(device, small, trusted, keys, places):
    data = small[0]
    chance = random.Random(2)
    for at in places:
        bad = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        word = device.take(bad, keys=trusted).get("word")
        assert word is not None, at
        assert word == host_word(bad, [keys[0].key]), at


def test_a_changed_byte_anywhere(device, small, trusted, keys):
    # All of the first header, the names, the trailer and the end; every 13th byte between.
    data = small[0]
    end = data.index(b"TRAILER") - 110
    places = {*range(128), *range(end, end + 128), *range(0, len(data), 13), len(data) - 1}
    changed_bytes(device, small, trusted, keys, sorted(places))
    assert untouched(device) is None


@pytest.mark.full
def test_a_changed_byte_everywhere(device, small, trusted, keys):
    changed_bytes(device, small, trusted, keys, range(len(small[0])))


def test_cut_off_anywhere(device, small, trusted, keys):
    data = small[0]
    for size in [*range(0, len(data), 37), len(data) - 1]:
        word = device.take(data[:size], keys=trusted).get("word")
        assert word == "truncated"
        assert host_word(data[:size], [keys[0].key]) == "truncated"
    assert untouched(device) is None


def mutated(data, draw):
    """Return *data* after a few changes that *draw* chooses."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(0, 200)))
        piece = draw(st.sampled_from([
            b"", b"\0", b"0", data[at:to] * 2, data[at:to][::-1], bytes(to - at),
            b"07070200000000", b"TRAILER!!!", b"FFFFFFFF", b'"', b"\n",
        ]))  # fmt: skip
        data = data[:at] + piece + data[to:]
    return data


@settings(max_examples=120)
@given(st.data())
def test_random_changes_of_a_signed_archive(device, small, trusted, keys, data):
    bad = mutated(small[0], data.draw)
    word = device.take(bad, keys=trusted).get("word")
    assert word == host_word(bad, [keys[0].key])
    if word is None:
        # Only in the CMS around the RSA value, which is for other tools.
        before, after = dict(map(tuple, entries_of(small[0]))), dict(map(tuple, entries_of(bad)))
        assert before.pop(SIGNATURE)[-256:] == after.pop(SIGNATURE)[-256:]
        assert list(before.items()) == list(after.items())


@settings(max_examples=100)
@given(st.data())
def test_random_changes_of_an_unsigned_archive(device, small, data):
    bad = mutated(small[1], data.draw)
    assert device.take(bad).get("word") == host_word(bad, [])


LINES = ["", "};", ");", "files = (", "delete = (", '"/a.py"', '"/a.py",', "trial = false;",
         'mpy = "6.3";', 'arch = "armv6m";', 'floor = "1.0.0-rc.1";', "files = 1;", "bytes = 0;",
         "files = 0;", "deletes = 0;", 'version = "x";', 'version = "a\"b";',
         'X1 = { hardware-compatibility = [ "1.0", "2.b" ]; };']  # fmt: skip
TOKENS = ['"', "\\", "/", "//", "/../", "\t", "é", "\x7f", "0", "9", " ", ",", ";", "x" * 260,
          "/.ota/", "1.0.0", "A", "a", "-", "}", "{", "/main.py", "/lib"]  # fmt: skip


@settings(max_examples=200)
@given(st.data())
def test_random_descriptions(device, small, data):
    entries = entries_of(small[data.draw(st.integers(1, 2))])
    lines = entries[0][1].decode().split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        how = data.draw(st.sampled_from(["drop", "double", "swap", "insert", "token", "cut"]))
        if how == "drop" and len(lines) > 1:
            del lines[at]
        elif how == "double":
            lines.insert(at, lines[at])
        elif how == "swap":
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        elif how == "insert":
            lines.insert(at, data.draw(st.sampled_from(LINES)))
        else:
            line = lines[at]
            place = data.draw(st.integers(0, len(line)))
            end = place + (data.draw(st.integers(0, 9)) if how == "cut" else 0)
            token = "" if how == "cut" else data.draw(st.sampled_from(TOKENS))
            lines[at] = line[:place] + token + line[end:]
    bad = archive.pack([(DESCRIPTION, "\n".join(lines).encode()), *entries[1:]])
    answer = device.take(bad)
    on_host = host_word(bad, [])
    # Only a device knows what else is there: a folder where a file is to go, say.
    here_only = on_host is None and answer.get("word") in ("is_directory", "not_directory")
    assert answer.get("word") == on_host or here_only, answer
    assert answer.get("status", 200) < 500
