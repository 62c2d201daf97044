"""Roll-outs on a real gooseBit, with light boards that poll it."""

import json
import signal
import subprocess
import time

import httpx
import pytest
from update_server import COMMAND, Boards, environment, known, pico_ota

from bench.fleet.light import CONFIRM, FAIL, SILENT

WAIT = ("--deadline", "3m", "--wait")


def fails_from(version):
    return lambda came: FAIL if came == version else CONFIRM


def rollout(server, swu, *options, check=0):
    return server("rollout", swu, *options, check=check)


def registered(server, count):
    """Wait until *count* boards have told the server what they are."""
    for _ in range(600):
        if sum(board["state"] == "registered" for board in boards(server)) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(boards(server))


def boards(server):
    admin = json.loads((server.folder / "admin.json").read_text())
    with httpx.Client(base_url=server.url, timeout=30) as client:
        document = {"name": admin["name"], "password": admin["password"]}
        client.post("/fleet/login", json=document).raise_for_status()
        return client.get("/fleet/overview").raise_for_status().json()["boards"]


def test_all_boards_get_it_stage_by_stage(server, make_swu):
    with Boards(known(server, 5)) as fleet:
        registered(server, 5)
        told = rollout(server, make_swu("1.1.0"), "--stages", "1,50%,100%", *WAIT)
        assert fleet.ran("1.1.0") == [board.id for board in fleet.boards]
    assert (told["state"], told["confirmed"], told["failures"]) == ("finished", 5, [])
    assert [stage["boards"] for stage in told["stages"]] == [1, 2, 2]
    began = [stage["started"] for stage in told["stages"]]
    assert began == sorted(began)
    assert all(board["version"] == "1.1.0" for board in boards(server))
    # Once more: everybody has it, nothing is done.
    again = rollout(server, make_swu("1.1.0"), "--stages", "1,50%,100%", *WAIT)
    assert again["id"] == told["id"]


def test_a_bad_release_stops_in_its_first_stage(server, make_swu):
    with Boards(known(server, 4, behave=fails_from("1.2.0"))) as fleet:
        registered(server, 4)
        options = ("--stages", "1,100%", "--max-failures", "0", *WAIT)
        told = rollout(server, make_swu("1.2.0"), *options, check=5)
        broken = told["failures"]
        assert fleet.ran("1.2.0") == [one["id"] for one in broken]
        assert len(broken) == 1
        assert "ImportError" in broken[0]["reason"]
        assert (told["error"], told["exit_status"], told["state"]) == ("stopped", 5, "stopped")
        assert broken[0]["id"] in told["message"]
        assert "ImportError" in told["message"]
        # From cron, the same command says the same and starts nothing.
        assert rollout(server, make_swu("1.2.0"), *options, check=5)["id"] == told["id"]
        time.sleep(1.5)
        assert len(fleet.ran("1.2.0")) == 1
        # Another release does not start over it, until somebody decides.
        refused = rollout(server, make_swu("1.3.0"), *options, check=2)
        assert "abort" in refused["message"]
        assert server("rollout", "abort")["state"] == "aborted"
        # The mended one reaches all, the board that failed too.
        done = rollout(server, make_swu("1.3.0"), *options)
        assert (done["state"], done["confirmed"]) == ("finished", 4)
        assert fleet.ran("1.3.0") == [board.id for board in fleet.boards]
        # Nobody was ever offered something older, or the broken one.
        assert len(fleet.ran("1.2.0")) == 1


def test_a_release_that_breaks_every_board_is_run_by_two_of_two_hundred(server, make_swu):
    fleet = known(server, 200, behave=fails_from("1.2.0"), poll_s=4.0)
    with Boards(fleet) as polled:
        registered(server, 200)
        options = ("--stages", "2,10%,100%", "--max-failures", "1", *WAIT)
        told = rollout(server, make_swu("1.2.0"), *options, check=5)
        time.sleep(5)  # would anybody still begin?
        ran = polled.ran("1.2.0")
    assert len(ran) == 2
    assert sorted(one["id"] for one in told["failures"]) == sorted(ran)
    assert all(board in told["message"] for board in ran)
    assert {board.version for board in fleet} == {"1.0.0"}
    assert [stage["boards"] for stage in told["stages"]] == [2, 18, 180]
    assert [stage["state"] for stage in told["stages"]] == ["done", "waiting", "waiting"]


