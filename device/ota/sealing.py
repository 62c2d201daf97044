"""The end of a manifest: its plan becomes the update that is being staged."""

import os

import ota
from ota import load, records, space, states
from ota.errors import Refused
from ota.flash import kind
from ota.tree import walk

_TRIAL_S = 180  # the time for a trial, unless the caller knows better


def seal(facts):
    """Let go of the old kept set and start staging what Draft.close() gave as *facts*.

    Returns the id of the session. Raises Refused when there is no room, or another update is
    being staged.
    """
    version, trial, floor, session, need = facts
    ota.staged = None
    record = records.load()
    if need is None:
        return _resume(record, session)
    following = states.after(record["state"], "begin")
    _check_boot()
    plan = records.digest(records.DRAFT)
    if record["kept"] is not None:
        # Not yet gone, but counted: without it there must be enough.
        space.check(need - _kept_blocks())
        record["kept"] = record["plan"] = None
        records.save(record)
    records.empty(records.OLD)
    records.empty(records.NEW)
    if kind(records.PLAN) == "file" and records.digest(records.PLAN) == plan:
        records.remove(records.PLAN)  # else the draft, its equal, would be left over
    space.check(need)
    for path in (records.NEW, records.OLD):
        if not records.is_dir(path):
            os.mkdir(path)
    record.update(
        {
            "state": following,
            "next": version,
            "id": session,
            "plan": plan,
            "trial": _TRIAL_S if trial is True else int(trial),
            "tries": 0,
            "next_floor": floor,
            "dirty": 0,
        }
    )
    records.save(record)
    records.plan_of(record)  # gives the plan its name
    return session


def _resume(record, session):
    if record["state"] != states.STAGING or record["id"] != session:
        raise Refused(409, "busy/other", record["next"], id=record["id"])
    return session


def _check_boot():
    """Raise Refused(422) when a /boot.py that stays would not start the guard first."""
    if kind("/boot.py") != "file":
        return
    for _, _, _, _, path in records.lines(records.DRAFT):
        if path == "/boot.py":
            return  # checked where it was entered, or when it has come
    load("start").check("/boot.py", "/boot.py")


def _kept_blocks():
    total = 0
    for _, size in walk(records.OLD):
        total += space.freed(size)
    return total
