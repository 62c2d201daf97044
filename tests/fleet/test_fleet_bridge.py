"""`pico-ota fleet bridge`, with a real broker: boards as updates of Home Assistant."""

import json
import re
import signal
import subprocess
import sys

import pytest
from mqtt import Listener, Mosquitto, Relay
from stub import CONFIRM, OFF, REVERT, StubBoard

from pico_ota.errors import UsageError
from pico_ota.fleet import broker, homeassistant
from pico_ota.fleet.homeassistant import STATE_KEYS, Topics
from pico_ota.fleet.releases import Releases, best

PICO_W = "Raspberry Pi Pico W with RP2040"


def build(cli, folder, version, *options, name=None):
    app = folder.parent / "app"
    app.mkdir(exist_ok=True)
    (app / "main.py").write_text(f"print('{version}')\n")
    path = folder / f"{name or version}.swu"
    result = cli("build", app, "-o", path, "--version", version, *options)
    assert result.status == 0, result.err
    return path


@pytest.fixture
def releases(cli, here):
    folder = here / "releases"
    folder.mkdir()
    build(cli, folder, "1.9.0")
    build(cli, folder, "2.0.0")
    (folder / "2.0.0.md").write_text("Faster.\n\n" + "x" * 400)
    return folder


@pytest.fixture
def mosquitto(tmp_path):
    server = Mosquitto(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def listener(mosquitto):
    client = Listener(mosquitto.port)
    yield client
    client.close()


@pytest.fixture
def boards(here, monkeypatch):
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
    made = [StubBoard("kitchen"), StubBoard("the cellar")]
    rows = "".join(f'"{board.name}" = "{board.host}"\n' for board in made)
    (here / "fleet.toml").write_text(f"[boards]\n{rows}")
    yield made
    for board in made:
        board.close()


@pytest.fixture
def start(mosquitto, releases, boards):
    """Start a bridge; all that were started end in order."""
    running = []

    def begin(*options, url=None):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pico_ota.cli", "fleet", "bridge", "--hosts=fleet.toml"),
                *("--releases", releases, "--retries=0", "--interval=1s", "--json"),
                *("--mqtt", url or f"mqtt://127.0.0.1:{mosquitto.port}", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


KITCHEN = Topics("kitchen", "homeassistant")
CELLAR = Topics("the cellar", "homeassistant")


def offered(last):
    return last[KITCHEN.state]["latest_version"] == last[CELLAR.state]["latest_version"] == "2.0.0"


def test_boards_are_announced_installed_and_gone(start, listener, boards):
    process = start()
    listener.until(offered)
    listener.until(lambda last: last[Topics.BRIDGE] == last[KITCHEN.online] == "online")
    config = listener.last[KITCHEN.config]
    assert config["unique_id"] == "pico_ota_kitchen"
    assert config["device"]["name"] == "kitchen"
    assert config["availability_mode"] == "all"
    state = listener.last[KITCHEN.state]
    assert set(state) <= set(STATE_KEYS)
    assert (state["installed_version"], state["in_progress"]) == ("1.0.0", False)
    assert state["release_summary"].startswith("Faster. xxx")
    assert len(state["release_summary"]) == 255

    # Home Assistant installs one of them.
    boards[0].looks_on_trial = 1
    listener.publish(KITCHEN.install, "install")
    listener.until(lambda last: last[KITCHEN.state]["installed_version"] == "2.0.0")
    listener.until(lambda last: not last[KITCHEN.state]["in_progress"])
    seen = [value for topic, value in listener.all if topic == KITCHEN.state]
    assert any(value["update_percentage"] == 100 for value in seen)
    assert all(set(value) <= set(STATE_KEYS) for value in seen)
    assert all(value["in_progress"] or value["update_percentage"] is None for value in seen)
    assert (boards[0].commits, boards[1].commits) == (1, 0)
    assert listener.last[KITCHEN.state]["latest_version"] == "2.0.0"
    listener.until(lambda last: last[KITCHEN.attributes]["last_update"] == "2.0.0 confirmed")

    # Once more there is nothing to do.
    listener.publish(KITCHEN.install, "install")
    assert _event(process, "ignored")["board"] == "kitchen"
    assert boards[0].commits == 1

    process.send_signal(signal.SIGINT)
    listener.until(lambda last: last[Topics.BRIDGE] == "offline")
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    # Who comes later finds all of it at the broker.
    late = Listener(listener.client.port)
    late.until(lambda last: len(last) >= 9)
    late.close()
    assert set(late.last) >= {KITCHEN.config, KITCHEN.state, CELLAR.attributes, Topics.BRIDGE}
    assert all(late.retained.values())


def _event(process, wanted):
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == wanted:
            return event
    raise AssertionError(f"no {wanted}: {process.stderr.read()}")


def test_home_assistant_comes_back(start, listener, boards):
    process = start()
    listener.until(offered)
    # As after a broker that has forgotten everything.
    for topic in (KITCHEN.config, KITCHEN.state, KITCHEN.online):
        listener.publish(topic, "", retain=True)
    listener.until(lambda last: last[KITCHEN.online] == "")
    listener.publish("homeassistant/status", "offline")
    listener.publish("homeassistant/status", "online")
    listener.until(lambda last: last[KITCHEN.config] and last[KITCHEN.online] == "online")
    assert listener.last[KITCHEN.state]["latest_version"] == "2.0.0"
    process.terminate()
    listener.until(lambda last: last[Topics.BRIDGE] == "offline")
    assert process.wait(30) == 0


def test_the_broker_comes_back(start, mosquitto, listener, boards):
    start()
    listener.until(offered)
    mosquitto.stop()
    mosquitto.start()
    listener.last.clear()
    listener.until(lambda last: last[KITCHEN.config] and last[KITCHEN.state] and offered(last))


def test_a_bridge_that_dies_leaves_its_last_will(start, listener, boards):
    process = start()
    listener.until(offered)
    process.kill()
    listener.until(lambda last: last[Topics.BRIDGE] == "offline")


def test_a_release_that_is_taken_back_is_said_and_not_offered_again(start, listener, boards):
    boards[0].outcome = REVERT
    process = start()
    listener.until(offered)
    listener.publish(KITCHEN.install, "install")
    listener.until(lambda last: "reverted" in (last[KITCHEN.attributes]["problem"] or ""))
    listener.until(lambda last: not last[KITCHEN.state]["in_progress"])
    state = listener.last[KITCHEN.state]
    # 2.0.0 is known to be bad there; the one before it has not been tried.
    assert (state["installed_version"], state["latest_version"]) == ("1.0.0", "1.9.0")
    assert "ImportError" in listener.last[KITCHEN.attributes]["problem"]
    assert listener.last[CELLAR.state]["latest_version"] == "2.0.0"
    assert _event(process, "ended")["outcome"] == "reverted"


def test_what_is_no_command_installs_nothing(start, listener, boards):
    start()
    listener.until(offered)
    listener.publish(CELLAR.install, "INSTALL")
    listener.publish(CELLAR.install, "install 3.0.0")
    listener.publish("pico-ota/pico_ota_unknown/install", "install")
    listener.publish("homeassistant/status", "online")
    listener.last.clear()
    listener.until(offered)
    assert [board.commits for board in boards] == [0, 0]


def test_a_command_that_the_broker_keeps_installs_nothing(start, mosquitto, listener, boards):
    relay = Relay(mosquitto.port)
    process = start(url=f"mqtt://127.0.0.1:{relay.port}")
    listener.until(offered)
    relay.cut()
    listener.until(lambda last: last[Topics.BRIDGE] == "offline")
    listener.publish(KITCHEN.install, "install", retain=True)
    listener.until(lambda last: last[Topics.BRIDGE] == "online")
    # The kept one came first; behind it one that counts.
    listener.publish(CELLAR.install, "install")
    listener.until(lambda last: last[CELLAR.state]["installed_version"] == "2.0.0")
    assert _event(process, "install")["board"] == "the cellar"
    assert boards[0].commits == 0
    relay.close()


def test_a_board_that_is_off_and_comes_back(start, listener, boards):
    boards[1].outcome = OFF
    start()
    listener.until(lambda last: last[KITCHEN.online] == "online")
    listener.until(lambda last: last[CELLAR.attributes]["problem"])
    listener.until(lambda last: last[CELLAR.online] == "offline")
    assert listener.last[CELLAR.attributes]["problem"].startswith("not reached: ")
    boards[1].outcome = CONFIRM
    listener.until(lambda last: last[CELLAR.online] == "online")
    assert listener.last[CELLAR.attributes]["problem"] is None


def test_a_release_that_comes_later_is_offered(cli, start, listener, releases, boards):
    process = start("--release-url", "https://example.org/{version}")
    listener.until(offered)
    (releases / "broken.swu").write_bytes(b"no archive")
    build(cli, releases, "2.1.0")
    listener.until(lambda last: last[KITCHEN.state]["latest_version"] == "2.1.0")
    assert listener.last[KITCHEN.state]["release_url"] == "https://example.org/2.1.0"
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert err.count("broken.swu is left out") == 1


def test_a_password_of_the_broker(tmp_path, start, boards, cli, releases):
    (tmp_path / "own").mkdir()
    server = Mosquitto(tmp_path / "own", ("ha", "s:cret"))
    try:
        process = start(url=f"mqtt://ha:s%3Acret@127.0.0.1:{server.port}")
        assert _event(process, "connected")
        url = f"mqtt://ha:wrong@127.0.0.1:{server.port}"
        result = cli(
            *("fleet", "bridge", "--hosts", "fleet.toml", "--releases", releases, "--mqtt", url)
        )
        assert result.status == 4
        assert "does not let us in" in result.err
        assert "wrong" not in result.err
    finally:
        server.stop()


def test_no_broker(cli, boards, releases, monkeypatch):
    monkeypatch.setenv("PICO_OTA_MQTT", "mqtt://127.0.0.1:1")
    result = cli("fleet", "bridge", "--hosts", "fleet.toml", "--releases", releases, "--json")
    assert result.status == 3
    assert "expected an MQTT broker at 127.0.0.1:1" in json.loads(result.out)["message"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "which broker? Give --mqtt"),
        (["--mqtt", "http://x"], "expected mqtt://"),
        (["--mqtt", "mqtt://x", "--prefix", "a/#"], "expected a topic"),
        (["--mqtt", "mqtt://x", "--interval", "no"], "--interval: expected a time"),
        (["--mqtt", "mqtt://x", "--release-url", "ftp://x"], "--release-url: expected http"),
    ],
)
def test_wrong_use(cli, boards, releases, options, said):
    result = cli("fleet", "bridge", "--hosts", "fleet.toml", "--releases", releases, *options)
    assert result.status == 2
    assert said in result.err