def test_a_silent_board_is_lost_and_counts(server, make_swu):
    fleet = known(server, 3, behave=lambda version: SILENT)
    with Boards(fleet) as polled:
        registered(server, 3)
        options = ("--stages", "1,100%", "--max-failures", "0", "--deadline", "4s", "--wait")
        told = rollout(server, make_swu("1.1.0"), *options, check=5)
        assert len(polled.ran("1.1.0")) == 1
    assert [one["state"] for one in told["failures"]] == ["lost"]
    assert "no outcome" in told["failures"][0]["reason"]


def test_a_board_that_never_came_is_lost_too(server, make_swu):
    known(server, 1)
    options = ("--stages", "100%", "--deadline", "2s", "--wait")
    told = rollout(server, make_swu("1.1.0"), *options, check=5)
    assert "never asked" in told["failures"][0]["reason"]


def test_losses_within_the_limit_are_said_and_do_not_stop(server, make_swu):
    fleet = known(server, 3)
    fleet[1].behave = fails_from("1.1.0")
    with Boards(fleet):
        registered(server, 3)
        told = rollout(server, make_swu("1.1.0"), "--stages", "100%", "--max-failures", "1", *WAIT)
    assert (told["state"], told["confirmed"], told["failed"]) == ("finished", 2, 1)
    assert [one["id"] for one in told["failures"]] == ["pico-001"]


