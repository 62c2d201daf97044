"""Fixtures for the command line: run it in this process, against a simulated Pico or none."""

import shutil
from base64 import b64encode
from dataclasses import dataclass

import httpx
import pytest

from pico_ota.cli import main
from pico_ota.sim import SimulatedPico

PASSWORD = "otapico"


@dataclass
class Result:
    """What one run of the command line did."""

    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def clean_surroundings(monkeypatch, tmp_path):
    """No variable, project file or keyring of this computer reaches a test."""
    for name in ("HOST", "USER", "PASSWORD", "NEW_PASSWORD", "WIFI_SSID", "WIFI_PASSWORD"):
        monkeypatch.delenv(f"PICO_OTA_{name}", raising=False)
    monkeypatch.setattr("pico_ota.credentials._from_keyring", lambda name: None)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def here(clean_surroundings):
    """The current folder, empty."""
    return clean_surroundings


@pytest.fixture
def cli(capsys):
    """Run the command line: `cli("ls", ":lib").out`."""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        # Promised for every verb and every option: the password is never printed.
        said = captured.out + captured.err
        assert PASSWORD not in said
        assert b64encode(f"admin:{PASSWORD}".encode()).decode() not in said
        return Result(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def shared_pico(fresh_image, board_files, tmp_path_factory):
    """One simulated Pico for all tests that clean up behind them."""
    image = tmp_path_factory.mktemp("shared") / "flash.img"
    shutil.copyfile(fresh_image("plain"), image)
    with SimulatedPico(image, device_files=board_files) as pico:
        pico.start()
        pico.wait_listening(20)
        yield pico


def point_at(monkeypatch, pico):
    """Make *pico* the device that the command line talks to."""
    monkeypatch.setenv("PICO_OTA_HOST", pico.url.removeprefix("http://"))
    monkeypatch.setenv("PICO_OTA_PASSWORD", PASSWORD)
    return pico


@pytest.fixture
def device(shared_pico, monkeypatch):
    """The shared simulated Pico, with host and password in the environment."""
    return point_at(monkeypatch, shared_pico)


@pytest.fixture
def own_device(pico, monkeypatch):
    """A simulated Pico of one's own, with host and password in the environment."""
    return point_at(monkeypatch, pico)


@pytest.fixture
def trial_device(make_pico, monkeypatch):
    """A simulated Pico whose application confirms an update after a second."""
    return point_at(monkeypatch, make_pico(app="trial"))


@pytest.fixture
def http_of():
    """An HTTP client of a simulated Pico, past the command line: `http_of(device)`."""

    def connect(pico):
        return httpx.Client(
            base_url=pico.url, auth=("admin", PASSWORD), headers={"X-Requested-With": "t"}
        )

    return connect
