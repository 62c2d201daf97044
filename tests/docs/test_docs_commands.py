"""What the documents tell to type is typed, and prints what they say."""

import shutil

import pytest
from fences import blocks
from shell import difference, run, steps

APP = """\
{first}
import asyncio

from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    wifi = WiFiManager("test-net", "test-password", {name!r})
    ota = OTAUpdateService(wifi, confirm_after_s=0, {options})
    await ota.start()
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
"""


def write_app(folder, name=None, options="", first="", files=()):
    """Make an application that confirms itself at once."""
    source = APP.format(name=name, options=options, first=first)
    for path, content in {"main.py": source.lstrip(), **dict(files)}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return folder


@pytest.fixture
def device(board, tmp_path):
    """Start a simulated Pico: device(name, more as for write_app)."""
    return lambda name="pico-kitchen", **more: board(write_app(tmp_path / name, name, **more))


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


def test_quickstart_developer(device, folder):
    pico = device(
        options="trial_deadline_s=60",
        first="from lib import limits",
        files={"lib/limits.py": "HIGHEST = 25\n"},
    )
    shutil.copytree(pico.app, folder / "app")
    check(run(steps(blocks("docs/quickstart-developer.md")), folder, hosts(pico_kitchen=pico)))


def fleet_steps():
    """With the server, and without one: each has a shell and boards of its own."""
    found = steps(blocks("docs/quickstart-fleet.md"))
    second = [step.command for step in found].index("pico-ota keygen keys/", 1)
    return found[:second], found[second:]


def test_quickstart_fleet_with_a_server(folder):
    with_server, _ = fleet_steps()
    check(run(with_server, folder, timeout_s=280))


def test_quickstart_fleet(device, folder):
    _, (keygen, *rest) = fleet_steps()
    check(run([keygen], folder))
    trusting = {
        "options": 'public_key="/public.json"',
        "files": {"public.json": (folder / "keys/public.json").read_text()},
    }
    picos = hosts(
        pico_kitchen=device("pico-kitchen", **trusting),
        pico_garage=device("pico-garage", **trusting),
    )
    write_app(folder / "app", "pico-kitchen", **trusting)
    check(run(rest, folder, picos))


def test_signing(device, folder):
    keygen, *rest = steps(blocks("docs/signing.md"))
    check(run([keygen], folder))
    app = {
        "options": 'public_key="/public.json", min_version="1.0.0"',
        "files": {
            "public.json": (folder / "keys/public.json").read_text(),
            "lib/util.py": "UTIL = 1\n",
        },
    }
    write_app(folder / "app", "pico-kitchen", **app)
    (folder / "app/public.json").unlink()
    check(run(rest, folder, hosts(pico_kitchen=device(**app))))


def test_simulator(folder):
    write_app(folder / "app", "pico-kitchen")
    check(run(steps(blocks("docs/simulator.md")), folder))


def test_the_simulator_as_a_python_object(folder, monkeypatch, capsys):
    write_app(folder / "app", "pico-kitchen")
    monkeypatch.chdir(folder)
    (block,) = [b for b in blocks("docs/simulator.md") if b.language == "python"]
    exec(compile(block.text, block.place, "exec"), {})
    assert "flash operations, {'event': 'flash'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "printed", "same"),
    [
        ("a\nb", "a\nb", True),
        ("a\nb", "a\nc", False),
        ("a\nb", "a\nb\nc", False),
        ("a\n…", "a\nb\nc", True),
        ("a\n…\nd", "a\nd", True),
        ("a\n…\nd", "a\nb\nc\ne", False),
        ("a … b", "a 1 2 b", True),
        ("a … b", "a\nb", False),
        ("took 1.5 s", "took 12 s", True),
        ("took 1.5 s", "took 12 m", False),
        ("On trial, attempt 1 of 3\nb", "b", True),
        ('{"a": 1} 200', '{"a":1} 200', True),
        ('{"a": 1} 200', '{"a":1} 201', False),
        ('{"a": 1}', '{"a":2}', False),
        ('{"a": 1}', '{"a":1, "b":2}', False),
        ('{"a": "…"}', '{"a": {"b": 2}}', True),
        ('{"free": 1}', '{"free": 2}', True),
        ('{"free": 1}', '{"free": "2"}', False),
        ('["x", "…"]', '["x", "y", "z"]', True),
        ('["x"]', '["x", "y"]', False),
    ],
)
def test_the_comparison_sees_what_differs(said, printed, same):
    assert (difference(said, printed) is None) == same
