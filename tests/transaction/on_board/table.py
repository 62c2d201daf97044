"""The table of states."""

import json

import world
from common import OLD, board, changed, refused

from ota import record, transaction


def test_print_it():
    rows = [[state, event, target] for (state, event), target in record.NEXT.items()]
    print(json.dumps(rows))


#: What clients ask for; the other events are the guard's.
ASKED = ("begin", "commit", "abort", "confirm", "rollback")


def test_what_is_not_listed_is_refused():
    events = {event for _, event in record.NEXT}
    for state in record.STATES:
        for event in events:
            wanted = record.NEXT.get((state, event))
            assert record.after(state, event) == wanted
            if event not in ASKED or (state, event) == ("staging", "begin"):
                continue  # the guard's, or looked at before: the same update goes on
            if wanted:
                assert transaction.after({"state": state}, event) == wanted
            else:
                word = "busy" if event == "begin" else "wrong_state"
                error = refused(409, word, transaction.after, {"state": state}, event)
                assert error.extra["state"] == state


def _in(state):
    flash = board()
    if state == "idle":
        return flash
    world.begin("2.0", OLD, changed())
    if state == "staging":
        return flash
    world.stage(changed())
    world.commit()
    if state == "committed":
        return flash
    world.power_on(flash)
    if state == "reverting":
        transaction.rollback()
    return flash


def test_the_calls_keep_to_the_table():
    allowed = {
        "idle": (),
        "staging": ("abort",),
        "committed": (),
        "trial": ("confirm", "rollback"),
        "reverting": (),
    }
    for state, good in allowed.items():
        for call in (world.commit, transaction.abort, transaction.confirm, transaction.rollback):
            name = call.__name__
            _in(state)
            assert transaction.status()["state"] == state
            if name in good:
                call()
            elif (state, name) == ("staging", "commit"):
                refused(409, "missing", call)
            elif (state, name) == ("idle", "rollback"):
                refused(409, "no_previous", call)
            else:
                refused(409, "wrong_state", call)
                assert transaction.status()["state"] == state


def test_begin_says_what_to_do():
    def begin():
        world.begin("3.0", OLD, changed())

    _in("trial")
    error = refused(409, "busy", begin)
    assert "confirm" in error.message and "roll" in error.message
    _in("committed")
    assert "estart" in refused(409, "busy", begin).message
    _in("reverting")
    refused(409, "busy", begin)


def test_every_step_of_a_life_is_in_the_table():
    flash = _in("idle")
    seen = [transaction.status()["state"]]

    def look():
        seen.append(transaction.status()["state"])

    world.begin("2.0", OLD, changed())
    look()
    world.stage(changed())
    world.commit()
    look()
    world.power_on(flash)
    look()
    transaction.confirm()
    look()
    transaction.rollback()
    look()
    world.power_on(flash)
    look()
    assert seen == ["idle", "staging", "committed", "trial", "idle", "reverting", "idle"], seen
    steps = {(state, target) for (state, _), target in record.NEXT.items()}
    for index in range(len(seen) - 1):
        assert (seen[index], seen[index + 1]) in steps
