"""Updates of several files: all or nothing, and undone when they do not prove themselves.

    draft = transaction.begin("2.0.0")                     # entries go to flash one by one
    draft.add_file("/lib/x.py", 123, sha256_hex)
    draft.add_delete("/lib/old.py")
    draft.seal()                                           # idle -> staging
    for path, size, received in transaction.needed():
        writer = transaction.open_file(path, received)
        writer.write(data)
        writer.close()
    transaction.commit()                                   # staging -> committed
    machine.reset()                                        # the guard: committed -> trial
    transaction.confirm()                                  # trial -> idle

Each call first writes the one record, in one step, that says what is true from now on, and then
tidies up; a cut in between leaves tidying that the next start, or the next call, repeats. The
live files themselves are replaced and restored by the guard alone (ota_boot.py), before the
application runs, so that a running application never sees a mixture.
"""

import ota
from ota import records, states
from ota.current import load
from ota.errors import Refused
from ota.outcomes import TRIES, history, settle, turn_back
from ota.records import OLD, Damaged, exists

# What has a room of its own, and is loaded when it is asked for here.
_ELSEWHERE = {
    "abort": "current",
    "begin": "update",
    "commit_steps": "commit",
    "files": "arrivals",
    "needed": "arrivals",
    "open_file": "staging",
    "open_steps": "staging",
}


def __getattr__(name):
    if name not in _ELSEWHERE:
        raise AttributeError(name)
    return getattr(ota.load(_ELSEWHERE[name]), name)


def commit():
    """Decide that the staged set goes live at the next start; see ota/commit.py."""
    for _ in ota.load("commit").commit_steps():
        pass


def confirm(reason=None):
    """Keep the set on trial. Raises Refused(409) outside a trial."""
    record = load()
    record["state"] = states.after(record["state"], "confirm")
    record["floor"] = record["next_floor"] or record["floor"]
    record["next_floor"] = record["id"] = None
    settle(record, record["version"], "confirmed", reason)
    records.save(record)


def rollback(reason="asked for"):
    """Decide that the kept set comes back at the next start. Raises Refused(409)."""
    record = load()
    states.after(record["state"], "rollback")
    if record["kept"] is None:
        raise Refused(409, "nothing_kept")
    try:
        plan = records.plan_of(record)
    except Damaged:
        plan = None
    if not plan or not _kept_is_whole(plan):
        raise Refused(409, "kept_damaged")
    turn_back(record, reason)


def _kept_is_whole(plan):
    for kind, name, _, _, _ in records.lines(plan):
        if kind in "rRdD" and not exists(OLD + "/" + name):
            return False
    return True


def status():
    """Return what the record says, as a dict; see docs/http.md."""
    record = load()
    state = record["state"]
    past = [record["last"]] if record["last"] else []
    past.extend([entry for entry in history() if past and entry[0] < record["last"][0]])
    past = [{"version": e[1], "outcome": e[2], "reason": e[3]} for e in past]
    kept = record["kept"]
    trial = None
    if state == states.TRIAL:
        trial = {"attempt": record["tries"], "attempts": TRIES}
    return {
        "version": record["version"],
        "state": state,
        "next": record["next"],
        "id": record["id"],
        "last": past[0] if past else None,
        "history": past,
        "kept": "unknown" if kept == "" else kept,
        "floor": record["floor"],
        "trial": trial,
        "ignored": records.ignored(),
    }
