"""Which boards are meant: names, fleet.toml, and what discovery writes into it."""

import json
import os

import pytest

from pico_ota.discovery import Device
from pico_ota.errors import UsageError
from pico_ota.fleet import hosts
from pico_ota.target import Target

GOOD = """\
user = "keeper"
password_file = "all.password"

[boards]
kitchen = "192.168.1.7"
"the garden" = "pico-garden.local:8081"
cellar = { host = "192.168.1.9", user = "admin", password_file = "cellar.password" }

[boards.attic]
host = "[fe80::1]:80"
"""


def read(tmp_path, text):
    path = tmp_path / "fleet.toml"
    path.write_text(text)
    return hosts.load(path)


def test_a_list_is_read_in_its_order(tmp_path):
    boards = read(tmp_path, GOOD)
    assert [board.name for board in boards] == ["kitchen", "the garden", "cellar", "attic"]
    assert [board.target for board in boards] == [
        Target("192.168.1.7"),
        Target("pico-garden.local", 8081),
        Target("192.168.1.9"),
        Target("fe80::1", 80),
    ]
    assert [board.user for board in boards] == ["keeper", "keeper", "admin", "keeper"]
    assert [board.password_file.name for board in boards] == [
        "all.password",
        "all.password",
        "cellar.password",
        "all.password",
    ]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("[boards]\nkitchen = 192.168.1.7\n", 2, "is not TOML"),
        ("[boards]\nkitchen = 7\n", 2, "expected a host such as"),
        ('[boards]\na = "x"\nkitchen = ["x"]\n', 3, "expected a host such as"),
        ('[boards]\na = "x"\n\nkitchen = { port = 1 }\n', 4, "expected a host such as"),
        ('[boards]\nkitchen = { host = "x", port = 1 }\n', 2, "'port' is unknown"),
        ('[boards]\nkitchen = "a b"\n', 2, "expected a device as NAME"),
        ('[boards]\nkitchen = "a:99999"\n', 2, "expected a port of 1 to 65535"),
        ('[boards]\nkitchen = ""\n', 2, "expected a text in quotes"),
        ('[boards]\na = "x"\nb = "x:8080"\n', 3, "expected another host than 'a' has"),
        ('[boards]\na = "x"\n[boards.b]\nhost = "y"\nuser = 7\n', 3, "expected a text in quotes"),
        ('[boards]\na = { host = "x", password = "p" }\n', 2, "does not belong in a file"),
        ('password = "p"\n[boards]\na = "x"\n', 1, "does not belong in a file"),
        ('[boards]\na = "x"\n\n[hosts]\nb = "y"\n', 4, "expected 'user', 'password_file' or"),
        ('password_file = "../p"\n[boards]\na = "x"\n', 1, "in the folder of this list"),
        ('[boards]\na = { host = "x", password_file = "/etc/p" }\n', 2, "in the folder of"),
        ('user = ""\n[boards]\na = "x"\n', 1, "expected a text in quotes"),
        ("# nothing\n", 2, "expected [boards]"),
        ("boards = 3\n", 1, "expected [boards]"),
        ("[boards]\n", 1, "expected [boards]"),
        ('[boards]\n"" = "x"\n', 2, "expected a name of 1 to 64"),
    ],
)
def test_a_bad_list_says_the_line_and_what_was_expected(tmp_path, text, line, expected):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    said = str(caught.value)
    assert expected in said
    assert f"line {line}" in said
    assert "fleet.toml" in said


def test_a_list_that_is_none_is_refused(tmp_path):
    for make in (lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"\xff\xfe")):
        path = tmp_path / "fleet.toml"
        make(path)
        with pytest.raises(UsageError, match=r"cannot read .*fleet discover --save"):
            hosts.load(path)
        if path.is_dir():
            path.rmdir()
    big = tmp_path / "big.toml"
    big.write_text("[boards]\n" + "#" * hosts.MAX_FILE)
    with pytest.raises(UsageError, match="at most"):
        hosts.load(big)


def device(name, address, port=8080):
    return Device(name, address, port, "RPI_PICO_W", "0.2.0", name)


