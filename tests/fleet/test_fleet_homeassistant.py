"""The bridge against Home Assistant itself: its core with MQTT, and the schema of a newer one."""

import ast
import json
import re
import subprocess
import threading
import zipfile
from pathlib import Path
from queue import Empty, Queue

import pytest

# The fixtures of the bridge serve here, too.
from test_fleet_bridge import boards, listener, mosquitto, releases, start  # noqa: F401

from pico_ota.fleet import homeassistant
from pico_ota.fleet.homeassistant import STATE_KEYS, Topics
from pico_ota.fleet.hosts import Board
from pico_ota.sim.image import read_tree
from pico_ota.target import Target

PROGRAM = Path(__file__).with_name("home_assistant.py")
PLACE = Path(__file__).parents[2] / ".tools/homeassistant"


class HomeAssistant:
    """A Home Assistant that knows a broker, and nothing else."""

    def __init__(self, folder, port):
        folder.mkdir(exist_ok=True)
        self.lines = Queue()
        self.errors = open(folder / "errors", "w+")
        self.process = subprocess.Popen(
            [
                PLACE / "bin/python",
                Path(__file__).with_name("home_assistant.py"),
                folder,
                str(port),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def until(self, **wanted):
        """The first state from now on that has all that is *wanted*."""
        seen = []
        while True:
            try:
                row = self.lines.get(timeout=90)
            except Empty:
                raise AssertionError(f"{wanted} was not seen: {seen}\n{self.said()}")
            seen.append(row)
            if all(row.get(name) == value for name, value in wanted.items()):
                return row

    def call(self, verb, entity):
        self.process.stdin.write(f"{verb} {entity}\n")
        self.process.stdin.flush()

    def said(self):
        """What its MQTT integration complains about."""
        self.errors.seek(0)
        return [line for line in self.errors if re.match(r"\w+:homeassistant\S*mqtt", line)]

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def home(tmp_path, mosquitto):  # noqa: F811
    running = []

    def begin(name):
        running.append(HomeAssistant(tmp_path / name, mosquitto.port))
        return running[-1]

    yield begin
    for each in running:
        each.stop()
        each.errors.close()


def test_home_assistant_shows_and_installs(start, home, boards):  # noqa: F811
    first = home("first")
    first.until(ready="loaded")
    start("--release-url", "https://example.org/{version}")
    shown = first.until(entity="update.kitchen", state="on")
    assert (shown["installed_version"], shown["latest_version"]) == ("1.0.0", "2.0.0")
    assert shown["title"] == "MicroPython application"
    assert shown["release_summary"].startswith("Faster. ")
    assert shown["release_url"] == "https://example.org/2.0.0"
    assert shown["device_class"] == "firmware"

    first.call("install", "update.kitchen")
    first.until(entity="update.kitchen", state="off", installed_version="2.0.0")
    assert [board.commits for board in boards] == [1, 0]

    # It restarts, with an empty folder even.
    first.stop()
    second = home("second")
    second.until(entity="update.kitchen", state="off", latest_version="2.0.0")
    second = home("third")
    second.until(entity="update.the_cellar", state="on", installed_version="1.0.0")
    second.call("install", "update.the_cellar")
    second.until(entity="update.the_cellar", state="off", installed_version="2.0.0")

    # A board that goes away is unavailable.
    boards[0].gone = True
    second.until(entity="update.kitchen", state="unavailable")
    assert first.said() == second.said() == []


def test_home_assistant_updates_a_simulated_pico(start, home, make_pico, cli, here):  # noqa: F811
    pico = make_pico(app="trial")
    pico.wait_listening(30)
    (here / "fleet.toml").write_text(f'[boards]\npico = "{pico.url.removeprefix("http://")}"\n')
    app = here / "real"
    app.mkdir()
    main = (Path(__file__).parents[1] / "apps/trial/main.py").read_text()
    (app / "main.py").write_text(main + "# 2.1.0\n")
    out = here / "releases/2.1.0.swu"
    assert cli("build", app, "-o", out, "--version", "2.1.0").status == 0
    assistant = home("home")
    start()
    assistant.until(entity="update.pico", state="on", latest_version="2.1.0")
    assistant.call("install", "update.pico")
    assistant.until(entity="update.pico", in_progress=True)
    assistant.until(entity="update.pico", state="off", installed_version="2.1.0")
    pico.power_cut()
    assert read_tree(pico.image)["/main.py"].endswith(b"# 2.1.0\n")
    assert assistant.said() == []


# --- the schema of a newer one, read from its source --------------------------------------------


def source(name):
    (archive,) = (PLACE / "newer").glob("homeassistant-*.whl")
    with zipfile.ZipFile(archive) as wheel:
        return wheel.read(f"homeassistant/{name}").decode()


_KEYS = ("Optional", "Required", "Exclusive")


def keys_of(tree, constants):
    """The keys that schemas take: `Optional(CONF_NAME)` and `Required("name")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _KEYS:
            key = node.args[0]
            if isinstance(key, ast.Constant):
                yield key.value
            elif isinstance(key, ast.Name) and key.id in constants:
                yield constants[key.id]


def test_the_state_has_no_key_that_a_newer_one_does_not_know():
    tree = ast.parse(source("components/mqtt/update.py"))
    (schema,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "MQTT_JSON_UPDATE_SCHEMA"
    ]
    assert tuple(keys_of(schema, {})) == STATE_KEYS
    for busy in (False, True):
        state = homeassistant.state("1.0.0", "2.0.0", notes="n", url="https://x", busy=busy)
        assert set(state) <= set(STATE_KEYS)


def test_the_announcement_has_no_key_that_a_newer_one_does_not_know():
    files = [source(f"components/mqtt/{name}.py") for name in ("update", "schemas", "config")]
    constants = {}
    for text in (source("const.py"), source("components/mqtt/const.py"), *files):
        constants |= dict(re.findall(r'^(CONF_\w+)(?:: Final)? = "(\w+)"$', text, re.MULTILINE))
    known = {key for text in files for key in keys_of(ast.parse(text), constants)}
    board = Board("kitchen", Target("192.168.1.7"))
    status = {"board": "Raspberry Pi Pico W with RP2040", "version": "1.0.0"}
    config = homeassistant.config(board, Topics("kitchen", "homeassistant"), status)
    told = {*config, *config["device"], *config["origin"], *config["availability"][0]}
    assert told <= known, told - known