def test_a_killed_command_goes_on_where_it_was(server, make_swu):
    swu = make_swu("1.1.0")
    options = ("--stages", "1,2,100%", *WAIT)
    words = [*COMMAND, "fleet", "rollout", str(swu), *options, "--data", str(server.folder)]
    with Boards(known(server, 4, trial_s=1.0)) as fleet:
        registered(server, 4)
        # Ctrl-C says what goes on; a kill says nothing.
        for number in (signal.SIGINT, signal.SIGKILL, signal.SIGKILL):
            running = subprocess.Popen(
                words,
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            time.sleep(2.5)
            running.send_signal(number)
            _, said = running.communicate()
            if number == signal.SIGINT:
                assert running.returncode == 130
                assert "1.1.0 go on, no stage starts. The same command" in said
        told = rollout(server, swu, *options)
        assert (told["state"], told["confirmed"]) == ("finished", 4)
        for board in fleet.boards:
            assert board.ran == ["1.0.0", "1.1.0"]


def test_from_cron_each_call_does_what_is_due(server, make_swu):
    swu = make_swu("1.1.0")
    with Boards(known(server, 3)) as fleet:
        registered(server, 3)
        states = []
        for _ in range(100):
            told = rollout(server, swu, "--stages", "1,100%")
            states.append((told["state"], told["stages"][1]["state"]))
            if told["state"] == "finished":
                break
            time.sleep(0.4)
        assert states[0] == ("running", "waiting")
        assert states[-1] == ("finished", "done")
        assert len(fleet.ran("1.1.0")) == 3
    # Other options are another wish, and are refused while it runs only.
    changed = rollout(server, swu, "--stages", "100%")
    assert changed["state"] == "finished"


def test_pause_holds_boards_back_until_resume(server, make_swu):
    swu = make_swu("1.1.0")
    with Boards(known(server, 3)) as fleet:
        registered(server, 3)
        told = rollout(server, swu, "--stages", "1,100%", "--pause-between")
        for _ in range(100):
            if told["state"] == "paused":
                break
            time.sleep(0.3)
            told = rollout(server, swu, "--stages", "1,100%", "--pause-between")
        assert (told["state"], told["confirmed"]) == ("paused", 1)
        time.sleep(1.5)
        assert len(fleet.ran("1.1.0")) == 1
        refused = server("rollout", "pause", check=2)
        assert "does not run" in refused["message"]
        status = server("rollout", "status")
        assert (status["state"], status["stages"][1]["state"]) == ("paused", "waiting")
        done = server("rollout", "resume", "--wait")
        assert (done["state"], done["confirmed"]) == ("finished", 3)
    for what in ("pause", "resume", "abort"):
        assert "finished" in server("rollout", what, check=2)["message"]


def test_a_pause_by_hand_reaches_the_command_that_waits(server, make_swu):
    swu = make_swu("1.1.0")
    options = ("--stages", "1,2,100%", *WAIT)
    words = [*COMMAND, "fleet", "rollout", str(swu), *options, "--data", str(server.folder)]
    with Boards(known(server, 3, trial_s=1.5)) as fleet:
        registered(server, 3)
        waiting = subprocess.Popen(
            [*words, "--json"], env=environment(), stdout=subprocess.PIPE, text=True
        )
        while not fleet.ran("1.1.0"):
            time.sleep(0.1)
        assert server("rollout", "pause")["state"] == "paused"
        time.sleep(4)
        had = len(fleet.ran("1.1.0"))
        time.sleep(3)
        assert len(fleet.ran("1.1.0")) == had < 3
        server("rollout", "resume")
        out, _ = waiting.communicate(timeout=120)
        assert waiting.returncode == 0
        assert json.loads(out)["confirmed"] == 3


def test_a_stopped_one_goes_on_with_a_higher_limit_only(server, make_swu):
    fleet = known(server, 3)
    fleet[0].behave = fails_from("1.1.0")
    with Boards(fleet):
        registered(server, 3)
        rollout(server, make_swu("1.1.0"), "--stages", "100%", *WAIT, check=5)
        assert "Raise" in server("rollout", "resume", "--wait", check=2)["message"]
        done = server("rollout", "resume", "--max-failures", "1", "--wait")
    assert (done["state"], done["confirmed"], done["failed"]) == ("finished", 2, 1)


def test_a_paused_stage_offers_nothing_older(server, make_swu):
    """The newest release is held back: nobody falls back to the one before."""
    with Boards(known(server, 2)) as fleet:
        registered(server, 2)
        rollout(server, make_swu("1.1.0"), "--stages", "100%", *WAIT)
        for board in fleet.boards:
            board.behave = fails_from("1.2.0")
        rollout(server, make_swu("1.2.0"), "--stages", "1,100%", *WAIT, check=5)
        time.sleep(1.5)
        offered = [board.ran for board in fleet.boards]
    assert sorted(offered) == [
        ["1.0.0", "1.1.0"],
        ["1.0.0", "1.1.0", "1.2.0", "1.1.0"],
    ]


def test_boards_that_it_is_not_for_are_left_alone(server, make_swu):
    with Boards(known(server, 2)) as fleet:
        registered(server, 2)
        told = rollout(server, make_swu("1.1.0", boards=("RPI_PICO2_W",)), *WAIT, check=2)
        assert "RPI_PICO2_W" in told["message"]
        assert fleet.ran("1.1.0") == []


@pytest.mark.parametrize(
    "words",
    [
        ("rollout", "status"),
        ("rollout", "nothing"),
        ("rollout", "none.swu"),
        ("rollout", "status", "--stages", "1"),
        ("rollout", "pause", "--wait"),
        ("rollout", "status", "unheard-of"),
    ],
)
def test_what_makes_no_sense_is_refused(server, words):
    assert server(*words, check=2)["error"] == "usage"


def test_options_that_make_no_sense_are_refused_before_the_server_is_asked(make_swu):
    swu = make_swu("1.1.0")
    for option, value in [
        ("--stages", "50%,10%"),
        ("--max-failures", "-1"),
        ("--deadline", "soon"),
        ("--min-boards", "0"),
    ]:
        done = pico_ota("fleet", "rollout", swu, f"{option}={value}", "--server", "http://[::1]:9")
        assert done.returncode == 2, (option, done.stderr)


def test_without_a_board_there_is_nothing_to_do(server, make_swu):
    assert "token" in rollout(server, make_swu("1.1.0"), check=2)["message"]
