"""WiFiManager beside the radio of the simulated Pico: joined, refused, dropped, back."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pico_ota.devicefiles import device_files
from pico_ota.sim import SimulatedPico

# Fifty times faster than on a board; the radio takes 50 ms to join.
MAIN = b"""
import asyncio
from manager_wifi import WiFiError, WiFiManager

WiFiManager._second_ms = 20

async def main():
    wifi = WiFiManager("home", "secret-password", "Device_Name", "DE")
    wifi.start()
    try:
        print("address", await wifi.connect(20), "rssi", wifi.rssi)
    except WiFiError as error:
        print(type(error).__name__, error)
    while True:
        await asyncio.sleep_ms(10)

asyncio.run(main())
"""

Start = Callable[..., SimulatedPico]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    files = {
        path: data
        # With all names: the test sets one that is private.
        for path, data in device_files(debug=True).items()
        if path.startswith(("/manager_wifi", "/ota/"))
    }
    files["/main.py"] = MAIN
    with SimulatedPico(tmp_path / "flash.img", device_files=files) as pico:

        def switch_on(**air: object) -> SimulatedPico:
            pico.set_wifi(**air)
            pico.start()
            return pico

        yield switch_on


def test_it_joins_and_says_where_it_is(start: Start) -> None:
    pico = start(networks={"home": "secret-password"}, rssi=-61)
    pico.wait_console("Wi-Fi: connected, 127.0.0.1, device-name.local")
    pico.wait_console("address 127.0.0.1 rssi -61")


@pytest.mark.parametrize(
    ("air", "error"),
    [
        ({"networks": {"home": "another-password"}}, "WrongPasswordError 'home' refuses"),
        ({"networks": {"neighbour": "x"}}, "NoNetworkError no network 'home' in reach"),
        ({"address": None}, "NoAddressError joined 'home' but got no address"),
        ({"outcome": -1}, "WiFiError cannot join 'home' (status -1)"),
    ],
)
def test_it_says_why_it_does_not_and_goes_on_trying(
    start: Start, air: dict[str, object], error: str
) -> None:
    pico = start(**air)
    pico.wait_console(error)
    pico.set_wifi(networks=None, address="127.0.0.1", outcome=None)
    pico.wait_console("Wi-Fi: connected")


def test_it_comes_back_after_the_router_was_away(start: Start) -> None:
    pico = start()
    wait_for(pico, "Wi-Fi: connected", 1)
    for times in (1, 2):
        pico.set_wifi(link=False)
        wait_for(pico, "Wi-Fi: connection lost", times)
        wait_for(pico, "no network 'home' in reach", times)
        pico.set_wifi(link=True)
        wait_for(pico, "Wi-Fi: connected", times + 1)


def wait_for(pico: SimulatedPico, text: str, times: int) -> None:
    end = time.monotonic() + 10
    while pico.console().count(text) < times:
        assert time.monotonic() < end, pico.console()
        time.sleep(0.02)
