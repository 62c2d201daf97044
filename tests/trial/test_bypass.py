"""boot.py was replaced by a person: the service does what the guard would have done."""

import time

import pytest
import rig

scenario = rig.Scenarios()
MINE = {"/boot.py": b"print('my own boot.py')\n"}


def started(board):
    board.start()
    board.wait_listening(30)
    return board


@scenario()
def nothing_is_to_be_done(make_board):
    board = started(make_board(files=MINE))
    board.wait_saved()
    board.stop()
    started(board)
    time.sleep(3)
    assert board.boots() == []
    assert board.flash_operations == 0
    board.stop()
    assert board.changed() == set()


@scenario()
def a_commit_is_finished(make_board):
    board = started(make_board())
    board.stage({**rig.CHANGES, "/main.py": rig.app(name="new")}, rig.DELETED)
    assert board.commit(restart=False).status_code == 202
    board.power_cut()
    assert board.changed() == set()
    board.write(MINE)
    board.start()
    status = board.outcome()
    assert (status["version"], status["last"]["outcome"], status["name"]) == (
        "2.0.0",
        "confirmed",
        "new",
    )
    assert board.boots() == ["machine.reset"]
    # Nobody has been served by a mixture of old modules in memory and new ones on the flash.
    assert [e["event"] for e in board.events if e["event"] in ("boot", "listening")] == [
        "boot",
        "listening",
    ]
    board.stop()
    assert board.changed() == {"/boot.py", "/main.py", *rig.CHANGES, *rig.DELETED}


@scenario()
def a_roll_back_is_finished(make_board):
    board = started(make_board())
    board.update({**rig.CHANGES, "/main.py": rig.app(name="new")}, rig.DELETED)
    board.outcome()
    assert board.request("POST", "/api/v1/rollback").status_code == 202
    board.power_cut()  # before the restart that would do it
    assert "/main.py" in board.changed()
    board.write(MINE)
    board.start()
    status = board.wait_status(lambda s: s["last"]["outcome"] == "reverted")
    assert (status["state"], status["version"]) == ("idle", None)
    board.stop()
    assert board.changed() == {"/boot.py"}


@scenario("does not confirm", rig.app(auto_confirm=False), "not confirmed in time")
@scenario(
    "hangs",
    rig.app().replace(
        b"    while True:", b"    machine.disable_irq()\n    time.sleep(99)\n    while True:"
    ),
    "the application hung: the watchdog restarted the board",
)
@scenario(
    "raises",
    rig.app().replace(b"    while True:", b"    1 / 0\n    while True:"),
    "the application ended in an exception: ZeroDivisionError: divide by zero",
)
def a_trial_is_undone(make_board, why, main, reason):
    board = started(make_board())
    board.stage({**rig.CHANGES, "/main.py": main}, rig.DELETED)
    assert board.commit(restart=False).status_code == 202
    board.power_cut()
    board.write(MINE)
    board.start()
    status = board.outcome(60)
    assert status["last"]["reason"] == reason
    board.stop()
    assert board.changed() == {"/boot.py"}


@scenario()
def an_update_that_leaves_it_so_is_refused(make_board):
    board = started(make_board(files=MINE))
    board.wait_saved()
    board.stage({}, ["/keep.bin"])
    refused = board.commit()
    assert (refused.status_code, refused.json()["error"]) == (422, "boot_without_guard")
    assert board.request("DELETE", "/api/v1/update").status_code == 204
    board.update({"/boot.py": b"import ota_boot\n\nota_boot.run()\n"})
    assert board.outcome()["last"]["outcome"] == "confirmed"
    board.stop()
    assert board.changed() == {"/boot.py"}


@pytest.mark.parametrize("half", [0, 1])
def test_bypass(make_board, half):
    scenario.run(make_board, half, 2)
