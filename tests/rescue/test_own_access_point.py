"""Rescue mode where the network is gone: an access point of its own, where that was chosen."""

import time

import rig

scenario = rig.Scenarios()

RESCUE = (rig.DEVICE / "ota/rescue.py").read_text()
for _old, _new in (
    ("_ALONE_S = const(3 * 60)", "_ALONE_S = const(4)"),
    ("_IN_USE_S = const(60)", "_IN_USE_S = const(3)"),
    ("_QUIET_S = const(15 * 60)", "_QUIET_S = const(40)"),
):
    assert RESCUE.count(_old) == 1
    RESCUE = RESCUE.replace(_old, _new)
QUICK = rig.repacked({"/ota/rescue.py": RESCUE})
PASSWORD = "of the updates"
HOME = {"test-net": "test-password"}


def lost_board(make_board, **options):
    """A board in rescue mode whose network is gone."""
    board = make_board(rig.app(auth_password=PASSWORD, **options), QUICK)
    board.client.auth = ("admin", PASSWORD)
    board.set_wifi(networks=HOME)
    board.start()
    board.wait_saved()
    board.power_cut()
    board.press_bootsel()
    board.set_wifi(networks={})
    board.start()
    board.wait_console("Rescue mode: BOOTSEL was held", 30)
    board.press_bootsel(False)
    return board


def wait_access_point(board, there=True):
    end = time.monotonic() + 60
    while (board.access_point is not None) is not there:
        assert time.monotonic() < end, board.console()[-1500:]
        time.sleep(0.1)


def own_name(board):
    return "pico-" + board.unique_id[-3:].hex()


@scenario()
def it_is_opened_and_takes_an_update_and_closes_when_the_network_is_back(make_board):
    board = lost_board(make_board, rescue_ap=True)
    wait_access_point(board)
    assert board.access_point == (own_name(board), PASSWORD)
    board.wait_console(f"join the Wi-Fi {own_name(board)}, with the password of the updates")
    status = board.wait_status(lambda s: s["mode"] == "rescue")
    assert status["ip"] == "192.168.4.1"
    port = board.url.rpartition(":")[2]
    for host, code in ((f"192.168.4.1:{port}", 200), (f"192.168.4.2:{port}", 421)):
        assert board.request("GET", "/", headers={"Host": host}).status_code == code
    # It goes on looking, and who uses the access point is not cut off.
    board.set_wifi(networks=HOME)
    end = time.monotonic() + 90
    while board.status()["ip"] != "127.0.0.1":
        assert time.monotonic() < end, board.console()[-1500:]
        time.sleep(0.3)
    assert board.access_point is not None
    host = {"Host": f"192.168.4.1:{port}"}  # which is still a way in
    assert board.request("GET", "/", headers=host).status_code == 200
    wait_access_point(board, there=False)
    assert board.status()["mode"] == "rescue"
    board.update({"/main.py": rig.app(auth_password=PASSWORD)})
    status = board.wait_status(lambda s: s["mode"] == "normal")
    assert board.access_point is None
    assert board.outcome()["last"]["outcome"] == "confirmed"


@scenario()
def without_it_there_is_none(make_board):
    board = lost_board(make_board)
    time.sleep(9)
    assert board.access_point is None
    board.set_wifi(networks=HOME)
    board.wait_listening(60)


@scenario()
def a_network_that_is_there_needs_none(make_board):
    board = make_board(rig.app(auth_password=PASSWORD, rescue_ap=True), QUICK)
    board.client.auth = ("admin", PASSWORD)
    board.start()
    board.wait_saved()
    assert board.request("POST", "/api/v1/reboot", json={"mode": "rescue"}).status_code == 202
    board.wait_status(lambda s: s["mode"] == "rescue")
    time.sleep(7)
    assert board.access_point is None
    assert board.status()["mode"] == "rescue"


@scenario("short", "seven77")
@scenario("beyond ASCII", "schlüssel-wort")
@scenario("long", "x" * 64)
@scenario("kept as a digest", "sha256:" + "0" * 64)
def a_password_that_no_wifi_takes_is_refused(make_board, why, password):
    board = make_board(rig.app(auth_password=password, rescue_ap=True), QUICK)
    board.start()
    board.wait_console("ValueError: rescue_ap", 30)


def test_own_access_point(make_board):
    scenario.run(make_board, 0, 1)
