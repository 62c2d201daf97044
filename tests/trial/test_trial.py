"""The life of a trial: what uses up a start, what confirms it, and that it is over afterwards."""

import time
from pathlib import Path

import pytest
import rig
from microdot import microdot

OUT_OF_TIME_S = 9  # a watchdog that nobody feeds has bitten by then
OUT_OF_TIME = "the program ran, but never let the updater run: use asyncio, or call poll()"
scenario = rig.Scenarios()


@scenario()
def a_power_cut_uses_up_one_of_three_starts(make_board):
    board = make_board(rig.app(trial_deadline_s=300))
    board.start()
    board.wait_listening(20)
    board.update({**rig.CHANGES, "/main.py": rig.app(auto_confirm=False)}, rig.DELETED)
    seen = []
    for _ in range(3):
        status = board.wait_status(lambda s: s["state"] == "trial")
        seen.append((status["trial"]["attempt"], status["trial"]["attempts"], status["version"]))
        assert 200 < status["trial"]["remaining_s"] <= 300
        board.power_cut()
        board.start()
    status = board.outcome()
    assert seen == [(1, 3, "2.0.0"), (2, 3, "2.0.0"), (3, 3, "2.0.0")]
    assert status["last"] == {
        "version": "2.0.0",
        "outcome": "reverted",
        "reason": "not confirmed in 3 starts",
    }
    assert board.boots() == []
    board.stop()
    assert board.changed() == set()


@scenario()
def all_kinds_of_starts_count_together(make_board):
    board = make_board(rig.app(trial_deadline_s=300))
    board.start()
    board.wait_listening(20)
    board.update({"/main.py": rig.app(auto_confirm=False)})
    for number, restart in enumerate(("sys.exit()", None, "machine.reset()"), 1):
        board.wait_status(lambda s, n=number: s["trial"] and s["trial"]["attempt"] == n)
        if restart:
            board.order(restart, answered=False)
        else:
            board.power_cut()
            board.start()
    assert board.outcome()["last"]["reason"] == "not confirmed in 3 starts"
    assert board.boots() == ["machine.reset"]  # since power came back


@scenario("pico_w", "")
@scenario("pico2_w", "")
@scenario("pico_w", "sys.exit()")
@scenario("pico2_w", "sys.exit()")
def after_the_confirmation_nothing_restarts_the_board(make_board, kind, order):
    board = make_board(rig.app(trial_deadline_s=4), kind=kind)
    board.start()
    board.wait_listening(30)
    board.update({"/main.py": rig.app(trial_deadline_s=4)})
    status = board.outcome()
    assert status["last"] == {"version": "2.0.0", "outcome": "confirmed", "reason": None}
    assert (status["version"], status["trial"]) == ("2.0.0", None)
    boots = ["machine.reset"]
    if order:  # a soft reset at the console, over which a watchdog would run on
        board.order(order, answered=False)
        status = board.wait_status(lambda s: s["boot_id"] != status["boot_id"])
        boots.append("soft reset")
    time.sleep(4 + OUT_OF_TIME_S)
    assert board.status()["boot_id"] == status["boot_id"]
    assert board.boots() == boots
    assert status["mode"] == "normal"


@scenario(1500)
@scenario(5000)
@scenario(8000)
@scenario(8388)
def a_watchdog_of_the_application_stays_armed(make_board, timeout_ms):
    board = make_board()
    board.start()
    board.wait_listening(30)
    armed = f"feed = machine.WDT(timeout={timeout_ms}).feed"
    board.update({"/main.py": rig.app().replace(b"feed = None", armed.encode())})
    status = board.outcome()
    assert status["last"]["outcome"] == "confirmed"
    events = len(board.events)
    time.sleep(timeout_ms / 1000 + 1)
    assert board.status()["boot_id"] == status["boot_id"]
    board.order("feed = None", answered=False)
    board.wait_event("boot", 12, events)
    assert board.boots(events) == ["watchdog"]


@scenario()
def the_application_may_confirm_by_itself(make_board):
    board = make_board(rig.app(trial_deadline_s=20))
    board.start()
    board.wait_listening(20)
    board.update({"/main.py": rig.app(auto_confirm=False)})
    status = board.wait_status(lambda s: s["state"] == "trial")
    board.wait_console("Healthy; waiting for the application to confirm.", 10)
    assert board.status()["state"] == "trial"
    assert board.order("answer([service.confirm(), service.confirm(), calls])") == [
        True,
        False,
        [["after", "2.0.0"]],
    ]
    after = board.status()
    assert (after["state"], after["boot_id"]) == ("idle", status["boot_id"])
    assert after["last"]["outcome"] == "confirmed"
    time.sleep(1.5)
    assert board.order("answer(calls)") == [["after", "2.0.0"]]  # once
    board.stop()
    assert b"test-net" in board.ours()["/.ota/settings"]


