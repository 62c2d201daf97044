"""A real hawkBit, started once; `make test-hawkbit` sets it up."""

import importlib.util
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
HAWKBIT = ROOT / ".tools" / "hawkbit"
sys.path.insert(0, str(ROOT / "tests" / "fleet_server"))

_spec = importlib.util.spec_from_file_location(
    "fleet_server_conftest", ROOT / "tests" / "fleet_server" / "conftest.py"
)
_other = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_other)
make_swu = _other.make_swu

# What its libraries of 2020 reach into.
_OPENS = ("java.base/java.lang", "java.base/java.util", "java.base/java.text")


@pytest.fixture(scope="session")
def hawkbit(tmp_path_factory):
    """Its address."""
    if not (HAWKBIT / ".ready").exists():
        pytest.skip("hawkBit is not set up: `make test-hawkbit` does that")
    folder = tmp_path_factory.mktemp("hawkbit")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["java", "-Xmx600m"]
    for name in _OPENS:
        words += ["--add-opens", f"{name}=ALL-UNNAMED"]
    words += ["-cp", f"{HAWKBIT}/target/classes:{HAWKBIT}/lib/*", "server.Main"]
    files = f"--org.eclipse.hawkbit.repository.file.path={folder / 'artifacts'}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*words, f"--server.port={port}", files], cwd=folder, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 200
        while True:
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            assert time.monotonic() < end, "hawkBit did not start"
            try:
                # The first request makes the tenant; a second one meanwhile would block it.
                first = {"auth": ("admin", "admin"), "timeout": 150, "trust_env": False}
                httpx.get(f"{url}/rest/v1/softwaremoduletypes", **first).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(1)
        yield url
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(hawkbit, tmp_path):
    """The verbs at it, with an empty list of boards, and roll-outs kept below tmp_path."""
    found = HawkBitServer(hawkbit, tmp_path)
    found.clear()
    return found


class HawkBitServer:
    """As `update_server.Server`, for a hawkBit that runs already."""

    def __init__(self, url, folder):
        self.url = url
        self.api = httpx.Client(
            base_url=f"{url}/rest/v1", auth=("admin", "admin"), timeout=60, trust_env=False
        )
        self._environment = {
            "PICO_OTA_FLEET": f"hawkbit+{url}",
            "PICO_OTA_FLEET_USER": "admin",
            "PICO_OTA_FLEET_PASSWORD": "admin",
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def clear(self):
        """Remove what the test before has left."""
        for one in self.api.get("/targets?limit=500").json()["content"]:
            self.api.delete(f"/targets/{one['controllerId']}")

    def __call__(self, *words, check=0):
        import json

        from update_server import pico_ota

        done = pico_ota("fleet", *words, "--json", check=check, **self._environment)
        return json.loads(done.stdout)