def test_no_folder_of_releases(cli, boards):
    result = cli(
        *("fleet", "bridge", "--hosts", "fleet.toml", "--releases", "none", "--mqtt", "mqtt://x")
    )
    assert result.status == 2
    assert "expected a folder of releases" in result.err


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mqtt://h", ("h", 1883, False, None, None)),
        ("mqtts://u:p%40ss@h:99", ("h", 99, True, "u", "p@ss")),
        ("mqtt://[::1]:5", ("::1", 5, False, None, None)),
    ],
)
def test_urls_of_brokers(text, found):
    at = broker.parse(text)
    assert (at.host, at.port, at.tls, at.user, at.password) == found
    assert "p@ss" not in repr(at)


@pytest.mark.parametrize(
    "text", ["", "h", "http://h", "mqtt://", "mqtt://u:topsecret@h:999999", "mqtt://u:x/y@h/"]
)
def test_what_is_no_url_of_a_broker(text):
    with pytest.raises(UsageError) as caught:
        broker.parse(text)
    assert "topsecret" not in str(caught.value)


def test_ids_are_plain_and_different():
    names = ["kitchen", "the cellar", "the_cellar", "küche", "kuche", "a/b", "a+b", "#"]
    ids = [homeassistant.object_id(name) for name in names]
    assert len(set(ids)) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", one) for one in ids)


