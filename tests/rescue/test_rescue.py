"""Rescue mode: when it begins, that it is reachable and of use, and how it ends."""

import json
import re
import time

import httpx
import pytest
import rig

from pico_ota.sim.image import read_tree

scenario = rig.Scenarios()

#: A person at the prompt has 15 s to press a key, rescue mode waits 15 minutes: not here.
QUICK = rig.patched(
    {
        "/ota/console.py": ("_GRACE_MS = const(15000)", "_GRACE_MS = const(300)"),
        "/ota/rescue.py": ("_QUIET_S = const(15 * 60)", "_QUIET_S = const(4)"),
    }
)
RAISES = b"print('dead')\n1 / 0\n"
BITTEN = b"import machine, time\nprint('dead')\nmachine.WDT(timeout=200)\ntime.sleep(100)\n"
#: Program calls that writing a small file takes at least: one commit that makes the file, and one
#: with what is in it. Each takes one more where it crosses a page.
_WRITING = 2
DEATHS = "machine.mem32[0x40058028] >> 8 & 255"


def good_board(make_board, main=None, **options):
    """A board that has had a good start, switched off."""
    board = make_board(main, **{"files": QUICK, **options})
    board.start()
    board.wait_listening(30)
    board.wait_saved()
    board.power_cut()
    return board


def wait_mode(board, mode, timeout=40):
    return board.wait_status(lambda s: s["mode"] == mode, timeout)


def ask_for_rescue(board):
    asked = board.request("POST", "/api/v1/reboot", json={"mode": "rescue"})
    assert asked.status_code == 202, asked.text
    return wait_mode(board, "rescue")


def start_anew(board):
    assert board.request("POST", "/api/v1/reboot", json={"mode": "normal"}).status_code == 202
    return wait_mode(board, "normal")


@scenario()
def it_comes_when_asked_with_what_the_application_uses(make_board):
    main = rig.app(
        auth_username="me",
        auth_password="my word",
        port=9090,
        name="toaster",
        allowed_hosts=["lan.example:80"],
    )
    board = make_board(main, QUICK)
    board.client.auth = ("me", "my word")
    board.start()
    board.wait_listening(30)
    board.wait_saved()
    status = ask_for_rescue(board)
    assert (status["name"], status["state"], status["trial"]) == ("toaster", "idle", None)
    assert "Rescue mode: asked for" in status["warnings"]
    assert "'toaster'" not in board.console()
    forwarded = board.request("GET", "/api/v1/info", headers={"Host": "lan.example:80"})
    assert forwarded.status_code == 200
    board.client.auth = rig.AUTH
    assert board.request("GET", "/api/v1/status").status_code == 401
    # Both schemes, and the password itself stands nowhere.
    board.client.auth = httpx.DigestAuth("me", "my word")
    assert board.request("GET", "/api/v1/status").status_code == 200
    assert b"my word" not in read_tree(board.image)["/.ota/settings"]
    board.client.auth = ("me", "my word")
    assert "GET" not in board.console().split("Rescue mode")[1].split("Traceback")[0]
    # The hint holds for one restart.
    after = start_anew(board)
    assert after["boot_id"] != status["boot_id"]
    assert board.order("answer(1)") == 1
    bad = board.request("POST", "/api/v1/reboot", json={"mode": "resc"})
    assert (bad.status_code, bad.json()["error"]) == (400, "bad_mode")


@scenario()
def it_takes_no_password_in_clear_where_the_application_takes_none(make_board):
    board = make_board(rig.app(basic=False), QUICK)
    board.client.auth = httpx.DigestAuth(*rig.AUTH)
    board.start()
    board.wait_saved()
    ask_for_rescue(board)
    refused = board.request("GET", "/api/v1/status", auth=rig.AUTH)
    assert refused.status_code == 401
    assert "Basic" not in refused.headers["www-authenticate"]
    assert start_anew(board)["mode"] == "normal"


MANAGER = b'"pico-test")'
BY_MANAGER = MANAGER[:-1] + b", None, ('192.168.1.7', '255.255.255.0', '192.168.1.1', '9.9.9.9'))"
BY_HAND = b""""pico-test")
wifi = network.WLAN(network.STA_IF)
wifi.active(True)
wifi.ifconfig(('192.168.1.7', '255.255.255.0', '192.168.1.1', '9.9.9.9'))
wifi.connect("test-net", "test-password")
"""