@scenario()
def a_person_may_confirm(make_board):
    board = make_board()
    board.start()
    board.wait_listening(20)
    assert board.request("POST", "/api/v1/confirm").status_code == 409
    board.update({"/main.py": rig.app(auto_confirm=False)})
    board.wait_status(lambda s: s["state"] == "trial")
    confirmed = board.request("POST", "/api/v1/confirm")
    assert (confirmed.status_code, confirmed.json()) == (
        200,
        {"state": "idle", "version": "2.0.0"},
    )
    again = board.request("POST", "/api/v1/confirm")
    assert (again.status_code, again.json()["error"]) == (409, "wrong_state")
    assert board.status()["last"]["outcome"] == "confirmed"
    assert board.order("answer(calls)") == [["after", "2.0.0"]]


@scenario()
def a_roll_back_restores_exactly_and_needs_no_download(make_board):
    board = make_board()
    board.start()
    board.wait_listening(20)
    nothing = board.request("POST", "/api/v1/rollback")
    assert (nothing.status_code, nothing.json()["error"]) == (409, "no_previous")
    board.update({**rig.CHANGES, "/main.py": rig.app(name="other")}, rig.DELETED)
    status = board.outcome()
    assert (status["version"], status["previous"]) == ("2.0.0", "unknown")
    board.stop()
    assert board.changed() == {"/main.py", *rig.CHANGES, *rig.DELETED}
    board.start()
    board.wait_listening(20)
    assert board.request("POST", "/api/v1/rollback").status_code == 202
    status = board.wait_status(lambda s: s["last"]["outcome"] == "reverted")
    assert (status["last"]["reason"], status["version"], status["previous"]) == (
        "asked for",
        None,
        None,
    )
    time.sleep(1)
    board.stop()
    assert board.changed() == set()
    assert board.request_count("PUT") == 6  # all of the update: none for the way back


@scenario()
def a_trial_may_be_rolled_back_by_hand(make_board):
    board = make_board(rig.app(trial_deadline_s=60))
    board.start()
    board.wait_listening(20)
    board.update({**rig.CHANGES, "/main.py": rig.app(auto_confirm=False)}, rig.DELETED)
    board.wait_status(lambda s: s["state"] == "trial")
    busy = board.request("POST", "/api/v1/update", content=rig.head_of({}, ["/keep.bin"], "3.0.0"))
    assert (busy.status_code, busy.json()["error"]) == (409, "busy")
    assert "roll it back" in busy.json()["message"]
    assert board.request("POST", "/api/v1/rollback").status_code == 202
    status = board.outcome()
    assert status["last"]["reason"] == "asked for"
    events = len(board.events)
    time.sleep(OUT_OF_TIME_S)
    assert board.boots(events) == []
    board.stop()
    assert board.changed() == set()


@scenario()
def a_plan_damaged_during_the_trial_does_not_restart_the_board_for_ever(make_board):
    board = make_board()
    board.start()
    board.wait_listening(20)
    board.update({**rig.CHANGES, "/main.py": rig.app(auto_confirm=False)}, rig.DELETED)
    board.wait_status(lambda s: s["state"] == "trial")
    board.power_cut()
    board.damage("/.ota/plan")
    board.start()
    board.wait_listening(20)
    status = board.status()
    time.sleep(6 + OUT_OF_TIME_S)
    after = board.status()
    assert after["boot_id"] == status["boot_id"]
    assert (after["state"], after["version"]) == ("idle", "2.0.0")
    assert "damaged" in " ".join(after["warnings"])
    # And the next update works.
    board.update({"/main.py": rig.app(), "/lib/x.py": b"x = 3\n"}, version="3.0.0")
    assert board.wait_status(lambda s: s["version"] == "3.0.0" and s["state"] == "idle")


@scenario()
def files_called_like_modules_of_the_firmware_are_an_application_s_own(make_board):
    hiding = [f"/{name}.py" for name in ("binascii", "hashlib", "random")]
    hiding += ["/lib/socket/__init__.py", "/rp2.py", "/lib/vfs.py"]
    board = make_board()
    board.start()
    board.wait_listening(20)
    board.update({"/main.py": rig.app(name="new"), **dict.fromkeys(hiding, b"X = 1\n")})
    assert board.outcome()["last"]["outcome"] == "confirmed"
    board.wait_saved()
    assert board.request("GET", "/fs/").status_code == 200
    # Also after a restart, and they can be deleted again.
    events = len(board.events)
    assert board.request("POST", "/api/v1/reboot", json={}).status_code == 202
    board.wait_event("listening", 30, events)
    board.update({}, hiding, version="3.0.0")
    status = board.wait_status(lambda s: s["version"] == "3.0.0" and s["state"] == "idle")
    assert status["last"]["outcome"] == "confirmed"


@scenario("files where folders belong", {"/.ota": b"mine"})
@scenario(
    "folders where files belong",
    {
        f"/.ota/{name}/x/y": b"mine"
        for name in ("~incoming", "description", "settings", "plan", "password", "traceback")
    },
)
@scenario("damaged settings", {"/.ota/settings": b'{"ssid": "no', "/.ota/password": b"mine"})
@scenario("empty files", {f"/.ota/{name}": b"" for name in ("settings", "password", "state")})
@scenario("more of them", {"/.ota/state/x": b"mine", "/.ota/new": b"mine", "/.ota/old": b"mine"})
def odd_things_are_cleared_away(make_board, what, odd):
    board = make_board(files=odd)
    board.start()
    board.wait_listening(20)
    board.update({**rig.CHANGES, "/main.py": rig.app()}, rig.DELETED)
    assert board.outcome()["last"]["outcome"] == "confirmed"
    board.wait_saved()
    board.stop()
    assert b"test-net" in board.ours()["/.ota/settings"]
    odd = [path for path, data in board.ours().items() if data == b"mine"]
    assert odd in ([], ["/.ota/password"])  # which reads as none