def test_discovery_writes_a_list_that_is_read_back(tmp_path):
    found = [
        device("pico-a", "10.0.0.1"),
        device('evil"\n', "10.0.0.2"),
        device("pico-a", "10.0.0.3"),
    ]
    text, added, moved = hosts.listing(found)
    boards = read(tmp_path, text)
    assert [(board.name, str(board.target)) for board in boards] == [
        ("pico-a", "10.0.0.1:8080"),
        ("10-0-0-2", "10.0.0.2:8080"),
        ("pico-a-2", "10.0.0.3:8080"),
    ]
    assert (len(added), moved) == (3, [])
    assert hosts.listing(found, text) == (text, [], [])


def test_discovery_keeps_what_the_list_has(tmp_path):
    text = GOOD.replace("[boards.attic]", "# the last\n[boards.attic]")
    found = [device("new", "10.0.0.1"), device("kitchen", "10.0.0.2"), device("x", "192.168.1.9")]
    after, added, moved = hosts.listing(found, text)
    assert (added, moved) == (["new"], ["kitchen"])
    assert after == text.replace('"192.168.1.7"', '"10.0.0.2:8080"').replace(
        '.password" }\n', '.password" }\nnew = "10.0.0.1:8080"\n'
    )
    assert len(read(tmp_path, after)) == 5


def test_no_board_named_is_wrong_use(cli):
    result = cli("fleet", "status")
    assert (result.status, result.out) == (2, "")
    assert "which boards? Give --hosts fleet.toml" in result.err


def test_a_group_without_a_verb_is_wrong_use(cli):
    result = cli("fleet")
    assert (result.status, result.out) == (2, "")
    assert "Usage: pico-ota fleet" in result.err
    assert cli("help", "fleet").out == cli("fleet", "--help").out
    assert "Did you mean 'status'?" in cli("fleet", "statsu").err


def test_a_name_that_the_list_does_not_have(cli, here):
    (here / "fleet.toml").write_text('[boards]\nkitchen = "127.0.0.1:1"\n')
    result = cli("fleet", "status", "--hosts", "fleet.toml", "kichen")
    assert result.status == 2
    assert "fleet.toml lists no board 'kichen'. Known are kitchen." in result.err


def test_status_of_boards_and_of_one_that_is_off(cli, device, here, monkeypatch):
    host = os.environ["PICO_OTA_HOST"]
    (here / "fleet.toml").write_text(f'[boards]\nkitchen = "{host}"\noff = "127.0.0.1:1"\n')
    result = cli("fleet", "status", "--hosts", "fleet.toml", "--json")
    assert result.status == 3
    kitchen, off = json.loads(result.out)["boards"]
    assert (kitchen["name"], kitchen["host"], kitchen["reached"]) == ("kitchen", host, True)
    assert kitchen["state"] == "idle"
    assert kitchen["since"].endswith("Z")
    assert (off["reached"], off["error"]) == (False, "unreachable")
    result = cli("fleet", "status", "--hosts", "fleet.toml", "kitchen")
    assert result.status == 0
    head, row = result.out.splitlines()
    assert head.split() == ["name", "address", "version", "state", "last", "since"]
    assert row.split()[:2] == ["kitchen", host]
    both = cli("fleet", "status", "-H", host, "-H", "127.0.0.1:1", "--json")
    assert [board["name"] for board in json.loads(both.out)["boards"]] == [host, "127.0.0.1:1"]


def test_each_board_has_its_own_password(cli, device, here, monkeypatch):
    host = os.environ["PICO_OTA_HOST"]
    password = os.environ["PICO_OTA_PASSWORD"]
    (here / "one").write_text(password)
    (here / "fleet.toml").write_text(
        f'[boards]\nk = {{ host = "{host}", password_file = "one" }}\n'
    )
    monkeypatch.setenv("PICO_OTA_PASSWORD", "wrong")
    assert cli("fleet", "status", "--hosts", "fleet.toml").status == 0
    (here / "fleet.toml").write_text(f'[boards]\nk = "{host}"\n')
    result = cli("fleet", "status", "--hosts", "fleet.toml")
    assert result.status == 4
    assert "k: " in result.err
    assert cli("fleet", "status", "--hosts", "fleet.toml", "--password-file", "one").status == 0
    monkeypatch.delenv("PICO_OTA_PASSWORD")
    result = cli("fleet", "status", "--hosts", "fleet.toml")
    assert result.status == 4
    assert "no password for 'admin'" in result.err


