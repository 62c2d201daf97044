"""The commit: everything is checked and prepared, then one write decides."""

import os

import ota
from ota import arrivals, records, space, states
from ota.errors import Refused
from ota.flash import companion, digest_steps, kind
from ota.records import NEW, OLD, PLAN, exists
from ota.session import EACH, STARTS

_LISTED = 20  # of missing files, in one answer


def commit_steps():
    """Check and prepare the commit, yielding between steps, then decide it in one write.

    What the live files are may have changed since the manifest came, so it is looked at again.
    Raises Refused: 409 when files are missing, 507 when what is kept by copy does not fit.
    """
    from ota import current

    ota.close_writers()
    record = current.load()
    following = states.after(record["state"], "commit")
    for fits in _still_fits():
        yield None
        if not fits:
            for _ in ota.load("manifest", "plan", "draft", "replan").steps(record):
                yield None
            break
    for _ in _check_complete():
        yield None
    try:
        for _ in _prepare():
            yield None
    except OSError as error:
        records.empty(OLD)
        raise Refused(507, "no_space/copies", error)
    record["state"] = following
    record["kept"] = record["version"] or ""
    records.save(record)
    ota.staged = None  # who waits for his turn to write has asked before


def _still_fits():
    """Yield True between steps, and False at the end if the live files are others by now."""
    retires = None  # the other form of the module before, which has to go with it
    for does, _, size, sha, path in records.lines(PLAN):
        here = kind(path)
        if does == "=":
            fits = here == "file" and os.stat(path)[6] == int(size)
            if fits:
                step = None
                for step in digest_steps(path):
                    yield True
                fits = step == sha
        elif does in "rRdD":
            fits = here == "file"
        else:
            fits = here == ("folder" if does in "xX" else None)
        if retires:
            fits = fits and path == retires and does in "dD"
        retires = companion(path) if does in EACH else None
        if retires and kind(retires) != "file":
            retires = None
        yield fits
        if not fits:
            return
    yield retires is None


def _check_complete():
    missing = []
    count = 0
    for does, name, size, _, path in arrivals.entries():
        yield None
        if does == "=":
            continue
        if arrivals.received(name) != size:
            count += 1
            if count <= _LISTED:
                missing.append(path)
        elif path in STARTS:
            from ota import start

            start.check(path, NEW + "/" + name)
    if count:
        raise Refused(409, "missing", count, need=missing, count=count)


def _prepare():
    """Make all that needs room while it can still be refused: copies and directories."""
    need = 0
    for does, name, _, _, path in records.lines(PLAN):
        if does in "RD":
            need += space.cost(os.stat(path)[6])
        elif (does == "m" and not exists(NEW + "/" + name)) or does == "X":
            need += space.DIRECTORY
    space.check(need + space.UNIT)
    for does, name, _, _, path in records.lines(PLAN):
        if does in "RD":
            # At one go: littlefs would give the blocks of a file that the application replaces
            # meanwhile to others, also while they are copied.
            for _ in records.copy_steps(path, OLD + "/" + name):
                pass
        elif does == "m" and not exists(NEW + "/" + name):
            os.mkdir(NEW + "/" + name)
        elif does == "X":
            _copy_folders(path, OLD + "/" + name)
        yield None


def _copy_folders(src, dst):
    for folder in records.folders(src):
        copy = dst + folder[len(src) :]
        if not exists(copy):
            os.mkdir(copy)