def test_which_release_fits_a_board(cli, here):
    folder = here / "releases"
    folder.mkdir()
    build(cli, folder, "1.0.0")
    build(cli, folder, "1.10.0", "--board", "RPI_PICO2_W")
    build(cli, folder, "1.9.0", "--board", "RPI_PICO_W")
    build(cli, folder, "3.0.0", "--micropython", "1.30.0")
    offers = Releases(folder, print).offers()
    assert [str(offer.version) for offer in offers] == ["3.0.0", "1.10.0", "1.9.0", "1.0.0"]

    def chosen(**status):
        about = {"board": PICO_W, "micropython": "1.28.0", "mpy": 4870, "version": "1.0.0"}
        offer = best(offers, about | status)
        return offer and str(offer.version)

    assert chosen() == "1.9.0"
    assert chosen(board="Raspberry Pi Pico 2 W with RP2350") == "1.10.0"
    assert chosen(board="another board") is None
    assert chosen(micropython="1.30.0") == "3.0.0"
    assert chosen(version="1.9.0") is None
    assert chosen(version="2.0.0") is None
    assert chosen(version="files-0123") == "1.9.0"
    assert chosen(version=None) == "1.9.0"
    assert chosen(floor="1.9.1", version=None) is None
    back = {"version": "1.9.0", "outcome": "reverted", "reason": "x"}
    assert chosen(version=None, history=[back]) == "1.0.0"
