"""Simulated Picos with the applications of the examples and of the documents."""

import pytest

from pico_ota.sim import SimulatedPico


@pytest.fixture
def board(board_files, tmp_path):
    """Start simulated Picos that end with the test: board(folder with the application)."""
    running = []

    def start(app, **options):
        image = tmp_path / f"flash{len(running)}.img"
        pico = SimulatedPico(image, app=app, device_files=board_files, **options)
        running.append(pico)
        pico.start()
        pico.wait_listening(30)
        return pico

    yield start
    for pico in running:
        pico.close()


@pytest.fixture
def no_settings_of_mine(monkeypatch):
    """No variable of this computer reaches the command line."""
    for name in ("HOST", "USER", "PASSWORD", "NEW_PASSWORD", "WIFI_SSID", "WIFI_PASSWORD"):
        monkeypatch.delenv(f"PICO_OTA_{name}", raising=False)
