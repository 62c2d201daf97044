"""Cut the power at every flash operation of a scenario, boot, and look at what is there.

One clean run is recorded: every erase and program call, and which step of the scenario made it.
The image at each cut is the first one with the log replayed up to there, so the update need not
run again for each. A test compares these images with those of runs that are really cut.
"""

import gc

import ramflash
import world

from ota import record, transaction
from ota.errors import Refused


class Result:
    """What became of the cut points of one scenario."""

    def __init__(self):
        self.cuts = 0
        self.counts = {"old": 0, "new": 0, "mixed": 0, "dead": 0}
        self.second = 0  # of the cuts, how many were second ones
        self.restarts = 0  # by the guard, in the run without a cut
        self.problems = []

    def add(self, kind, where, detail):
        self.cuts += 1
        self.counts[kind] += 1
        if kind in ("mixed", "dead") and self.counts[kind] <= 5:
            self.problems.append("%s: %s: %s" % (kind, where, detail))


class Clean:
    """A recorded run of a scenario: start image, operations, and the step of each."""

    def __init__(self, scenario):
        self.scenario = scenario
        flash = scenario.prepare()
        self.start = bytearray(flash.data)
        self.blocks = flash.blocks
        world.mount(flash)
        flash.log = self.log = []
        self.steps = []  # (end, step): operations up to end belong to step
        for step in scenario.steps:
            scenario.perform(step, flash)
            self.steps.append((len(self.log), step))
        self.end = bytearray(flash.data)
        self.flash = flash
        world.unmount()

    def step_of(self, index):
        for end, step in self.steps:
            if index < end:
                return step
        return self.steps[-1][1]


def images(start, log, wanted):
    """Yield (index, tear, image) for every cut in *log* whose index is in *wanted*.

    "none" of an operation is the same image as "all" of the one before, and comes once.
    The image is to be used before the next one is asked for.
    """
    current = bytearray(start)
    scratch = bytearray(len(start))
    for index, operation in enumerate(log):
        if wanted(index):
            for tear in ramflash.TEARS:
                scratch[:] = current
                ramflash.apply(scratch, operation, tear)
                yield index, tear, scratch
        ramflash.apply(current, operation)
    if wanted(len(log)):
        scratch[:] = current
        yield len(log), "all", scratch


def judge(scenario, step, flash):
    """Boot *flash* and return (kind, detail): kind is old, new, mixed or dead."""
    try:
        ignored = world.power_on(flash)
    except world.Dead as error:
        return "dead", str(error)
    except Exception as error:
        return "dead", "the guard raised %r" % error
    if ignored:
        return "mixed", "ignored: " + ignored
    label, detail = which_set(scenario)
    if label is None:
        return "mixed", detail
    if label not in step.allowed:
        return "mixed", "it is %r in step %r" % (label, step.name)
    status = transaction.status()
    if status["version"] != scenario.versions[label]:
        return "mixed", "it says version %r with the files of %r" % (status["version"], label)
    left = world.leftovers()
    if left:
        return "mixed", "left over: %r" % left
    broken = broken_promise(scenario)
    if broken:
        return "mixed", broken
    if label in scenario.unproven and not world.ota_boot._by_hand:
        return "mixed", "changed by hand, but nobody supervises it"
    return ("old" if label == scenario.old else "new"), None


def which_set(scenario):
    """Return (label, None) of the set that is live, or (None, what is wrong)."""
    files, folders = world.tree()
    for path in scenario.ignore:
        files.pop(path, None)
    detail = None
    for label, wanted in scenario.sets.items():
        if files == wanted:
            if folders == scenario.folders[label]:
                return label, None
            return None, "folders are %r, not %r" % (folders, scenario.folders[label])
    best = None
    for label, wanted in scenario.sets.items():
        odd = [p for p in wanted if files.get(p) != wanted[p]]
        odd.extend([p for p in files if p not in wanted])
        if best is None or len(odd) < len(best):
            best, detail = odd, "%s but for %r" % (label, sorted(odd)[:6])
    return None, detail


def broken_promise(scenario):
    """Return what is wrong with the previous set that could be rolled back to, or None."""
    promised = world.promised()
    if promised is None:
        return None
    version, kept = promised
    problem = "the previous set is called %r" % version
    for label, files in scenario.sets.items():
        if (scenario.versions[label] or "") == version:
            odd = [path for path in kept if kept[path] != files.get(path)]
            if not odd:
                return None
            problem = "the previous set has %r" % odd
    return problem