NAPS = """
import machine
from machine import *
assert lightsleep is machine.lightsleep and Pin is machine.Pin
while True:
    print("awake")
    %s
"""


@scenario("light sleep", "pico_w", "machine.lightsleep(10000)", OUT_OF_TIME)
@scenario("light sleep for ever", "pico_w", "lightsleep()", OUT_OF_TIME)
@scenario("light sleep", "pico2_w", "machine.lightsleep(10000)", OUT_OF_TIME)
@scenario("deep sleep", "pico_w", "machine.deepsleep(10000)", "not confirmed in 3 starts")
@scenario("deep sleep", "pico2_w", "deepsleep(10000)", "not confirmed in 3 starts")
@scenario("by another name", "pico_w", "__import__('umachine').lightsleep(10000)", OUT_OF_TIME)
def a_program_that_sleeps_on_trial_does_not_lock_the_chip_up(make_board, what, kind, nap, reason):
    board = make_board(rig.app(trial_deadline_s=14), kind=kind)
    board.start()
    board.wait_listening(30)
    board.update({"/main.py": (NAPS % nap).encode()})
    status = board.outcome(90)
    assert status["last"]["reason"] == reason
    assert not [event for event in board.events if event["event"] == "locked up"]
    assert "watchdog" not in board.boots()
    assert board.console().count("awake") >= (3 if what == "deep sleep" else 1)


@scenario("pico_w")
def a_program_that_sleeps_between_its_turns_is_confirmed(make_board, kind):
    board = make_board(rig.app(trial_deadline_s=40), kind=kind)
    board.start()
    board.wait_listening(30)
    main = rig.app(trial_deadline_s=40).replace(
        b"        if feed:", b"        machine.lightsleep(9000)\n        if feed:"
    )
    board.update({"/main.py": main})
    status = board.outcome(90)
    assert status["last"]["outcome"] == "confirmed"
    board.wait_console("confirmed", 10)
    # What it sleeps by is the firmware's own again, and nothing feeds or bites any more.
    events = len(board.events)
    time.sleep(2 * OUT_OF_TIME_S)
    assert board.boots(events) == []
    assert not [event for event in board.events if event["event"] == "locked up"]
    return 1


@scenario("/machine.py")
@scenario("/lib/machine/__init__.mpy")
def with_a_machine_of_the_application_s_own_no_watchdog_is_armed(make_board, path):
    board = make_board()
    board.start()
    board.wait_listening(30)
    main = b"import machine\nwhile True:\n    machine.lightsleep(10000)\n"
    board.update({"/main.py": main, path: b"M\x06\x00\x1f"})
    assert board.outcome(60)["last"]["reason"] == OUT_OF_TIME
    assert "watchdog" not in board.boots()
    assert not [event for event in board.events if event["event"] == "locked up"]


@scenario("listens", b"    asyncio.create_task(micro.start_server(port=8080))\n")
@scenario("does not", b"")
def an_application_with_a_server_of_its_own_has_to_start_it(make_board, what, started):
    board = make_board(files={"/lib/microdot.py": Path(microdot.__file__).read_bytes()})
    board.start()
    board.wait_listening(30)
    main = rig.app().replace(b"feed = None\n", b"feed = None\n" + MOUNTS)
    start = b"    await service.start()\n"
    board.update({"/main.py": main.replace(start, start + started)})
    if started:
        board.wait_console("Version 2.0.0 is confirmed", 40)
    else:
        assert board.outcome(60)["last"]["reason"] == "not confirmed in time"


MOUNTS = b"""
from microdot import Microdot
micro = Microdot()
service.mount(micro, "/ota")
"""


@scenario()
def time_on_the_air_is_not_added_up_over_drops_of_the_network(make_board):
    board = make_board(rig.app(trial_deadline_s=120))
    board.start()
    board.wait_listening(20)
    # Nobody could send an update in so short times, though together they are long enough.
    board.update({"/main.py": rig.app(confirm_after_s=5)})
    board.wait_status(lambda s: s["state"] == "trial")
    for _ in range(3):
        time.sleep(2)
        board.set_wifi(link=False)
        time.sleep(1.2)
        opened, end = board.console().count("Listening at"), time.monotonic() + 60
        board.set_wifi(link=True)
        while board.console().count("Listening at") == opened:
            assert time.monotonic() < end, board.console()[-1500:]
            time.sleep(0.1)
    assert board.wait_status(lambda s: True)["state"] == "trial"
    assert board.outcome()["last"]["outcome"] == "confirmed"  # once it stays


@pytest.mark.parametrize("half", [0, 1])
def test_trials(make_board, half):
    scenario.run(make_board, half, 2)
