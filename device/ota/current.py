"""The record as it can be used, and the end of an update that is not wanted any more."""

import ota
from ota import records, states
from ota.records import Damaged

_sound = None  # digest of the plan that was last found undamaged


def load():
    """Return the record as it can be used: a damaged plan makes it idle, and says so."""
    global _sound
    record = records.load()
    if record["state"] != states.IDLE and record["plan"] != _sound:
        try:
            records.plan_of(record)
            _sound = record["plan"]
        except Damaged as error:
            records.ignore("%s It was %s." % (error, record["state"]))
            if record["state"] in (states.COMMITTED, states.REVERTING):
                record["version"] = None  # perhaps files of two
            _forget(record)
            record["kept"] = None
    return record


def _forget(record):
    """Make *record* idle and let all of the update go, but what is kept."""
    ota.staged = None
    record["state"] = states.IDLE
    record["dirty"] = 1
    for name in ("next", "id", "next_floor", "reason"):
        record[name] = None
    if record["kept"] is None:
        record["plan"] = None


def abort():
    """Drop what is being staged; the live files and their version stay. Raises Refused(409)."""
    ota.close_writers()
    record = load()
    states.after(record["state"], "abort")
    _forget(record)
    records.save(record)
    records.collect(record)
