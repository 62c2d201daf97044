"""The decisions about an update, each one write of the record; what the table refuses is refused.

Each function first writes the record, in one step, that says what is true from now on, and then
tidies up; a power cut in between leaves tidying that the next start, or the next call, repeats.
The live files themselves are replaced and restored by the guard alone (ota_boot.py), before the
application runs, so that a running application never sees a mixture.
"""

import os

from ota import record as records
from ota.errors import Refused
from ota.record import KEYRING, NEW, OLD, STARTS, TRIES, Damaged

#: Kinds of lines of the plan that stand for a file; see ota/planning.py.
FILES = "aArR="
#: Files that could do harm to more than the application; see check_whole() in ota/commit.py.
CRITICAL = STARTS + (KEYRING,)

_sound = None  # digest of the plan that was last found undamaged


def after(record, event):
    """Return the state that *event* leads to from that of *record*.

    Raises Refused(409), with what to do, where the state table has no such row.
    """
    now = record["state"]
    state = records.after(now, event)
    if state is None:
        if event == "begin":
            raise Refused(409, "busy/" + now, state=now)
        raise Refused(409, "wrong_state/" + event, now, state=now)
    return state


def load():
    """Return the record as it can be used: a damaged plan makes it idle, and `ignored` says so."""
    global _sound
    record = records.load()
    if record["state"] != "idle" and record["plan"] != _sound:
        try:
            records.plan_of(record)
            _sound = record["plan"]
        except Damaged as error:
            records.ignored = "%s It was %s." % (error, record["state"])
            if record["state"] in ("committed", "reverting"):
                record["version"] = None  # perhaps files of two
            _forget(record)
            record["previous"] = record["old"] = None
    return record


def check_session(head):
    """Return the record. Raises Refused(409) when the request *head* is for another update."""
    record = load()
    claimed = head.headers.get("x-ota-session")
    if claimed is not None and claimed != (record["state"] == "staging" and record["id"]):
        raise Refused(409, "stale_session")
    return record


def received(name):
    """Return how many bytes of the staged file *name* are here, -1 if none was begun."""
    try:
        return os.stat(NEW + "/" + name)[6]
    except OSError:
        return -1


def any_received():
    """Return whether any file has been begun: else none needs to be looked for."""
    found = None
    if records.is_dir(NEW):
        for found in os.ilistdir(NEW):
            pass  # to the end, which closes it
    return found is not None


def _forget(record):
    """Make *record* idle and forget the update; the previous set stays."""
    record["state"] = "idle"
    record["dirty"] = 1
    for name in ("next", "id", "signer", "next_floor", "reason"):
        record[name] = None
    if record["previous"] is None:
        record["plan"] = None


def abort():
    """Drop what is being staged; the live files and their version stay. Raises Refused(409)."""
    record = load()
    after(record, "abort")
    _forget(record)
    records.save(record)
    records.collect(record)


def confirm():
    """Keep the set on trial and return its version. Raises Refused(409) outside of a trial."""
    record = load()
    record["state"] = after(record, "confirm")
    record["floor"] = record["next_floor"] or record["floor"]
    record["next_floor"] = record["id"] = record["signer"] = None
    records.settle(record, record["version"], "confirmed", None)
    records.save(record)
    return record["version"]


def rollback():
    """Decide that the previous set comes back at the next start. Raises Refused(409)."""
    record = load()
    after(record, "rollback")
    if record["previous"] is None:
        raise Refused(409, "no_previous")
    try:
        plan = records.plan_of(record)
    except Damaged:
        plan = None
    if not plan or record["old"] != records.previous_digest(OLD):
        raise Refused(409, "previous_damaged")
    if record["state"] == "idle":
        _keep_what_stays(plan)
    records.turn_back(record, "asked for")


def is_once(name):
    """Return whether the file called *name* in the plan is one that comes once."""
    return name.endswith("a")


def _keep_what_stays(plan):
    """See that keys and settings stay as they are since the update was confirmed.

    Keys that it retired may be stolen, and must not come back with the previous set; files that
    came once are whose who has filled them in.
    """
    for kind, name, _, _, _, path in records.lines(plan):
        # Restoring leaves alone what is still waiting to go live, and what was there before is
        # put back.
        if kind in "aA" and is_once(name):
            records.make_parents(NEW + "/" + name)
            open(NEW + "/" + name, "w").close()
        elif path == KEYRING:
            place = OLD if kind == "r" else NEW
            for _ in records.copy_steps(path, place + "/" + name):
                pass


def status():
    """Return what the record says, as a dict for `GET /api/v1/status`; see docs/http.md."""
    record = load()
    past = [record["last"]] if record["last"] else []
    past.extend([entry for entry in records.history() if past and entry[0] < record["last"][0]])
    past = [{"version": e[1], "outcome": e[2], "reason": e[3]} for e in past]
    trial = None
    if record["state"] == "trial":
        trial = {"attempt": record["tries"], "attempts": TRIES}
    return {
        "version": record["version"],
        "state": record["state"],
        "next": record["next"],
        "id": record["id"],
        "last": past[0] if past else None,
        "history": past,
        # A first set that nobody has named is kept, too.
        "previous": "unknown" if record["previous"] == "" else record["previous"],
        "floor": record["floor"],
        "trial": trial,
        "ignored": records.ignored,
    }
