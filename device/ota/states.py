"""The states of an update and what leads from one to the next. No disk, no network.

What is not in the table is refused. The same table stands in docs/design.md; the guard, which
imports nothing of ours, takes the rows marked "guard" by itself, and a test holds it to them.
"""

from ota.errors import Refused

IDLE = "idle"  # one complete set is live
STAGING = "staging"  # new files arrive aside, the live ones are untouched
COMMITTED = "committed"  # decided: the guard replaces the live files at the next start
TRIAL = "trial"  # the new set is live, and has to prove itself
REVERTING = "reverting"  # decided: the guard restores the kept set at the next start

_NEXT = {
    (IDLE, "begin"): STAGING,
    (IDLE, "rollback"): REVERTING,  # while a set is kept
    (STAGING, "commit"): COMMITTED,
    (STAGING, "abort"): IDLE,
    (COMMITTED, "replaced"): TRIAL,  # guard
    (COMMITTED, "installed"): IDLE,  # guard, when no trial was asked for
    (COMMITTED, "failed"): REVERTING,  # guard, when a file could not be put in its place
    (TRIAL, "attempt"): TRIAL,  # guard, one more start is used up
    (TRIAL, "confirm"): IDLE,
    (TRIAL, "rollback"): REVERTING,
    (TRIAL, "expire"): REVERTING,  # guard: deadline, bad end, or no attempt left
    (REVERTING, "restored"): IDLE,  # guard
}


def after(state, event):
    """Return the state that *event* leads to from *state*.

    Raises Refused(409), with what to do, where the table has no such row.
    """
    try:
        return _NEXT[state, event]
    except KeyError:
        word = "busy" if event == "begin" else "wrong_state"
        raise Refused(409, word + "/" + state, event, state=state)