def go_on(scenario, flash, odd):
    """Go on as a user would after the recovery: the next update works, and rolls back exactly.

    Returns what is wrong, or None.
    """
    state = transaction.status()["state"]
    if state == "staging":
        if odd:
            problem = _resume(scenario, flash)
            if problem:
                return problem
        else:
            transaction.abort()
    if transaction.status()["state"] == "trial":
        if odd:
            transaction.confirm()
        else:
            transaction.rollback()
            world.power_on(flash)
    for path in ("/filler", "/more"):  # the user makes room
        record.remove(path)
    before = world.tree()
    version = transaction.status()["version"]
    after = dict(before[0])
    after["/main.py"] = b"next"
    after["/lib/next.py"] = b"next" * 200
    for path in sorted(after):
        if path.startswith("/lib/") and path != "/lib/next.py":
            del after[path]
            break
    world.update("next", before[0], after)
    world.power_on(flash)
    if world.tree()[0] != after or transaction.status()["state"] != "trial":
        return "the next update did not go live"
    transaction.rollback()
    world.power_on(flash)
    if world.tree() != before or transaction.status()["version"] != version:
        return "the roll-back of the next update is not exact"
    if world.leftovers():
        return "left over after the next: %r" % world.leftovers()
    return None


def _resume(scenario, flash):
    """Send the description of the interrupted update again, and the rest of its files."""
    now = record.load()
    for label, version in scenario.versions.items():
        if version == now["next"]:
            files = scenario.sets[which_set(scenario)[0]]
            session = world.begin(version, files, scenario.sets[label], bool(now["trial"]))
            if session != now["id"]:
                return "the same description did not resume"
            world.stage(scenario.sets[label])
            world.commit()
            world.power_on(flash)
            if which_set(scenario)[0] != label:
                return "the resumed update is not exact: %s" % which_set(scenario)[1]
            return None
    return "nothing to resume"


def run(scenario, wanted, second=None, follow=1, result=None):
    """Cut *scenario* at the operations for which wanted(index) is true.

    *second* (index, second index) tells which cuts inside the recovery are made, None for none.
    Every *follow*-th recovery is followed by another update and its roll-back.
    """
    result = result or Result()
    world.restarts.clear()
    clean = Clean(scenario)
    result.restarts = len(world.restarts)
    counter = 0
    for index, tear, image in images(clean.start, clean.log, wanted):
        step = clean.step_of(index)
        if not step.ours:
            continue
        counter += 1
        flash = ramflash.RamFlash(clean.blocks, bytearray(image) if second else image)
        world.registers = None
        flash.log = log = []
        kind, detail = judge(scenario, step, flash)
        flash.log = None
        where = "%s, cut %d of %d (%s, %s)" % (
            scenario.name,
            index,
            len(clean.log),
            step.name,
            tear,
        )
        if kind in ("old", "new") and follow and counter % follow == 0:
            try:
                problem = go_on(scenario, flash, counter // follow % 2)
            except (OSError, Refused, world.Dead) as error:
                problem = "the next update failed: %r" % error
            if problem:
                kind, detail = "mixed", problem
        result.add(kind, where, detail)
        if second and log and kind in ("old", "new"):
            _second(
                scenario,
                step,
                image,
                log,
                lambda at, first=index: second(first, at),
                where,
                result,
            )
        if counter % 16 == 0:
            gc.collect()
    return result


def _second(scenario, step, image, log, wanted, where, result):
    """Cut the recovery itself, whose operations are *log*, and recover from that."""
    for index, tear, again in images(bytearray(image), log, wanted):
        if index == len(log):
            continue  # an undisturbed recovery, judged already
        flash = ramflash.RamFlash(len(again) // ramflash.BLOCK, again)
        kind, detail = judge(scenario, step, flash)
        result.second += 1
        result.add(kind, "%s, then cut %d of %d (%s)" % (where, index, len(log), tear), detail)


def replayed(scenario, every):
    """Return [index, tear, digest of the image] for every *every*-th operation."""
    world.mtime = False  # the clock would go on between two runs
    clean = Clean(scenario)
    found = []
    for index, tear, image in images(clean.start, clean.log, lambda at: at % every == 0):
        if index < len(clean.log):
            found.append([index, tear, world.sha256(image)])
    return found


def cut_for_real(scenario, index, tear):
    """Cut a run at the operation *index* and return the digest of what is left of the flash."""
    world.mtime = False
    flash = scenario.prepare()
    flash = ramflash.RamFlash(flash.blocks, bytearray(flash.data))
    flash.cut_at, flash.tear = index + 1, tear
    world.mount(flash)
    try:
        for step in scenario.steps:
            scenario.perform(step, flash)
    except ramflash.PowerCut:
        return world.sha256(flash.data)
    raise AssertionError("the power was not cut")