@scenario("of the manager", BY_MANAGER, {})
@scenario("set on the radio", BY_HAND, {"rescue_network": ("test-net", "test-password")})
def a_fixed_address_is_kept_in_it(make_board, set_how, code, options):
    main = rig.app(**options)
    assert main.count(MANAGER) == 1
    board = make_board(main.replace(MANAGER, code), QUICK)
    board.set_wifi(address=None)  # nobody gives addresses there
    board.start()
    board.wait_listening(30)
    board.wait_saved()
    assert board.status()["ip"] == "192.168.1.7"
    status = ask_for_rescue(board)
    assert (status["mode"], status["ip"]) == ("rescue", "192.168.1.7")
    board.power_cut()
    saved = json.loads(board.ours()["/.ota/settings"])
    assert saved["address"] == ["192.168.1.7", "255.255.255.0", "192.168.1.1", "9.9.9.9"]


@scenario()
def what_a_wifi_object_means_otherwise_does_not_keep_it_from_running(make_board):
    odd = b""""pico-test")
manager = wifi

class Odd:
    ssid, password, country, address = "test-net", "test-password", "Germany", "12 High Street"
    def hostname(self): return "odd"
    def start(self): manager.start()
    def is_connected(self): return manager.is_connected()

wifi = Odd()
"""
    main = rig.app().replace(MANAGER, odd)
    board = make_board(main, QUICK)
    board.start()
    board.wait_listening(30)
    board.wait_saved()
    assert ask_for_rescue(board)["mode"] == "rescue"


@scenario()
def it_takes_an_update_and_a_roll_back(make_board):
    board = good_board(make_board, rig.app(trial_deadline_s=33))
    board.start()
    board.wait_listening(30)
    ask_for_rescue(board)
    board.update({**rig.CHANGES, "/main.py": rig.app(auto_confirm=False)}, rig.DELETED)
    status = board.wait_status(lambda s: s["state"] == "trial")
    assert (status["mode"], status["version"]) == ("normal", "2.0.0")
    assert 20 < status["trial"]["remaining_s"] <= 33  # the application's own limit
    assert board.request("POST", "/api/v1/confirm").status_code == 200
    ask_for_rescue(board)
    back = board.request("POST", "/api/v1/rollback")
    assert (back.status_code, back.json()["state"]) == (202, "reverting")
    status = board.wait_status(lambda s: s["last"]["outcome"] == "reverted")
    assert (status["mode"], status["previous"]) == ("normal", None)
    board.stop()
    assert board.changed() == set()


@scenario("exception", RAISES)
@scenario("end", b"print('dead')\n")
@scenario("watchdog", BITTEN)
def it_comes_when_the_application_keeps_dying(make_board, kind, main):
    board = good_board(make_board)
    board.write({"/main.py": main})
    board.start()
    status = wait_mode(board, "rescue")
    restart = ["watchdog", "machine.reset"] if kind == "watchdog" else ["machine.reset"]
    assert board.boots() == restart * 3
    # The traceback is written once, not at each of the three deaths.
    assert board.flash_operations < (3 * _WRITING if kind == "exception" else 1)
    left = "divide by zero" in (status["traceback"] or "")
    assert left is (kind == "exception")
    assert "Rescue mode: the application died 3 times" in status["warnings"]
    assert board.console().count("dead\n") == 3
    # It can be repaired, and is then an ordinary board again.
    board.update({"/main.py": rig.app()})
    status = board.wait_status(lambda s: s["last"])
    status = board.outcome()
    assert (status["mode"], status["last"]["outcome"]) == ("normal", "confirmed")
    assert status["traceback"] is None
    board.wait_saved()
    assert board.order(f"answer({DEATHS})") == 0


@scenario()
def an_application_that_still_dies_is_tried_three_times_again(make_board):
    board = good_board(make_board)
    board.write({"/main.py": RAISES})
    board.start()
    deaths = 3 + 1 + 3  # and a quiet while in between
    end = time.monotonic() + 120
    while len(board.boots()) < deaths:
        assert time.monotonic() < end, board.console()[-1500:]
        time.sleep(0.2)
    board.wait_listening(30)
    assert board.status()["mode"] == "rescue"
    assert board.boots() == ["machine.reset"] * deaths
    assert board.flash_operations < 3 * _WRITING


@scenario()
def it_comes_when_the_set_before_is_dead_as_well(make_board):
    board = good_board(make_board)
    board.start()
    board.wait_listening(30)
    assert board.request("PUT", "/fs/main.py", content=RAISES).is_success
    board.update({**rig.CHANGES, "/main.py": b"print('new')\n1 / 0\n"}, rig.DELETED)
    status = wait_mode(board, "rescue")
    assert status["last"]["reason"].startswith("the application ended in an exception")
    assert re.findall("(new|dead)\n", board.console()) == ["new", "dead", "dead", "dead"]
    board.stop()
    assert board.changed() == {"/main.py"}
    assert board.tree()["/main.py"] == RAISES


