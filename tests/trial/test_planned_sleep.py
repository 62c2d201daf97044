"""Boards that sleep by plan: prepare_sleep(), and a client that waits until one wakes."""

import time

import pytest
import rig

from pico_ota.cli import main as pico_ota

scenario = rig.Scenarios()

#: Wakes, listens for a second at least, and sleeps for another.
SLEEPS = b"    await service.prepare_sleep(1)\n    print('sleeps')\n    machine.deepsleep(1000)\n"
WAKES = b"    while service.port is None:\n        await asyncio.sleep_ms(20)\n"


def app(sleeps=WAKES + SLEEPS, **options):
    """The application of the rig, which sleeps; its files count as changed by hand."""
    main = rig.app(confirm_after_s=300, trial_deadline_s=400, **options)
    main = main.replace(b"service = Quiet(", b"service = OTAUpdateService(")
    return main.replace(b"    while True:\n", sleeps + b"    while True:\n", 1)


def sleeping_board(make_board, **options):
    board = make_board(app(**options))
    board.set_wifi(networks={"test-net": "test-password"})
    board.start()
    board.wait_console("sleeps", 40)
    return board


def slept(board, times, timeout=60):
    end = time.monotonic() + timeout
    before = board.console().count("sleeps")
    while board.console().count("sleeps") < before + times:
        assert time.monotonic() < end, board.console()[-1500:]
        time.sleep(0.2)


def awake(board, method, path, **options):
    """Send a request again and again until the board is awake to answer it."""
    return board.wait_answer(method, path, **options)


@pytest.fixture
def patient(make_board):
    """Boards whose requests wait until they are awake."""

    def wait_answer(board, method, path, **options):
        end = time.monotonic() + 40
        while True:
            try:
                return board.request(method, path, **options)
            except Exception:
                assert time.monotonic() < end, board.console()[-1500:]
                time.sleep(0.05)

    rig.Board.wait_answer = wait_answer
    yield make_board
    del rig.Board.wait_answer


@scenario()
def a_wake_in_which_it_was_reachable_proves_an_update(make_board):
    board = sleeping_board(make_board)
    awake(board, "GET", "/api/v1/info")
    board.update({"/main.py": app(), **rig.CHANGES})
    status = board.wait_status(lambda s: s["version"] == "2.0.0" and s["state"] == "idle", 60)
    assert status["last"]["outcome"] == "confirmed"
    slept(board, 3)
    assert "Rescue" not in board.console()


@scenario()
def an_update_that_is_never_reachable_is_undone_after_three_wakes(make_board):
    board = sleeping_board(make_board)
    awake(board, "GET", "/api/v1/info")
    bad = app(SLEEPS.replace(b"1000", b"200")).replace(b"test-net", b"no-such-net")
    board.update({"/main.py": bad})
    status = board.wait_status(lambda s: s["state"] == "idle" and s["last"], 90)
    assert status["last"]["reason"] == "not confirmed in 3 starts"


@scenario()
def the_application_may_take_more_wakes_to_make_up_its_mind(make_board):
    board = sleeping_board(make_board)
    awake(board, "GET", "/api/v1/info")
    counted = (
        b"    with open('/wakes', 'a') as file: file.write('x')\n"
        b"    if os.stat('/wakes')[6] > 5: service.confirm()\n"
    )
    board.update({"/main.py": app(WAKES + counted + SLEEPS, auto_confirm=False)})
    slept(board, 7, 90)
    status = awake(board, "GET", "/api/v1/status").json()
    assert (status["version"], status["last"]["outcome"]) == ("2.0.0", "confirmed")
    assert len(awake(board, "GET", "/fs/wakes").content) >= 6


@scenario()
def files_changed_by_hand_are_proven_by_a_wake_and_no_wake_is_a_death(make_board):
    board = sleeping_board(make_board)
    awake(board, "PUT", "/fs/lib/x.py", content=b"x = 5\n")
    slept(board, 5)
    assert "Rescue" not in board.console()
    board.stop()
    assert b"x.py" not in board.ours().get("/.ota/state", b"")


@scenario()
def sleeping_where_nobody_is_reached_is_no_death_either(make_board):
    board = sleeping_board(make_board)
    awake(board, "PUT", "/fs/lib/x.py", content=b"x = 5\n")
    board.set_wifi(networks={})
    board.stop()
    board.write({"/main.py": app(SLEEPS)})
    board.start()
    board.wait_console("sleeps", 40)
    slept(board, 6)
    assert "Rescue" not in board.console()


@scenario()
def nor_where_each_restart_counts(make_board):
    board = make_board(app(SLEEPS, rescue_after_resets=3))
    board.set_wifi(networks={})
    board.start()
    board.wait_console("sleeps", 40)
    slept(board, 6)
    assert "Rescue" not in board.console()


@scenario()
def an_update_keeps_it_awake_and_one_that_was_left_does_not(make_board):
    board = sleeping_board(make_board)
    awake(board, "GET", "/api/v1/info")
    board.stage({"/new.txt": b"new"})
    sleeps = board.console().count("sleeps")
    time.sleep(6)  # longer than any wake
    assert board.console().count("sleeps") == sleeps
    assert board.commit().status_code == 202
    board.wait_status(lambda s: s["version"] == "2.0.0" and s["state"] == "idle", 60)
    awake(board, "GET", "/api/v1/info")
    board.stage({"/new.txt": b"newer"}, version="3.0.0")
    board.power_cut()
    board.start()
    board.wait_console("sleeps", 15)


@scenario()
def what_asks_on_and_on_does_not_keep_it_awake_for_ever(make_board):
    short = rig.patched({"/ota/trial.py": ("_AWAKE_MS = const(30000)", "_AWAKE_MS = const(4000)")})
    board = make_board(app(), short)
    board.start()
    end = time.monotonic() + 30
    while "sleeps" not in board.console():
        assert time.monotonic() < end
        try:
            board.request("GET", "/api/v1/info")
        except Exception:
            time.sleep(0.1)
        time.sleep(0.05)


def test_planned_sleep(patient):
    scenario.run(patient, 0, 1)


def test_a_push_waits_until_it_wakes(patient, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")
    board = sleeping_board(patient)
    url = board.url.removeprefix("http://")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_bytes(app())
    (tmp_path / "app/big.bin").write_bytes(bytes(range(256)) * 300)
    command = ["push", "app", "--version", "3.1.0", "--host", url, "--wait-for"]
    assert pico_ota([*command, "1m"]) == 0
    awake(board, "GET", "/api/v1/info")
    board.stop()
    assert board.tree()["/big.bin"] == bytes(range(256)) * 300
    assert pico_ota([*command, "1s"]) == 3
    assert pico_ota([*command, "soon"]) == 2
