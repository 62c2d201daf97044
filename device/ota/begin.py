"""The beginning of an update: from the manifest to the plan that is being staged."""

import os

import ota_boot
from ota import space, states
from ota.draft import Draft
from ota.errors import Refused
from ota.flash import walk
from ota.manifest import check_version
from ota.transaction import abort, load
from ota_boot import DRAFT, NEW, OLD, PLAN, STATE, is_dir

_TRIAL_S = 180  # the time for a trial, unless the caller knows better


class Update(Draft):
    """A Draft that can become the update that is staged."""

    def seal(self):
        """End the manifest: check it as a whole, let go of the old kept set, start staging.

        Returns the id of the session. Raises Refused, and forgets the draft, when a rule is
        broken, there is no room, or another update is being staged.
        """
        try:
            return _resume(self.session()) if self.compare else _seal(self)
        except Exception:
            self.drop()
            raise

    def drop(self):
        """Forget the draft, quiet if it was sealed; what was staged before stays."""
        record = ota_boot.load()
        if not self.compare and record["state"] == states.IDLE:
            Draft.drop(self)
            if record["dirty"]:
                ota_boot.collect(record)


def begin(version=None, trial=True, origin="push", floor=None, force=False):
    """Return an Update, a draft for the update to *version*.

    *trial* is the number of seconds that the update has to prove itself, True for a usual time,
    False for none. *floor* is the lowest version accepted once this one is confirmed.
    While the same update is being staged the draft only compares, and sealing it resumes.
    *force* drops another one that is being staged. Raises Refused(409) if one is in the way.
    """
    if version is not None:
        check_version(version)
    record = load()
    if record["state"] == states.STAGING and not force:
        return Update(version, trial, origin, floor, compare=True)
    if record["state"] == states.STAGING:
        abort()
        record = load()
    states.after(record["state"], "begin")
    _make_home()
    # From here on a cut leaves something to tidy up, which the next start must know.
    record["dirty"] = 1
    ota_boot.save(record)
    if is_dir(DRAFT):
        _clear(DRAFT)
    return Update(version, trial, origin, floor)


def _make_home():
    if not is_dir(ota_boot.HOME):
        ota_boot.remove(ota_boot.HOME)
        os.mkdir(ota_boot.HOME)
    for path in (STATE, PLAN, ota_boot.HISTORY):
        if is_dir(path):
            _clear(path)
    for path in (NEW, OLD):
        if not is_dir(path):
            ota_boot.remove(path)


def _clear(path):
    ota_boot.empty(path)
    os.rmdir(path)


def _seal(draft):
    check_version(draft.version)
    if not draft.count:
        raise Refused(400, "empty", "The manifest lists no file and no deletion.")
    session = draft.session()
    digest = draft.close()
    record = ota_boot.load()
    if record["kept"] is not None:
        # Not yet gone, but counted: without it there must be enough.
        space.check(draft.need - _kept_blocks())
        record["kept"] = record["plan"] = None
        ota_boot.save(record)
    ota_boot.empty(OLD)
    ota_boot.empty(NEW)
    space.check(draft.need)
    for path in (NEW, OLD):
        if not is_dir(path):
            os.mkdir(path)
    record.update(
        {
            "state": states.after(record["state"], "begin"),
            "next": draft.version,
            "id": session,
            "plan": digest,
            "trial": _TRIAL_S if draft.trial is True else int(draft.trial),
            "tries": 0,
            "next_floor": draft.floor,
            "dirty": 0,
        }
    )
    ota_boot.save(record)
    ota_boot.plan_of(record)  # gives the plan its name
    return session


def _resume(session):
    record = ota_boot.load()
    if record["id"] != session:
        raise Refused(
            409,
            "busy",
            "Another update, to %s, is being staged: abort it, or send its manifest to go on."
            % record["next"],
            id=record["id"],
        )
    return session


def _kept_blocks():
    total = 0
    for _, size in walk(OLD):
        total += space.freed(size)
    return total
