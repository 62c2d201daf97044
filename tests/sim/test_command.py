"""`pico-ota sim` as somebody outside uses it: options, events, exit statuses, signals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from simboard import SERVER, children, gone

from pico_ota.sim import image

COMMAND = [Path(sys.executable).with_name("pico-ota"), "sim"]


@pytest.fixture
def sim():
    """Start the command; it is ended with the test."""
    started = []

    def sim(*arguments, command=COMMAND):
        process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        started.append(process)
        return process

    yield sim
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def prepared(make_board):
    """Make an image with a program on it."""

    def prepared(program):
        board = make_board(program, files={"/name": b"name"})
        board.prepare()
        return board.image

    return prepared


def ended(process):
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", [COMMAND, [sys.executable, "-m", "pico_ota.sim"]])
def test_a_board_that_listens_and_is_stopped(sim, prepared, command, number):
    path = prepared(SERVER)
    process = sim("--flash", path, "--json", command=command)
    first = json.loads(process.stdout.readline())
    assert first["event"] == "listening"
    (pid,) = children(process.pid)
    assert httpx.get(first["url"]).status_code == 200
    process.send_signal(number)
    status, out, _ = ended(process)
    assert status == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"event": "flash", "erases": 0, "programs": 0, "bytes": 0}
    ]
    assert gone(pid)


def test_a_new_image_gets_the_device_files_and_the_application(sim, tmp_path):
    app = tmp_path / "app"
    (app / "sub").mkdir(parents=True)
    (app / "main.py").write_text("print('hello from', open('/sub/x').read())")
    (app / "sub" / "x").write_text("x")
    path = tmp_path / "flash.img"
    process = sim("--flash", path, "--app", app, "--board", "pico2_w", "--json")
    assert json.loads(process.stdout.readline()) == {"event": "prompt"}
    process.terminate()
    status, _, err = ended(process)
    assert status == 0
    assert "hello from x\n" in err
    assert path.stat().st_size == 2560 * 1024
    assert {"/boot.py", "/main.py", "/sub/x", "/ota/modules.pack"} <= set(image.read_tree(path))


def test_a_power_cut(sim, prepared):
    path = prepared(
        "import machine\n"
        "with open('/x', 'w') as f: f.write('x' * 9000)\n"
        "print('written')\n"
        "if machine.reset_cause() == 1: machine.reset()\n"
    )
    process = sim("--flash", path, "--json")
    events = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.terminate()
    assert ended(process)[0] == 0
    assert [e["event"] for e in events] == ["flash", "boot", "prompt"]
    whole = events[0]["erases"] + events[0]["programs"]
    assert whole > 5
    # In the middle, and in what happens after the restart.
    for cut in (3, whole + 3):
        status, out, err = ended(
            sim("--flash", path, "--cut-after", str(cut), "--tear", "half", "--json")
        )
        assert status == 70
        last = json.loads(out.splitlines()[-1])
        assert last["event"] == "flash"
        assert last["erases"] + last["programs"] == cut
        assert err.count("written") == (cut > whole)


def test_people_see_the_console(sim, prepared):
    process = sim("--flash", prepared("print('hello')"))
    seen = ""
    while "[sim] prompt" not in seen:
        seen += process.stdout.readline()
    process.terminate()
    status, out, err = ended(process)
    assert status == 0
    assert "hello\n" in seen + out
    assert "[sim] flash erases=0 programs=0 bytes=0\n" in out
    assert err == ""


@pytest.mark.parametrize(("board", "least"), [("pico_w", 390_000), ("pico2_w", 890_000)])
def test_without_a_heap_it_has_a_boards_memory(sim, tmp_path, board, least):
    """Objects have twice the size here."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text("import gc\nprint('heap', gc.mem_free() + gc.mem_alloc())\n")
    process = sim("--flash", tmp_path / "flash.img", "--app", app, "--board", board)
    size = int(process.stdout.readline().split()[1])
    assert least < size < 1.05 * least


def test_it_says_who_may_log_in(sim, prepared):
    process = sim("--flash", prepared(SERVER))
    seen = ""
    while "[sim] user admin, password otapico" not in seen:
        seen += process.stdout.readline()
    assert "[sim] listening" in seen


def test_the_heap_and_the_timing_of_the_chip(sim, prepared):
    path = prepared(
        "import gc, time\n"
        "start = time.ticks_ms()\n"
        "with open('/x', 'w') as f: f.write('x' * 40000)\n"
        "ms = time.ticks_diff(time.ticks_ms(), start)\n"
        "print('ok', gc.mem_free() + gc.mem_alloc() < 110000, ms > 400)\n"
    )
    process = sim("--flash", path, "--heap", "100K", "--flash-timing")
    assert "ok True True" in process.stdout.readline()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "Missing option '--flash'"),
        (["--flash", "IMAGE", "--board", "pico"], "unknown board 'pico'"),
        (["--flash", "IMAGE", "--tear", "half"], "needs its number"),
        (["--flash", "IMAGE", "--cut-after", "0"], "count from 1"),
        (["--flash", "IMAGE", "--cut-after", "x"], "valid integer"),
        (["--flash", "IMAGE", "--heap", "big"], "no size of a heap"),
        (["--flash", "IMAGE", "--app", "nowhere"], "is not a folder"),
        (["--flash", "IMAGE", "--port", "99999"], "no port"),
        (["--flash", "/nowhere/flash.img"], "cannot write"),
        (["--flash", "WRONG"], "has 5 bytes"),
        (["--flash", "FOLDER"], "not a file"),
        (["--flash", "IMAGE", "--nothing"], "No such option"),
    ],
)
def test_wrong_usage(capfd, tmp_path, monkeypatch, options, words):
    from pico_ota.cli.app import call

    monkeypatch.chdir(tmp_path)
    (tmp_path / "WRONG").write_bytes(b"12345")
    (tmp_path / "FOLDER").mkdir()
    assert call(["sim", *options]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert err.startswith("pico-ota: ")
    assert not (tmp_path / "IMAGE").exists()


def test_a_port_that_is_taken(sim, prepared):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        number = taken.getsockname()[1]
        status, _, err = ended(sim("--flash", prepared("pass"), "--port", str(number), "--json"))
    assert status == 2
    assert f"port {number} of 127.0.0.1 cannot be used" in err


def test_a_reader_that_goes_away_does_not_stop_the_board(sim, prepared):
    process = sim("--flash", prepared(SERVER), "--json")
    url = json.loads(process.stdout.readline())["url"]
    process.stdout.close()
    process.stdout = None
    assert httpx.get(url).status_code == 200
    process.terminate()
    assert process.wait(10) == 0
