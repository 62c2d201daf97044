"""What the documents tell to type is typed, and prints what they say."""

import pytest
from fences import blocks
from shell import run, steps

APP = """\
import asyncio

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    wifi = WiFiManager("test-net", "test-password", "{name}")
    ota = OTAUpdateService(wifi, confirm_after_s=1, {options})
    await ota.start()
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
"""


@pytest.fixture
def device(board, tmp_path):
    """Start a simulated Pico: device(name, options of the service, more files)."""

    def start(name="pico-kitchen", options="", files=()):
        app = tmp_path / "apps" / name
        app.mkdir(parents=True)
        (app / "main.py").write_text(APP.format(name=name, options=options))
        for path, content in dict(files).items():
            (app / path).parent.mkdir(parents=True, exist_ok=True)
            (app / path).write_bytes(content)
        return board(app)

    return start


@pytest.fixture
def folder(tmp_path):
    """The folder that the commands are typed in."""
    path = tmp_path / "here"
    path.mkdir()
    return path


def hosts(**picos):
    """Return {address in the document: that of the simulated Pico}."""
    found = {}
    for name, pico in picos.items():
        name = name.replace("_", "-") + ".local"
        found[name] = found[name + ":8080"] = pico.url.removeprefix("http://")
    return found


def check(problems):
    assert not problems, "\n\n".join(problems)


def test_http(device, folder):
    pico = device(options="trial_deadline_s=60, auto_confirm=False")
    pico.wait_console("Listening")
    check(run(steps(blocks("docs/http.md")), folder, hosts(pico_kitchen=pico)))
