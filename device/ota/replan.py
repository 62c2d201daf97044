"""A new plan for the same update, when the live files have changed since the manifest came."""

import ota
from ota import records
from ota.draft import Draft


def steps(record):
    """Replace the plan by one that fits, yielding between steps; the session stays."""
    draft = Draft(record["next"], record["trial"], record["next_floor"])
    try:
        for _, name, size, sha, path in records.lines(records.PLAN):
            if not name.isdigit():
                continue  # follows from the others
            if sha == "-":
                draft.add_delete(path)
                continue
            for _ in draft.file_steps(path, int(size), sha):
                yield None
        draft.close()
        record["plan"] = records.digest(records.DRAFT)
    except BaseException:
        draft.drop()
        raise
    records.save(record)
    records.plan_of(record)
    ota.staged = None
