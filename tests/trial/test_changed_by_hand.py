"""Files changed by hand have to prove themselves, and healthy programs are left alone."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import rig

scenario = rig.Scenarios()

#: A person has 15 s to press a key, a start without a network 15 minutes: not here.
QUICK = rig.patched(
    {
        "/ota/console.py": ("_GRACE_MS = const(15000)", "_GRACE_MS = const(300)"),
        "/ota/rescue.py": ("_QUIET_S = const(15 * 60)", "_QUIET_S = const(60)"),
        "/ota_boot.py": ("const(15 * 60)", "const(14)"),
    }
)


#: A trial has six minutes for its network after a power-on.
PATIENT = rig.patched({"/ota_boot.py": ("const(6 * 60)", "const(30)")})


def app(**options):
    """The application of the rig, but its orders count as changed by hand."""
    return rig.app(**options).replace(b"service = Quiet(", b"service = OTAUpdateService(")


#: The application as a module, so that it is not there when main.py is bad.
MAIN = """
import machine, sys, time
try:
    import helper
except ImportError:
    print("bad")
    %s
else:
    import application
"""
GOOD = MAIN % "pass"
BAD = {
    "raise": "1 / 0",
    "hang": "machine.disable_irq(); time.sleep(1000)",
    "end": "pass",
    "reset": "machine.reset()",
    "soft reset": "machine.soft_reset()",
    "exit": "sys.exit()",
    "no Wi-Fi": "import lonely",
    # What it prints looks like a prompt, where a person would be at work.
    "blocking loop": "print('>>> loop'); exec('while True: pass')",
}
#: Restarts of the program's own are forgiven twice.
REASONS = {
    "raise": "the application ended in an exception",
    "hang": "the application hung: the watchdog restarted the board",
    "end": "the application came to its end",
    "missing": "the application came to its end",
    "no Wi-Fi": "no good start in time",
    "blocking loop": "the program ran, but never let the updater run: use asyncio, or call poll()",
}
IN_THREE = "no good start in 3"


def good_board(make_board, main=GOOD, **more):
    """A board on which all is proven, and which runs."""
    files = {**QUICK, "/helper.py": b"", "/application.py": app(), **more}
    files["/lonely.py"] = app().replace(b"test-net", b"no-such-net")
    board = make_board(main.encode() if isinstance(main, str) else main, files)
    board.set_wifi(networks={"test-net": "test-password"})
    board.start()
    board.wait_listening(60)
    time.sleep(2)  # a good start
    return board


def restart(board, wait=False):
    """Restart the board, and *wait* until its program runs again."""
    answer = board.request("POST", "/api/v1/reboot", json={})
    assert answer.status_code == 202
    if wait:
        board.wait_status(lambda s: s["boot_id"] != answer.json()["boot_id"])


def proven(board):
    """Tell whether nothing is marked; the board is off."""
    state = board.ours().get("/.ota/state")
    return not state or not isinstance(json.loads(state[11:])[-1], str)


def change(board, way, bad):
    """Make a board bad by a request; return the path that was changed."""
    if way == "cp":
        return by_command_line(board, bad)
    if way == "no trial":
        new = {} if bad == "missing" else {"/main.py": program(bad)}
        board.stage(new, [] if new else ["/main.py"], trial=False)
        assert board.commit(restart=False).status_code == 202
        return "2.0.0"
    if bad == "missing":
        path = "/main.py"
    elif way == "PUT":
        assert board.request("PUT", "/fs/main.py", content=program(bad)).is_success
        return "/main.py"
    else:
        path = "/helper.py"
        if bad != "missing":
            main = MAIN % BAD[bad]
            assert board.request("PUT", "/fs/main.py", content=main.encode()).is_success
            restart(board, wait=True)
            time.sleep(3)  # that was a good start: all is proven again
    headers = {"X-Destination": "/fs/moved.py"} if way == "MOVE" else {}
    assert board.request(way, "/fs" + path, headers=headers).is_success
    return "/moved.py" if way == "MOVE" else path


def program(bad):
    return ("import machine, sys, time\nprint('bad')\n" + BAD[bad]).encode()


def by_command_line(board, bad):
    """Change /main.py with `pico-ota cp`, or remove it with `pico-ota rm`."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder, "bad.py")
        here.write_bytes(b"" if bad == "missing" else program(bad))
        verb = ["rm", ":main.py"] if bad == "missing" else ["cp", str(here), ":main.py"]
        done = subprocess.run(
            [sys.executable, "-m", "pico_ota.cli", *verb, "--host", board.url[7:]],
            env={**os.environ, "PICO_OTA_PASSWORD": "otapico"},
            cwd=folder,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    return "/main.py"


#: Of the time that a start has, and how much later the board has to be reachable.
DEADLINE_S, GRACE_S = 6, 60


def is_reachable_again(make_board, way, bad):
    """Return how many seconds that took, in which mode the board is then, and why."""
    board = good_board(make_board)
    if way == "update":
        return is_undone(board, bad)
    path = change(board, way, bad)
    restart(board)
    begun = time.monotonic()
    status = board.wait_status(lambda s: s["mode"] == "rescue", 90)
    took = time.monotonic() - begun
    assert took < DEADLINE_S + GRACE_S
    why = REASONS.get(bad, IN_THREE)
    assert f"Rescue mode: {why}; changed without a trial: {path}" in status["warnings"]
    if bad == "no Wi-Fi":
        assert took > 12  # longer than the 6 s of others
    board.stop()
    assert not proven(board)
    return took, "rescue mode", why


def is_undone(board, bad):
    """The same for an update."""
    if bad == "missing":
        board.update({"/lib/x.py": b"x = 2\n"}, ["/main.py"])
    else:
        board.update({"/lib/x.py": b"x = 2\n", "/main.py": program(bad)})
    begun = time.monotonic()
    status = board.outcome(90)
    took = time.monotonic() - begun
    assert took < DEADLINE_S + GRACE_S
    assert (status["last"]["outcome"], status["mode"]) == ("reverted", "normal")
    why = status["last"]["reason"]
    if bad == "no Wi-Fi":
        assert why == "not confirmed in time"
    else:
        assert why.startswith(REASONS.get(bad, "not confirmed in 3 starts"))
    board.stop()
    assert board.changed() == set()
    return took, "reverted", why


WAYS = ("update", "PUT", "DELETE", "MOVE", "cp", "no trial")
#: One cannot make a file missing by writing it.
CELLS = [
    (way, bad) for bad in (*BAD, "missing") for way in WAYS if (way, bad) != ("PUT", "missing")
]
for _cell in CELLS:
    scenario(*_cell)(is_reachable_again)


@pytest.mark.parametrize("part", range(3))
def test_a_board_is_reachable_again(make_board, part):
    scenario.run(make_board, part, 3)


others = rig.Scenarios()


@others()
def what_was_repaired_in_rescue_mode_is_proven_by_a_good_start(make_board):
    board = good_board(make_board)
    for path, data in (("/lib/x.py", b"x = 3\n"), ("/main.py", b"1 / 0\n"), ("/a.txt", b"a")):
        assert board.request("PUT", "/fs" + path, content=data).is_success
    restart(board)
    status = board.wait_status(lambda s: s["mode"] == "rescue")
    why = "the application ended in an exception"
    what = "; changed without a trial: /lib/x.py, /main.py, /a.txt"
    assert "Rescue mode: " + why + what in status["warnings"]
    assert board.request("PUT", "/fs/main.py", content=GOOD.encode()).is_success
    restart(board)
    board.wait_status(lambda s: s["mode"] == "normal")
    time.sleep(3)
    board.stop()
    assert proven(board)
    board.start()
    board.wait_listening(30)
    time.sleep(3)
    assert board.flash_operations == 0
    time.sleep(9)  # a watchdog that nobody feeds has bitten by then
    assert board.boots() == []


@others()
def fifty_restarts_by_power_are_forgiven(make_board):
    board = good_board(make_board)
    assert board.request("PUT", "/fs/lib/x.py", content=b"x = 3\n").is_success
    board.power_cut()
    for _ in range(50):
        board.start()
        time.sleep(0.3)
        board.power_cut()
    assert not proven(board)
    board.start()
    board.wait_listening(30)
    time.sleep(3)
    assert board.status()["mode"] == "normal"
    assert board.boots() == []
    board.stop()
    assert proven(board)
    return 51


SLEEPER = b"import machine\nprint('awake')\nmachine.deepsleep(20)\n"
LISTENING_SLEEPER = app(confirm_after_s=30).replace(
    b"    while True:\n",
    b"    while service.port is None:\n        await asyncio.sleep_ms(50)\n"
    b"    print('awake')\n    machine.deepsleep(20)\n    while True:\n",
    1,
)


@others("never listens", SLEEPER)
@others("listens", LISTENING_SLEEPER)
def fifty_planned_sleeps_are_no_deaths(make_board, what, main):
    board = good_board(make_board)
    board.stop()
    board.write({"/main.py": main})
    board.start()
    end = time.monotonic() + 250
    while len(board.boots()) < 52:
        assert time.monotonic() < end, board.console()[-1500:]
        time.sleep(0.5)
    assert "escue" not in board.console()
    assert board.console().count("awake") >= 50
    assert board.flash_operations == 0
    return board.console().count("awake")


@others()
def resets_count_where_the_application_says_so(make_board):
    main = app(confirm_after_s=30, rescue_after_resets=4).replace(
        b"    while True:\n", b"    print('awake')\n    machine.reset()\n    while True:\n", 1
    )
    board = good_board(make_board)
    board.stop()
    board.write({"/main.py": main})
    board.start()
    status = board.wait_status(lambda s: s["mode"] == "rescue")
    assert "Rescue mode: the application died 4 times" in status["warnings"]
    assert board.console().count("awake") == 4


@others()
def a_folder_that_hides_a_module_is_a_change_like_any_other(make_board):
    main = MAIN.replace("import helper", "from helper import X") % BAD["reset"]
    board = good_board(make_board, main, **{"/helper.py": b"X = 1\n"})
    assert board.request("PUT", "/fs/helper/").status_code == 201
    restart(board)
    status = board.wait_status(lambda s: s["mode"] == "rescue")
    assert f"Rescue mode: {IN_THREE}; changed without a trial: /helper" in status["warnings"]


@others("has none", b"require_signed=True")
@others("of a file that is missing", b"public_key='/none.json'")
def a_program_that_takes_signed_releases_only_and_has_no_key_is_not_trusted(
    make_board, what, option
):
    # Once it is, nobody could ever change a file again.
    board = good_board(make_board)
    locked = app().replace(b"options = dict(", b"options = dict(%s, " % option)
    assert board.request("PUT", "/fs/main.py", content=locked).is_success
    restart(board)
    status = board.wait_status(lambda s: s["mode"] == "rescue")
    why = "no good start in time; changed without a trial: /main.py"
    assert "Rescue mode: " + why in status["warnings"]
    assert board.request("PUT", "/fs/main.py", content=GOOD.encode()).is_success
    restart(board)
    board.wait_status(lambda s: s["mode"] == "normal")


@others()
def a_change_while_it_waits_for_proof_is_for_the_next_start(make_board):
    board = good_board(make_board, **{"/application.py": app(confirm_after_s=4)})
    assert board.request("PUT", "/fs/lib/x.py", content=b"x = 3\n").is_success
    restart(board, wait=True)
    assert board.request("PUT", "/fs/main.py", content=b"1 / 0\n").is_success
    time.sleep(7)  # now what runs is good, but not what was sent meanwhile
    restart(board)
    status = board.wait_status(lambda s: s["mode"] == "rescue")
    assert "/main.py" in " ".join(status["warnings"])


@others()
def without_a_known_network_a_bad_program_is_left_alone_after_one_restart(make_board):
    # Rescue mode would not know what to join, since a WLAN object does not give its key away.
    main = app().replace(b'WiFiManager("test-net", "test-password", "pico-test")', b"joined()")
    main = main.replace(b"wifi = ", JOINED + b"wifi = ")
    board = make_board(main, QUICK)
    board.set_wifi(networks={"test-net": "test-password"})
    board.start()
    board.wait_listening(60)
    time.sleep(2)
    assert board.request("PUT", "/fs/main.py", content=b"while True:\n    pass\n").is_success
    events = len(board.events)
    restart(board)
    board.wait_event("boot", 20, events)
    board.wait_event("boot", 40, events + 3)
    before = board.boots(events)
    time.sleep(3 * DEADLINE_S)
    assert board.boots(events) == before == ["machine.reset"] * 2
    assert "rescue mode is not possible" in board.console()


JOINED = b"""
def joined():
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    wlan.connect("test-net", "test-password")
    while not wlan.isconnected():
        time.sleep_ms(20)
    return wlan

"""


@others("proven")
@others("changed by hand")
@others("on trial")
def a_router_that_starts_later_than_the_board_harms_no_good_program(make_board, what):
    # As after a power failure in the whole house: longer than the deadline.
    # Nor than 14 s: who joins a network waits longer from try to try.
    files = {path: data for path, data in QUICK.items() if path != "/ota_boot.mpy"}
    if what == "on trial":
        files.update(PATIENT)
    main = app(trial_deadline_s=DEADLINE_S, confirm_after_s=1)
    board = make_board(main, files)
    board.set_wifi(networks={"test-net": "test-password"})
    board.start()
    board.wait_listening(60)
    time.sleep(2)
    if what == "changed by hand":
        assert board.request("PUT", "/fs/lib/x.py", content=b"x = 2\n").is_success
    elif what == "on trial":
        slow = app(trial_deadline_s=DEADLINE_S, confirm_after_s=4)
        board.update({"/main.py": slow})
        board.wait_status(lambda s: s["state"] == "trial")
    board.power_cut()
    board.set_wifi(networks={})
    board.start()
    time.sleep(DEADLINE_S + 3)
    assert board.boots() == []
    board.set_wifi(networks={"test-net": "test-password"})
    status = board.wait_status(lambda s: s["state"] == "idle" and s["uptime_s"] > 10)
    assert status["mode"] == "normal"
    assert not status["last"] or status["last"]["outcome"] == "confirmed"
    time.sleep(3)
    assert board.boots() == []
    board.stop()
    assert proven(board)
    return 1


#: What no healthy program is to be taken for: what it is called, function, arguments. Each returns
#: how many starts it was.
HEALTHY = (
    (
        "switched off and on with files changed by hand",
        fifty_restarts_by_power_are_forgiven,
    ),
    (
        "planned sleeps (`machine.deepsleep`), listening at each wake",
        fifty_planned_sleeps_are_no_deaths,
        "listens",
        LISTENING_SLEEPER,
    ),
    (
        "planned sleeps, never listening",
        fifty_planned_sleeps_are_no_deaths,
        "never listens",
        SLEEPER,
    ),
    *(
        (
            f"a router that starts later than the deadline after a power failure: {what}",
            a_router_that_starts_later_than_the_board_harms_no_good_program,
            what,
        )
        for what in ("proven", "changed by hand", "on trial")
    ),
)


@others()
def a_deadline_that_no_update_can_meet_is_said(make_board):
    board = good_board(make_board, app(trial_deadline_s=20, confirm_after_s=20))
    said = "trial_deadline_s is not above confirm_after_s: no update will be kept."
    assert said in board.status()["warnings"]


@others()
def the_application_may_say_that_it_is_good(make_board):
    main = app(confirm_after_s=300).replace(
        b"    while True:\n",
        b"    print('says', service.confirm(), service.confirm())\n    while True:\n",
        1,
    )
    board = good_board(make_board)
    assert board.request("PUT", "/fs/main.py", content=main).is_success
    restart(board)
    board.wait_console("says True False", 30)
    board.wait_listening(30)
    board.stop()
    assert proven(board)


@others()
def an_update_that_is_undone_leaves_the_mark(make_board):
    board = good_board(make_board)
    assert board.request("PUT", "/fs/lib/x.py", content=b"x = 3\n").is_success
    assert board.request("PUT", "/fs/main.py", content=b"print('dead')\n1 / 0\n").is_success
    board.update({**rig.CHANGES, "/main.py": b"print('new')\n"}, rig.DELETED)
    status = board.wait_status(lambda s: s["mode"] == "rescue")
    assert status["last"]["reason"] == "the application came to its end"
    assert "/main.py" in " ".join(status["warnings"])
    assert board.console().count("dead\n") == 1


@pytest.mark.parametrize("part", [0, 1])
def test_changed_by_hand(make_board, part):
    others.run(make_board, part, 2)