def test_discover_saves_a_list(cli, device, here):
    host = os.environ["PICO_OTA_HOST"]
    result = cli("fleet", "discover", host, "--save", "fleet.toml", "--wait", "1")
    assert result.status == 0
    assert "1 board added" in result.out
    (board,) = hosts.load(here / "fleet.toml")
    assert str(board.target) == host
    again = cli("fleet", "discover", host, "--save", "fleet.toml", "--wait", "1", "--json")
    assert json.loads(again.out)[0]["port"] == board.target.port
    (here / "bad.toml").write_text("[boards\n")
    result = cli("fleet", "discover", host, "--save", "bad.toml")
    assert result.status == 2
    assert (here / "bad.toml").read_text() == "[boards\n"


def asked_for(cli, *options):
    """The boards that a command talks to, with their order."""
    told = json.loads(cli("fleet", "status", *options, "--json", "--retries=0").out)
    return [board["name"] for board in told["boards"]]


def test_ways_to_name_boards(cli, here, monkeypatch):
    monkeypatch.setenv("PICO_OTA_PASSWORD", "x")
    (here / "fleet.toml").write_text('[boards]\na = "127.0.0.1:1"\nb = "127.0.0.1:2"\n')
    listed = ("--hosts", "fleet.toml")
    assert asked_for(cli, *listed) == ["a", "b"]
    assert asked_for(cli, *listed, "b", "a", "b") == ["b", "a"]
    assert asked_for(cli, *listed, "-H", "b") == ["b"]
    assert asked_for(cli, *listed, "127.0.0.1:2") == ["b"]
    assert asked_for(cli, "--hosts", "fleet.toml,b") == ["b"]
    assert asked_for(cli, "--hosts", "127.0.0.1:1", "127.0.0.1:2") == [
        "127.0.0.1:1",
        "127.0.0.1:2",
    ]
    assert asked_for(cli, "--hosts", "127.0.0.1:1,127.0.0.1:1", "-H", "127.0.0.1:1/") == [
        "127.0.0.1:1"
    ]
    monkeypatch.setenv("PICO_OTA_HOST", "127.0.0.1:3")
    assert asked_for(cli) == ["127.0.0.1:3"]
    assert asked_for(cli, *listed) == ["a", "b"]
    two = cli("fleet", "status", *listed, "--hosts", "other.toml")
    assert two.status == 2
    assert "expected one list of boards" in two.err


def test_a_password_is_asked_for_once(cli, device, here, monkeypatch):
    host = os.environ["PICO_OTA_HOST"]
    password = os.environ.pop("PICO_OTA_PASSWORD")
    asked = []

    def ask(question):
        asked.append(question)
        return password

    monkeypatch.setattr("pico_ota.credentials.prompt", lambda: ask)
    assert cli("fleet", "status", host, host.replace("127.0.0.1", "localhost")).status == 0
    assert asked == ["Password of the boards: "]


def test_the_keyring_has_one_for_each(cli, device, monkeypatch):
    host = os.environ["PICO_OTA_HOST"]
    password = os.environ.pop("PICO_OTA_PASSWORD")
    kept = {"admin@127.0.0.1": password, "admin@localhost": "another"}
    monkeypatch.setattr("pico_ota.credentials._from_keyring", kept.get)
    told = cli("fleet", "status", host, host.replace("127.0.0.1", "localhost"), "--json")
    first, second = json.loads(told.out)["boards"]
    assert first["reached"]
    assert second["error"] == "credentials"


def test_the_server_of_the_environment_is_asked_when_no_boards_are_named(cli, monkeypatch):
    monkeypatch.setenv("PICO_OTA_FLEET", "http://127.0.0.1:1")
    monkeypatch.setenv("PICO_OTA_FLEET_USER", "u")
    monkeypatch.setenv("PICO_OTA_FLEET_PASSWORD", "p")
    monkeypatch.setenv("PICO_OTA_PASSWORD", "x")
    assert "which boards?" not in cli("fleet", "status").err
    assert asked_for(cli, "127.0.0.1:2") == ["127.0.0.1:2"]
