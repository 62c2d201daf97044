"""`pico-ota fleet push`: canaries first, then the others, and a stop when boards fail."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stub import CONFIRM, LOCKED, OFF, REFUSE, REVERT, SILENT, StubBoard

from pico_ota.cli import main
from pico_ota.durations import parse
from pico_ota.fleet.staging import FAILED, GOOD, NOT_REACHED, Staging

OUTCOMES = [*GOOD, *FAILED, *NOT_REACHED]


@pytest.fixture(scope="module")
def stubs():
    boards = [StubBoard(f"board{number}") for number in range(7)]
    yield boards
    for board in boards:
        board.close()


@pytest.fixture
def fleet(stubs, here, monkeypatch):
    """Make a fleet of stand-ins with these outcomes, listed in fleet.toml."""
    monkeypatch.setenv("PICO_OTA_PASSWORD", "otapico")

    def make(*outcomes):
        chosen = stubs[: len(outcomes)]
        for board, outcome in zip(chosen, outcomes, strict=True):
            board.reset(outcome)
        rows = "".join(f'{board.name} = "{board.host}"\n' for board in chosen)
        (here / "fleet.toml").write_text(f"[boards]\n{rows}")
        return chosen

    return make


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    (folder / "app").mkdir()
    (folder / "app/main.py").write_text("print('2.0.0')\n")
    (folder / "app/data.bin").write_bytes(bytes(20_000))
    assert (
        main(["-q", "build", f"{folder}/app", "-o", f"{folder}/r.swu", "--version", "2.0.0"]) == 0
    )
    return folder / "r.swu"


def push(cli, release, *options):
    """Run it against fleet.toml, and return status, events, and the last of them."""
    result = cli("fleet", "push", release, "--hosts", "fleet.toml", "--json", *options)
    events = [json.loads(line) for line in result.out.splitlines()]
    return result.status, events, events[-1]


# --- the arithmetic ---------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(
    outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=0, max_size=40),
    canary=st.integers(0, 6),
    jobs=st.integers(1, 10),
    allowed=st.integers(0, 5),
    before=st.lists(st.sampled_from(OUTCOMES), max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_never_more_boards_break_than_the_limits_say(
    outcomes, canary, jobs, allowed, before, order
):
    of = {str(number): outcome for number, outcome in enumerate(outcomes)}
    staging = Staging(of, canary, jobs, allowed, before)
    broken = sum(outcome in FAILED for outcome in before)
    confirmed = sum(outcome in GOOD for outcome in before)
    first = broken
    started = []
    while True:
        while (name := staging.start()) is not None:
            # What is started has room, and nothing has gone too far by then.
            assert broken <= allowed
            assert not broken or confirmed >= canary
            assert len(staging.under_way) <= jobs
            if confirmed < canary:
                assert len(staging.under_way) + confirmed <= canary
            started.append(name)
        if not staging.under_way:
            break
        name = order.choice(sorted(staging.under_way))
        staging.ended(name, of[name])
        broken += of[name] in FAILED
        confirmed += of[name] in GOOD
    assert started == list(of)[: len(started)]
    assert broken <= max(first, allowed + jobs)
    if confirmed < canary and not first:
        assert broken <= canary
    if staging.stopped:
        assert broken > allowed or (broken and confirmed < canary)
    else:
        assert started == list(of)
        assert broken <= allowed


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400)]
)
def test_spans_of_time(text, seconds):
    assert parse(text, "--deadline") == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "-1m", "soon", "1w", "m", "91d", "nan", "1e9", "9" * 12]
)
def test_what_is_no_span_of_time(cli, fleet, release, text):
    fleet(CONFIRM)
    result = cli("fleet", "push", release, "--hosts", "fleet.toml", f"--deadline={text}")
    assert result.status == 2
    assert "--deadline: expected a time such as 90s, 10m or 2h" in result.err


# --- boards that answer, over HTTP ------------------------------------------------------------


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    outcomes=st.lists(
        st.sampled_from([CONFIRM, CONFIRM, REVERT, REFUSE, OFF, LOCKED]), min_size=1, max_size=7
    ),
    canary=st.integers(0, 3),
    jobs=st.integers(1, 4),
    allowed=st.integers(0, 2),
)
def test_a_run_keeps_the_limits_and_the_next_one_sends_nothing_twice(
    cli, fleet, release, outcomes, canary, jobs, allowed
):
    boards = fleet(*outcomes)
    limits = [f"--canary={canary}", f"--jobs={jobs}", f"--max-failures={allowed}", "--retries=0"]
    status, events, end = push(cli, release, *limits)
    bad = {board.name for board in boards if board.outcome in (REVERT, REFUSE)}
    assert bad >= set(end["failed"])
    assert len(end["failed"]) <= allowed + jobs
    if len(end["confirmed"]) < canary:
        assert len(end["failed"]) <= canary
    # Nothing starts after it went too far.
    failed = confirmed = 0
    for event in events:
        if event.get("state") == "waiting":
            assert failed <= allowed
            assert not failed or confirmed >= canary
        failed += event.get("outcome") in FAILED
        confirmed += event.get("outcome") in GOOD
    # What it says is what the boards are.
    assert {board.name for board in boards if board.version == "2.0.0"} == set(end["confirmed"])
    told = [*end["confirmed"], *end["failed"], *end["not_reached"], *end["not_started"]]
    assert sorted(told) == sorted(board.name for board in boards)
    away = {board.name: board.outcome for board in boards if board.outcome in (OFF, LOCKED)}
    assert set(end["not_reached"]) == set(away)
    assert bool(end["not_started"]) <= bool(end["stopped"])
    reverted = any(board.commits and board.outcome == REVERT for board in boards)
    if end["stopped"] or reverted:
        assert status == 5
    elif end["failed"]:
        assert status == 1
    else:
        assert status == (3 if OFF in away.values() else 4 if away else 0)
    # Once more: boards that have it, or have taken it back, are left alone.
    commits = {board.name: board.commits for board in boards}
    push(cli, release, *limits)
    for board in boards:
        if board.name in end["confirmed"] or (board.outcome == REVERT and board.commits):
            assert board.commits <= max(commits[board.name], 1)
    # When all are well again, it goes on to the end.
    for board in boards:
        board.outcome = CONFIRM
    status, _, last = push(cli, release, *limits, "--force", "--max-failures=0")
    assert (status, sorted(last["confirmed"])) == (0, sorted(board.name for board in boards))


def test_the_lines_for_people(cli, fleet, release):
    boards = fleet(CONFIRM, CONFIRM, CONFIRM)
    boards[0].looks_on_trial = 1
    result = cli("fleet", "push", release, "--hosts", "fleet.toml", "--canary=1", "--jobs=1")
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[:4] == [
        "board0: asks what it needs.",
        "board0: takes the files.",
        "board0: restarts, and has to prove healthy.",
        "board0: confirmed: it runs 2.0.0.",
    ]
    assert lines[-1] == "3 of 3 boards run 2.0.0."
    result = cli("fleet", "push", release, "--hosts", "fleet.toml", "board1", "board0")
    assert result.out.splitlines() == [
        "board1: runs 2.0.0 already.",
        "board0: runs 2.0.0 already.",
        "2 of 2 boards run 2.0.0.",
    ]
    assert [board.commits for board in boards] == [1, 1, 1]


def test_a_canary_that_fails_keeps_the_others_from_it(cli, fleet, release):
    boards = fleet(REVERT, CONFIRM, CONFIRM, CONFIRM)
    result = cli("fleet", "push", release, "--hosts", "fleet.toml", "--canary=1")
    assert result.status == 5
    assert "board0: reverted: the application ended in an exception: ImportError." in result.out
    assert "stopped: 1 board has failed before 1 had confirmed (0 have)" in result.err
    assert "failed: board0." in result.err
    assert "not started: board1, board2, board3." in result.err
    assert [board.commits for board in boards] == [1, 0, 0, 0]
    # The same again: the board remembers, and so nobody else gets it.
    result = cli("fleet", "push", release, "--hosts", "fleet.toml", "--canary=1")
    assert result.status == 5
    assert "tried before and taken back" in result.out
    assert [board.commits for board in boards] == [1, 0, 0, 0]


def test_a_roll_back_that_was_asked_for_is_no_failure(cli, fleet, release):
    boards = fleet(CONFIRM, CONFIRM)
    assert push(cli, release)[0] == 0
    assert cli("fleet", "rollback", "--hosts", "fleet.toml").status == 0
    assert [board.version for board in boards] == ["1.0.0", "1.0.0"]
    assert push(cli, release)[0] == 0
    assert [board.version for board in boards] == ["2.0.0", "2.0.0"]


def test_boards_that_are_off_are_no_canaries(cli, fleet, release):
    boards = fleet(OFF, CONFIRM, CONFIRM)
    status, _, end = push(cli, release, "--canary=1", "--retries=0")
    assert status == 3
    assert end["confirmed"] == ["board1", "board2"]
    assert list(end["not_reached"]) == ["board0"]
    boards[0].outcome = CONFIRM
    status, events, end = push(cli, release, "--canary=1")
    assert status == 0
    assert [event["name"] for event in events if event.get("state") == "sending"][:1] == ["board0"]
    assert [board.commits for board in boards] == [1, 1, 1]


def test_a_board_that_stays_silent_is_lost_at_the_deadline(cli, fleet, release):
    boards = fleet(SILENT, CONFIRM)
    status, _, end = push(cli, release, "--canary=1", "--deadline=1s")
    assert status == 5
    assert "not done after 1 s" in end["failed"]["board0"]
    assert end["not_started"] == ["board1"]
    assert boards[1].commits == 0


def test_a_board_that_is_slow_is_left_as_it_was(cli, fleet, release):
    (board,) = fleet(CONFIRM)
    board.gate = threading.Event()
    threading.Timer(2, board.gate.set).start()
    status, _, end = push(cli, release, "--deadline=1s")
    assert status == 5
    assert "the board runs as before" in end["failed"]["board0"]
    assert (board.state, board.version, board.commits) == ("idle", "1.0.0", 0)


def test_an_update_that_is_under_way_is_followed_first(cli, fleet, release):
    (board,) = fleet(CONFIRM)
    assert push(cli, release)[0] == 0
    board.state, board.looks_on_trial = "trial", 1
    status, _, end = push(cli, release)
    assert (status, end["confirmed"], board.commits) == (0, ["board0"], 1)


def test_a_dry_run_asks_only(cli, fleet, release):
    boards = fleet(CONFIRM, OFF)
    result = cli("fleet", "push", release, "--hosts", "fleet.toml", "-n", "--retries=0")
    assert result.status == 3
    assert "Would be updated: board0. Dry run: nothing was changed." in result.out
    assert boards[0].commits == 0


def test_a_damaged_release_reaches_nobody(cli, fleet, release, here):
    (board,) = fleet(CONFIRM)
    (here / "cut.swu").write_bytes(release.read_bytes()[:-600])
    result = cli("fleet", "push", "cut.swu", "--hosts", "fleet.toml", "--json")
    assert result.status == 1
    (line,) = result.out.splitlines()
    assert json.loads(line)["error"]
    assert cli("fleet", "push", "none.swu", "--hosts", "fleet.toml").status == 1
    assert board.commits == 0


def test_ctrl_c_leaves_the_boards_as_they_were(fleet, release, here):
    boards = fleet(CONFIRM, CONFIRM, CONFIRM)
    for board in boards:
        board.gate = threading.Event()
    process = subprocess.Popen(
        [sys.executable, "-m", "pico_ota.cli", "fleet", "push", release, "--hosts", "fleet.toml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "board1: takes the files" in line:
            break
    process.send_signal(signal.SIGINT)
    for line in process.stdout:
        if "Stopping" in line:
            break
    for board in boards:
        board.gate.set()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: the same command goes on where this one ended." in err
    assert "not started: board2, " in err
    for board in boards:
        assert (board.state, board.version, board.commits) == ("idle", "1.0.0", 0)


def test_a_table_on_a_terminal(fleet, release, monkeypatch):
    fleet(CONFIRM, CONFIRM)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pico_ota.cli", "fleet", "push", release, "--hosts", "fleet.toml"],
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    out, _ = process.communicate(timeout=60)
    os.close(follower)
    shown = os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert process.returncode == 0
    assert "\x1b[" in shown
    assert "board0: confirmed: it runs 2.0.0." in shown
    assert out.decode().splitlines() == ["2 of 2 boards run 2.0.0."]