@scenario("KeyboardInterrupt", b"raise KeyboardInterrupt\n", True)
@scenario("its end, but it never ran the service", b"print('done')\n", False)
@scenario("an exception, but it never ran the service", RAISES, False)
def a_board_at_the_prompt_is_left_alone(make_board, why, main, was_good):
    board = good_board(make_board) if was_good else make_board(files=QUICK)
    board.write({"/main.py": main})
    board.start()
    board.wait_event("prompt", 30)
    time.sleep(2)
    assert board.boots() == []


@scenario()
def without_a_network_the_application_runs_in_any_case(make_board):
    board = make_board(BITTEN, QUICK)
    board.start()
    board.wait_console("dead\n" * 3, 60)
    said = "ota: rescue mode is not possible, no network is known yet\n"
    board.wait_console(said + "dead\n", 60)
    assert board.boots()[:6] == ["watchdog", "machine.reset"] * 3
    board.power_cut()
    # Also with BOOTSEL held.
    board.write({"/main.py": rig.app(confirm_after_s=300)})
    board.press_bootsel()
    board.start()
    board.wait_listening(30)
    assert board.status()["mode"] == "normal"
    assert said in board.console()


@scenario()
def it_comes_while_the_button_is_held(make_board):
    board = good_board(make_board)
    board.press_bootsel()
    board.start()
    status = wait_mode(board, "rescue")
    assert "Rescue mode: BOOTSEL was held" in status["warnings"]
    board.press_bootsel(False)
    start_anew(board)
    assert board.boots() == ["machine.reset"]


@scenario()
def it_ends_when_nobody_uses_it(make_board):
    board = good_board(make_board)
    board.start()
    board.wait_listening(30)
    status = ask_for_rescue(board)
    begun = time.monotonic()
    while time.monotonic() < begun + 6:  # longer than it waits
        assert board.status()["boot_id"] == status["boot_id"]
        time.sleep(0.5)
    events = len(board.events)
    board.wait_event("boot", 30, events)
    assert time.monotonic() - begun > 9
    after = wait_mode(board, "normal")
    assert after["boot_id"] != status["boot_id"]
    assert board.order("answer(1)") == 1
    assert board.boots(events) == ["machine.reset"]


@scenario()
def it_comes_also_to_a_board_that_never_had_a_good_start(make_board):
    main = rig.app(confirm_after_s=30).replace(b"    while True:", b"    1 / 0\n    while True:")
    board = make_board(main, QUICK)
    board.start()
    status = wait_mode(board, "rescue")
    assert "Rescue mode: the application died 3 times" in status["warnings"]


@scenario("asked to")
@scenario("by itself")
def a_trial_is_not_forgotten_in_it(make_board, ends):
    board = good_board(make_board, rig.app(trial_deadline_s=8))
    board.start()
    board.wait_listening(30)
    board.update({**rig.CHANGES, "/main.py": rig.app(auto_confirm=False)}, rig.DELETED)
    board.wait_status(lambda s: s["state"] == "trial")
    status = ask_for_rescue(board)
    assert (status["state"], status["version"]) == ("trial", "2.0.0")
    assert status["trial"]["attempt"] == 1
    if ends == "asked to":
        status = start_anew(board)
    else:
        board.wait_event("boot", 30, len(board.events))
        status = wait_mode(board, "normal")
    assert status["trial"]["attempt"] == 2
    assert status["trial"]["remaining_s"] <= 8
    status = board.outcome()
    assert status["last"]["reason"] == "not confirmed in time"
    board.stop()
    assert board.changed() == set()


@scenario()
def a_trial_goes_on_when_it_is_not_possible(make_board):
    board = make_board(rig.app(trial_deadline_s=9), QUICK)
    board.start()
    board.wait_listening(30)
    board.update({**rig.CHANGES, "/main.py": rig.app(auto_confirm=False)}, rig.DELETED)
    board.wait_status(lambda s: s["state"] == "trial")
    board.press_bootsel()
    board.order("os.remove('/.ota/settings'); machine.reset()", answered=False)
    board.wait_console("rescue mode is not possible")
    status = board.wait_status(lambda s: s["trial"] and s["trial"]["attempt"] == 2)
    assert status["mode"] == "normal"
    assert board.outcome()["last"]["reason"] == "not confirmed in time"
    board.stop()
    assert board.changed() == set()


