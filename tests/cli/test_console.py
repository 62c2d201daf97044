"""What the program prints, and its last traceback, on the command line."""

import json
import subprocess
import sys
import time

import pytest
from test_push import APP, write

from pico_ota.sim.image import write_files

PRINTS = b"""
import asyncio
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService

print("begin", end=" ")
print("and end \\x1b[31m\\u20ac")

async def main():
    await OTAUpdateService(WiFiManager("n", "password", "pico-test")).start()
    n = 0
    while True:
        print("tick", n)
        n += 1
        await asyncio.sleep_ms(100)
        if n == 20:
            try:
                1 / 0
            except ZeroDivisionError as error:
                import sys
                sys.print_exception(error)
asyncio.run(main())
"""


@pytest.fixture
def printing(make_pico, monkeypatch):
    """A device whose program prints a line ten times a second."""
    pico = make_pico(start=False)
    write_files(pico.image, {"/main.py": PRINTS})
    pico.start()
    pico.wait_listening(20)
    monkeypatch.setenv("PICO_OTA_HOST", pico.url.removeprefix("http://"))
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
    return pico


def test_the_log_has_both_or_one(printing, cli):
    both = cli("log").out.splitlines()
    assert "begin and end \\x1b[31m€" in both
    assert any(line.startswith("ota: Listening at") for line in both)
    program = cli("log", "--only", "program").out.splitlines()
    assert program[:2] == ["begin and end \\x1b[31m€", "tick 0"]
    assert not any("Listening" in line for line in program)
    updater = cli("log", "--only", "updater").out.splitlines()
    assert not any("tick" in line for line in updater)
    assert any(line.startswith("Listening at") for line in updater)
    document = json.loads(cli("log", "--json").out)
    assert document["console"]["text"].startswith("begin and end \x1b[31m€\ntick 0\n")
    assert cli("log", "--only", "else").status == 2


def test_following_shows_each_line_once_over_a_restart(printing, cli):
    command = [sys.executable, "-m", "pico_ota.cli", "log", "-f", "--interval", "0.2"]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        seen = [follower.stdout.readline() for _ in range(8)]
        assert cli("reboot", "--no-wait").status == 0
        while "begin" not in seen[-1]:
            seen.append(follower.stdout.readline())
        seen += [follower.stdout.readline() for _ in range(5)]
    finally:
        follower.terminate()
        follower.wait(10)
    ticks = [line.strip() for line in seen if line.startswith("tick")]
    second = ticks.index("tick 0", 1)
    assert ticks[:second] == [f"tick {n}" for n in range(second)]
    assert ticks[second:] == [f"tick {n}" for n in range(len(ticks) - second)]
    assert any(line.startswith("ota: Restarting") for line in seen)


def test_each_line_as_json_says_whose_it_is(printing, cli):
    command = [sys.executable, "-m", "pico_ota.cli", "log", "-f", "--json", "--only", "program"]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        seen = [json.loads(follower.stdout.readline()) for _ in range(3)]
    finally:
        follower.terminate()
        follower.wait(10)
    assert seen[1] == {"line": "tick 0", "from": "program"}


def test_the_status_shows_the_traceback(printing, cli):
    end = time.monotonic() + 20
    while not json.loads(cli("status", "--json").out)["traceback"]:
        assert time.monotonic() < end
        time.sleep(0.2)
    lines = cli("status").out.splitlines()
    at = lines.index("    Traceback (most recent call last):")
    assert 'File "main.py", line 18, in main' in lines[at + 1]
    assert lines[at + 2].endswith("ZeroDivisionError: divide by zero")


def test_a_push_that_is_taken_back_shows_the_traceback(trial_device, cli, here):
    bad = write(here / "bad", main_py=APP.format(line="def f():\n    raise KeyError('x')\nf()"))
    result = cli("push", bad, "--version", "9.9", "--json")
    assert result.status == 5
    answer = json.loads(result.out)
    assert answer["traceback"].startswith("Traceback (most recent call last):\n")
    assert answer["traceback"].endswith("\nKeyError: x")
    lines = result.err.splitlines()
    assert lines[0].endswith("What it said:")
    assert lines[1] == "    Traceback (most recent call last):"
    assert 'File "main.py", line' in lines[2]
    assert lines[-1] == "    KeyError: x"
    # It is there for all who ask later, until the next set comes.
    assert answer["traceback"] == json.loads(cli("status", "--json").out)["traceback"]
    good = write(here / "good", main_py=APP.format(line="A = 1"))
    assert cli("push", good, "--version", "9.10").status == 0
    assert json.loads(cli("status", "--json").out)["traceback"] is None
