"""The beginning of an update: room for its manifest, if nothing else is under way."""

import os

import ota
from ota import records, states
from ota.plan import DRAFT


def prepare(force=False):
    """Get ready for a new draft. Returns True when an update is being staged already.

    A draft can then only be compared with that, to go on with it; *force* drops it instead.
    Raises Refused(409) when another update is in the way.
    """
    from ota import current

    record = current.load()
    if record["state"] == states.STAGING:
        if not force:
            return True
        current.abort()
        record = current.load()
    states.after(record["state"], "begin")
    ota.close_writers()
    _make_home()
    # From here on a cut leaves something to tidy up, which the next start must know.
    record["dirty"] = 1
    records.save(record)
    if records.is_dir(DRAFT):
        _clear(DRAFT)
    return False


def undo():
    """Tidy up after a draft that was dropped; quiet when there was none."""
    record = records.load()
    if record["state"] == states.IDLE and record["dirty"]:
        try:
            records.collect(record)
        except records.Damaged:
            pass  # the old plan; the next start says so, and what is kept is of no use any more


def _make_home():
    if not records.is_dir(records.HOME):
        records.remove(records.HOME)
        os.mkdir(records.HOME)
    for path in (records.STATE, records.PLAN, records.HISTORY):
        if records.is_dir(path):
            _clear(path)
    for path in (records.NEW, records.OLD):
        if not records.is_dir(path):
            records.remove(path)


def _clear(path):
    records.empty(path)
    os.rmdir(path)
