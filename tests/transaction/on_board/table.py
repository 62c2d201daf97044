"""The table of states."""

import json

import world
from common import OLD, board, changed, refused

from ota import states, transaction


def test_print_it():
    rows = [[state, event, target] for (state, event), target in states._NEXT.items()]
    print(json.dumps(rows))


def test_what_is_not_listed_is_refused():
    events = {event for _, event in states._NEXT}
    for state in ("idle", "staging", "committed", "trial", "reverting"):
        for event in events:
            if (state, event) in states._NEXT:
                assert states.after(state, event)
            else:
                error = refused(
                    409, "busy" if event == "begin" else "wrong_state", states.after, state, event
                )
                assert error.extra["state"] == state


def _in(state):
    flash = board()
    if state == "idle":
        return flash
    world.begin("2.0", OLD, changed())
    if state == "staging":
        return flash
    world.stage(changed())
    transaction.commit()
    if state == "committed":
        return flash
    world.power_on(flash)
    if state == "reverting":
        transaction.rollback("test")
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
        for call in ("commit", "abort", "confirm", "rollback"):
            _in(state)
            assert transaction.status()["state"] == state
            if call in good:
                getattr(transaction, call)()
            elif (state, call) == ("staging", "commit"):
                refused(409, "missing", transaction.commit)
            elif (state, call) == ("idle", "rollback"):
                refused(409, "nothing_kept", transaction.rollback)
            else:
                refused(409, "wrong_state", getattr(transaction, call))
                assert transaction.status()["state"] == state


def test_begin_says_what_to_do():
    _in("trial")
    error = refused(409, "busy", transaction.begin, "3.0")
    assert "confirm" in error.message and "roll" in error.message
    _in("committed")
    assert "estart" in refused(409, "busy", transaction.begin, "3.0").message
    _in("reverting")
    refused(409, "busy", transaction.begin, "3.0")


def test_every_step_of_a_life_is_in_the_table():
    flash = _in("idle")
    seen = [transaction.status()["state"]]

    def look():
        seen.append(transaction.status()["state"])

    world.begin("2.0", OLD, changed())
    look()
    world.stage(changed())
    transaction.commit()
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
    steps = {(state, target) for (state, _), target in states._NEXT.items()}
    for index in range(len(seen) - 1):
        assert (seen[index], seen[index + 1]) in steps
