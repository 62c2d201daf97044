"""What the tests of fleets share: a scripted update server, keys, releases and boards."""

import json
import shutil
from pathlib import Path

import httpx
import pytest

from bench import protocol
from bench.ddi import Ddi
from pico_ota.release import Options, build, keygen
from pico_ota.sim import SimulatedPico
from pico_ota.sim.image import read_tree

AUTH = ("admin", "otapico")
MAIN = (Path(__file__).parents[1] / "apps/fleet/main.py").read_text()


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    top = tmp_path_factory.mktemp("keys")
    return keygen(top / "mine", bits=2048), keygen(top / "other", bits=2048)


@pytest.fixture(scope="session")
def make_release(keys, tmp_path_factory):
    """Build a release: make_release("2.0.0", {"lib/x.py": text}, key=…, **options) -> bytes."""
    top = tmp_path_factory.mktemp("releases")
    made = {}

    def make(version="2.0.0", files=None, key=None, **options):
        files = {"main.py": MAIN, "lib/version.py": f"VERSION = '{version}'\n", **(files or {})}
        chosen = keys[0].private if key is None else key
        known = (version, json.dumps(files, sort_keys=True, default=repr), chosen, repr(options))
        if known not in made:
            folder = top / f"app{len(made)}"
            for path, text in files.items():
                place = folder / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(text if isinstance(text, bytes) else text.encode())
            out = top / f"{len(made)}.swu"
            build(folder, out, version, Options(**options), sign_key=chosen or None)
            made[known] = out.read_bytes()
        return made[known]

    return make


@pytest.fixture
def server():
    server = Ddi()
    yield server
    server.close()


class Board:
    """A simulated Pico that asks a server."""

    def __init__(self, pico):
        self.pico = pico

    def status(self):
        with httpx.Client(base_url=self.pico.url, auth=AUTH, timeout=20) as web:
            return web.get("/api/v1/status").raise_for_status().json()

    def web(self):
        headers = {"X-Requested-With": "tests"}
        return httpx.Client(base_url=self.pico.url, auth=AUTH, headers=headers, timeout=30)

    def push(self, version, files):
        """Push *files* as a developer does, unsigned, and wait until they are confirmed."""
        with self.web() as web:
            protocol.push(web, version, files)
        self.pico.wait_console(f"Version {version} is confirmed", 60)

    def tree(self):
        """Return {path: content} of the flash of a board that is off."""
        return read_tree(self.pico.image)


@pytest.fixture
def make_board(board_files, keys, tmp_path):
    """make_board(server, fleet={…}, service={…}, **more) -> a Board that is on."""
    made = []

    def make(server, fleet=None, service=None, files=None, before_install=None, **options):
        live = tmp_path / f"live{len(made)}"
        live.mkdir()
        (live / "main.py").write_text(MAIN)
        shutil.copyfile(keys[0].public, live / "public.json")
        url = server if isinstance(server, str) else server.url
        given = {
            "fleet": {"url": url, "poll_s": 1, **(fleet or {})},
            "service": {"public_key": "/public.json", **(service or {})},
            "before_install": before_install,
        }
        (live / "fleet.json").write_text(json.dumps(given))
        for path, data in (files or {}).items():
            place = live / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        image = tmp_path / f"flash{len(made)}.img"
        pico = SimulatedPico(image, app=live, device_files=board_files, **options)
        made.append(pico)
        pico.start()
        pico.wait_listening(30)
        return Board(pico)

    yield make
    for pico in made:
        print(pico.console())  # shown when the test fails
        pico.close()
