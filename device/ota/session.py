"""The update that is being staged, remembered between the requests for its files."""

import os
import sys

import ota
from ota.errors import Refused

# The guard, which is not in memory while files come in, has the same.
NEW = "/.ota/new"
PLAN = "/.ota/plan"
#: Kinds of lines of the plan that stand for a file; see ota/plan.py.
EACH = "aArR="
#: What has to work before anything can be undone; see ota/start.py.
STARTS = ("/boot.py", "/ota_boot.py", "/ota_boot.mpy")


def current():
    """Return (plan, id) of the update that is being staged, ("", "") when there is none.

    The record is read for the first of them only: that takes the guard's code, which the others
    then have no room for.
    """
    if ota.staged is None:
        known = "ota.records" in sys.modules
        from ota import records

        record = records.load()
        staging = record["state"] == "staging"
        ota.staged = (record["plan"], record["id"]) if staging else ("", "")
        if not known:
            ota.let_go("records")
    return ota.staged


def check(head):
    """Raise Refused(409) when the request *head* is for another update than this."""
    claimed = head.headers.get("x-ota-session")
    if claimed is not None and claimed != current()[1]:
        raise Refused(409, "stale_session")


def received(name):
    """Return how many bytes of the staged file *name* are here, -1 if none was begun."""
    for writer in ota.writers.values():
        if writer.name == name:
            return writer.received
    try:
        return os.stat(NEW + "/" + name)[6]
    except OSError:
        return -1
