"""Fixtures for tests against a simulated Pico W that runs the real device files."""

import shutil
import signal
from pathlib import Path

import httpx
import pytest

from pico_ota.devicefiles import device_files
from pico_ota.sim import SimulatedPico

# A shell that runs the tests in the background has told them to ignore Ctrl-C, and what they start
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

AUTH = ("admin", "otapico")
APPS = Path(__file__).parent / "apps"


@pytest.fixture(scope="session")
def board_files():
    """The device files as they go on a board, compiled once."""
    return device_files()


@pytest.fixture(scope="session")
def fresh_image(board_files, tmp_path_factory):
    """Return the path of a never booted image for an application, made once each."""
    made = {}

    def image_for(app):
        if app not in made:
            path = tmp_path_factory.mktemp("image") / f"{app}.img"
            SimulatedPico(path, app=APPS / app, device_files=board_files).prepare()
            made[app] = path
        return made[app]

    return image_for


@pytest.fixture
def make_pico(fresh_image, board_files, tmp_path):
    """Start simulated Picos that end with the test: make_pico(app="plain", **options)."""
    running = []

    def make(app="plain", image=None, start=True, **options):
        if image is None:
            image = tmp_path / f"flash{len(running)}.img"
            shutil.copyfile(fresh_image(app), image)
        pico = SimulatedPico(image, device_files=board_files, **options)
        running.append(pico)
        if start:
            pico.start()
            pico.wait_listening(20)
        return pico

    yield make
    for pico in running:
        pico.stop()


@pytest.fixture
def pico(make_pico):
    """A simulated Pico W with the plain application, listening."""
    return make_pico()


def client_for(pico, **options):
    """Return an httpx client with the credentials and the header that changes need."""
    options.setdefault("auth", AUTH)
    options.setdefault("timeout", 20)
    return httpx.Client(base_url=pico.url, headers={"X-Requested-With": "tests"}, **options)


@pytest.fixture
def http(pico):
    """An authorised HTTP client of `pico`."""
    with client_for(pico) as client:
        yield client