@scenario()
def settings_are_those_of_the_last_good_start(make_board):
    board = make_board(rig.app(confirm_after_s=4, trial_deadline_s=60), QUICK)
    board.start()
    board.wait_listening(30)
    board.power_cut()
    # The first ones are saved at once: a board may die before it has had a good start.
    saved = board.ours()["/.ota/settings"]
    assert json.loads(saved)["ssid"] == "test-net"
    assert len(saved) <= 512
    # From then on it takes a good start.
    board.write({"/main.py": rig.app(name="hasty", confirm_after_s=300)})
    board.start()
    board.wait_listening(30)
    board.power_cut()
    assert board.ours()["/.ota/settings"] == saved
    board.write({"/main.py": rig.app(confirm_after_s=4, trial_deadline_s=60)})
    board.start()
    board.wait_saved()
    board.power_cut()
    assert board.ours()["/.ota/settings"] == saved
    # The same again is not written again.
    board.start()
    board.wait_listening(30)
    time.sleep(6)
    assert board.flash_operations == 0
    # What is on trial does not count,
    board.update({"/main.py": rig.app(name="other", auto_confirm=False)})
    board.wait_status(lambda s: s["state"] == "trial")
    time.sleep(2)
    board.power_cut()
    assert board.ours()["/.ota/settings"] == saved
    # until it is confirmed.
    board.start()
    board.wait_status(lambda s: s["state"] == "trial")
    time.sleep(2)
    assert board.request("POST", "/api/v1/confirm").status_code == 200
    board.power_cut()
    assert json.loads(board.ours()["/.ota/settings"])["name"] == "other"


@scenario()
def deaths_are_forgotten_at_a_good_start_and_without_power(make_board):
    main = b"import machine\ndeaths = " + DEATHS.encode() + b"\nprint('deaths', deaths)\n"
    dies = main + b"if deaths < 2: 1 / 0\nimport time\ntime.sleep(100)\n"
    board = good_board(make_board)
    board.write({"/main.py": dies})
    for _ in range(2):
        board.start()
        board.wait_console("deaths 2\n", 30)
        assert "deaths 0\n" in board.console()
        assert "deaths 1\n" in board.console()
        board.power_cut()
    board.write({"/main.py": main + b"if deaths < 2: 1 / 0\n" + rig.app(confirm_after_s=2)})
    board.start()
    board.wait_console("deaths 2\n", 30)
    board.wait_listening(30)
    assert board.order(f"answer({DEATHS})") == 2
    board.wait_saved()
    assert board.order(f"answer({DEATHS})") == 0
    # An old bite does not count once more after a soft reset.
    for order in ("machine.WDT(timeout=50)", "sys.exit()"):
        events = len(board.events)
        board.order(order, answered=False)
        board.wait_event("listening", 30, events)
        board.wait_saved()
    assert re.findall("deaths (.)", board.console()) == list("012" + "12" + "012")


@scenario()
def files_called_like_modules_of_the_firmware_do_not_keep_it_from_running(make_board):
    board = good_board(make_board)
    hiding = [f"/{name}.py" for name in ("asyncio", "binascii", "hashlib", "json", "time")]
    hiding += ["/machine.py", "/lib/random.py"]
    board.write(dict.fromkeys(hiding, b"X = 1\n"))
    board.press_bootsel()
    board.start()
    board.wait_listening(30)
    assert board.status()["mode"] == "rescue"
    board.press_bootsel(False)
    board.update({"/lib/x.py": b"x = 2\n"}, hiding)
    status = board.wait_status(lambda s: s["version"] == "2.0.0" and s["state"] == "idle")
    assert (status["mode"], status["last"]["outcome"]) == ("normal", "confirmed")


@scenario("no JSON", b"{")
@scenario("no dict", b"[1, 2]")
@scenario("half of it", b'{"ssid": "test-net"}')
@scenario("other kinds", b'{"ssid": 1, "password": [], "user": {}, "key": null, "port": "x"}')
@scenario("too long", b'{"ssid": "' + b"x" * 600 + b'"}')
def settings_damaged_by_hand_do_not_keep_the_application_from_running(make_board, why, data):
    board = good_board(make_board)
    board.write({"/.ota/settings": data})
    board.press_bootsel()
    board.start()
    board.wait_listening(30)
    assert board.status()["mode"] == "normal"


@pytest.mark.parametrize("part", [0, 1])
def test_rescue(make_board, part):
    scenario.run(make_board, part, 2)
