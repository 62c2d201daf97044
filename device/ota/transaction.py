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

import os

import ota_boot
from ota import space, staging, states
from ota.errors import Refused
from ota.flash import digest_steps
from ota.staging import files, needed, open_file, open_steps
from ota_boot import NEW, OLD, PLAN, Damaged, exists

__all__ = ("abort", "begin", "commit", "confirm", "files", "needed", "open_file", "open_steps")

_LISTED = 20  # of missing files, in one answer
_sound = None  # digest of the plan that was last found undamaged


def load():
    """Return the record as it can be used: a damaged plan makes it idle, and says so."""
    global _sound
    record = ota_boot.load()
    if record["state"] != states.IDLE and record["plan"] != _sound:
        try:
            ota_boot.plan_of(record)
            _sound = record["plan"]
        except Damaged as error:
            ota_boot.ignored = "%s It was %s." % (error, record["state"])
            if record["state"] in (states.COMMITTED, states.REVERTING):
                record["version"] = None  # perhaps files of two
            forget(record)
            record["kept"] = None
    return record


def forget(record):
    """Make *record* idle and let all of the update go, but what is kept."""
    record["state"] = states.IDLE
    record["dirty"] = 1
    for name in ("next", "id", "next_floor", "reason"):
        record[name] = None
    if record["kept"] is None:
        record["plan"] = None


# --- begin ------------------------------------------------------------------------------------


def begin(version=None, trial=True, origin="push", floor=None, force=False):
    """Return a draft for the update to *version*; see ota.begin.begin().

    Loaded only for this: sending the files needs none of it.
    """
    from ota.begin import begin

    return begin(version, trial, origin, floor, force)


# --- commit -----------------------------------------------------------------------------------


def commit():
    """Decide that the staged set goes live at the next start; see commit_steps()."""
    for _ in commit_steps():
        pass


def commit_steps():
    """Check and prepare the commit, yielding between steps, then decide it in one write.

    What the live files are may have changed since the manifest came, so it is looked at again.
    Raises Refused: 409 when files are missing, 507 when what is kept by copy does not fit.
    """
    staging.release()
    record = load()
    following = states.after(record["state"], "commit")
    for fits in _still_fits():
        yield None
        if not fits:
            for _ in _plan_again(record):
                yield None
            break
    for _ in _check_complete():
        yield None
    try:
        for _ in _prepare():
            yield None
    except OSError as error:
        ota_boot.empty(OLD)
        raise Refused(507, "no_space", "The kept files could not be copied: %r." % error)
    record["state"] = following
    record["kept"] = record["version"] or ""
    ota_boot.save(record)


def _still_fits():
    """Yield True between steps, and False at the end if the live files are others by now."""
    for kind, _, size, sha, path in ota_boot.lines(PLAN):
        if kind != "=":
            fits = exists(path) == (kind in "rRdDxX")
        else:
            fits = exists(path) and os.stat(path)[6] == int(size)
            if fits:
                step = None
                for step in digest_steps(path):
                    yield True
                fits = step == sha
        yield fits
        if not fits:
            return


def _plan_again(record):
    """Replace the plan by one that fits, yielding between steps; the session stays."""
    from ota.draft import Draft

    draft = Draft(record["next"], record["trial"], None, record["next_floor"])
    try:
        for _, name, size, sha, path in ota_boot.lines(PLAN):
            if not name.isdigit():
                continue  # follows from the others
            if sha == "-":
                draft.add_delete(path)
                continue
            for _ in draft.file_steps(path, int(size), sha):
                yield None
        record["plan"] = draft.close()
    except Exception:
        draft.drop()
        raise
    ota_boot.save(record)
    ota_boot.plan_of(record)


def _check_complete():
    missing = []
    count = 0
    for kind, name, size, _, path in staging.entries():
        yield None
        if kind == "=":
            continue
        if staging.received(name) != size:
            count += 1
            if count <= _LISTED:
                missing.append(path)
        else:
            staging.check_start(path, NEW + "/" + name)
    if count:
        raise Refused(
            409,
            "missing",
            "%d files have not been received, or not wholly: send them first." % count,
            need=missing,
            count=count,
        )


def _prepare():
    """Make all that needs room while it can still be refused: copies and directories."""
    need = 0
    for kind, name, _, _, path in ota_boot.lines(PLAN):
        if kind in "RD":
            need += space.cost(os.stat(path)[6])
        elif (kind == "m" and not exists(NEW + "/" + name)) or kind == "X":
            need += space.DIRECTORY
    space.check(need + space.UNIT)
    for kind, name, _, _, path in ota_boot.lines(PLAN):
        if kind in "RD":
            for step in ota_boot.copy_steps(path, OLD + "/" + name):
                yield step
        elif kind == "m" and not exists(NEW + "/" + name):
            os.mkdir(NEW + "/" + name)
        elif kind == "X":
            _copy_folders(path, OLD + "/" + name)
        yield None


def _copy_folders(src, dst):
    for folder in ota_boot.folders(src):
        copy = dst + folder[len(src) :]
        if not exists(copy):
            os.mkdir(copy)


# --- the rest ---------------------------------------------------------------------------------


def abort():
    """Drop what is being staged; the live files and their version stay. Raises Refused(409)."""
    staging.release()
    record = load()
    states.after(record["state"], "abort")
    forget(record)
    ota_boot.save(record)
    ota_boot.collect(record)


def confirm(reason=None):
    """Keep the set on trial. Raises Refused(409) outside a trial."""
    record = load()
    record["state"] = states.after(record["state"], "confirm")
    record["floor"] = record["next_floor"] or record["floor"]
    record["next_floor"] = record["id"] = None
    ota_boot.settle(record, record["version"], "confirmed", reason)
    ota_boot.save(record)


def rollback(reason="asked for"):
    """Decide that the kept set comes back at the next start. Raises Refused(409)."""
    record = load()
    states.after(record["state"], "rollback")
    if record["kept"] is None:
        raise Refused(409, "nothing_kept", "Nothing is kept to roll back to.")
    try:
        plan = ota_boot.plan_of(record)
    except Damaged:
        plan = None
    if not plan or not _kept_is_whole(plan):
        raise Refused(409, "kept_damaged", "The kept set was changed by other hands.")
    ota_boot.turn_back(record, reason)


def _kept_is_whole(plan):
    for kind, name, _, _, _ in ota_boot.lines(plan):
        if kind in "rRdD" and not exists(OLD + "/" + name):
            return False
    return True


def status():
    """Return what the record says, as a dict; see docs/http.md."""
    record = load()
    state = record["state"]
    past = [record["last"]] if record["last"] else []
    past.extend([entry for entry in ota_boot.history() if past and entry[0] < record["last"][0]])
    past = [{"version": e[1], "outcome": e[2], "reason": e[3]} for e in past]
    kept = record["kept"]
    trial = None
    if state == states.TRIAL:
        trial = {"attempt": record["tries"], "attempts": ota_boot.TRIES}
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
        "ignored": ota_boot.ignored,
    }
