"""Makes the plan of an update out of its description: what to do with each path on this board.

The kinds of lines stand in ota/record.py. Deleted is also the `foo.py` that a `foo.mpy` retires,
and the reverse; a file that comes once and is there already counts as live, however it is now.
The lines stand in the order of their paths, the folders that go behind them. The record holds the
digest of the whole file; a plan that does not match it is not used.

*name* is what the staged (`/.ota/new/<name>`) and the previous file (`/.ota/old/<name>`) are
called. **Names fall in the order in which files are moved away from there**, so that it is always
the last one in its folder that is moved: in the middle of a rename littlefs loses sight of the
next name in the folder that it moves from, and when its allocator looks for free blocks just then,
it takes those of that file. File *n* of the description is "9999" less *n*, with an "a" behind it
if it comes once: it is only ever added, in either form if it is a module. What stands between
two files is called like the latter, and "m" (a folder made for it), "d" (a deletion) or "p" (a
form that the former retires) and a number that falls. Folders that go, which come back first of
all, are "x" and such a number.
"""

import asyncio
import os

from ota import changes, transaction
from ota import record as records
from ota.description import Lists
from ota.errors import Refused
from ota.flash import (
    DIRECTORY,
    ENTRY,
    RESERVE,
    check_room,
    companion,
    cost,
    digest_steps,
    entries,
    freed,
    join,
    kind,
    walk,
)
from ota.record import BUILDING, HISTORY, HOME, LINE, NAMED_FROM, NEW, OLD, PLAN, STATE, lines

_GUARDS = ("/ota_boot.py", "/ota_boot.mpy")
_PACKAGE = ("/ota/__init__.py", "/ota/modules.pack", "/ota/errors.py", "/ota/errors.mpy")
_UPDATER = _GUARDS + _PACKAGE


async def prepare(service, session, facts):
    """Begin the update *session* that the text in DESCRIPTION asks for, or go on with it.

    *facts* is what conditions.read() has found. Another update gives way when nobody has gone on
    with it for a while. Raises Refused.
    """
    record = transaction.load()
    if record["state"] == "staging":
        if (record["id"], record["signer"]) == (session, facts["signer"]):
            return
        if record["id"] != session and not changes.lease_over(service):
            raise Refused(409, "busy/other", record["next"], id=record["id"])
        transaction.abort()
        service.log("The update that was staged before was dropped.")
        record = transaction.load()
    transaction.after(record, "begin")
    lists = Lists(*facts.pop("lists"))
    facts["id"] = session
    _make_home(record)
    try:
        _seal(record, await _build(lists.entries()), facts)
    except BaseException:
        _undo()
        raise
    service.log("Update to %s begins." % facts["next"])


async def build_again(record):
    """Replace the plan of *record* by one that fits the live files as they are now.

    Raises Refused; the old plan stays then.
    """
    try:
        await _build(_listed_in_plan())
        record["plan"] = records.digest(BUILDING)
    except BaseException:
        records.remove(BUILDING)
        raise
    records.save(record)
    records.plan_of(record)


def _listed_in_plan():
    """Yield the entries of the description as Lists.entries() does, from the plan."""
    for does, name, size, sha, check, path in lines(PLAN):
        if does in "aArR=":
            yield (
                NAMED_FROM - int(name[:4]),
                path,
                int(size),
                sha,
                check,
                transaction.is_once(name),
            )
        elif does in "dD-" and name[4] == "d":
            yield NAMED_FROM - int(name[5:]), path, None, None, None, None


def _make_home(record):
    """Clear away odd things in the way of the new plan, and note that there is something to tidy.

    From here on a power cut leaves something that the next start must know of.
    """
    found = {join(HOME, name): is_dir for name, is_dir, _ in entries(HOME)}
    for path in (STATE, PLAN, BUILDING, HISTORY):
        if found.get(path):
            records.clear(path)
    for path in (NEW, OLD):
        if not found.get(path):
            records.remove(path)
            os.mkdir(path)
    record["dirty"] = 1
    records.save(record)


def _undo():
    """Tidy up after an update that could not begin."""
    record = records.load()
    if record["state"] == "idle" and record["dirty"]:
        try:
            records.collect(record)
        except records.Damaged:
            pass  # the old plan; the next start says so, and its previous set is of no use


async def _build(entries):
    """Write the plan for *entries* to BUILDING; return what it takes, in sixteenths of a block."""
    with open(BUILDING, "wb") as out:
        builder = _Builder(out)
        for entry in entries:
            if entry:
                for _ in builder.add(*entry):
                    await asyncio.sleep_ms(0)
            await asyncio.sleep_ms(0)
        builder.check_updater()
    need = builder.need
    if builder.deletes:
        with open(BUILDING, "ab") as out:
            for line in _emptied():
                if line:
                    out.write(line)
                    need += DIRECTORY if line[:1] == b"X" else 0
                await asyncio.sleep_ms(0)
    return need


class _Builder:
    """Takes the entries of a description in the order of their paths, and writes the plan."""

    def __init__(self, out):
        self._out = out
        self._made = []  # folders that are made, as far as the present path is in them
        self._number = 0  # of the last file
        self._going = []  # modules that go, as far as the other form may still come
        self._changed = {}  # of _UPDATER: whether it is there after the update
        self._module = None  # the last that is brought into the updater's package
        self.deletes = False
        self.need = RESERVE  # sixteenths of a block, at the worst moment

    def add(self, number, path, size, sha, check, once):
        """Enter a file, or with *size* None a deletion, yielding while a live file is hashed.

        Raises Refused when it contradicts what is on the board.
        """
        if size is None:
            self._add_delete(number, path)
            return
        self._number = number
        while self._made and not path.startswith(self._made[-1] + "/"):
            self._made.pop()
        other = companion(path)
        if path in _UPDATER:
            self._changed[path] = True
        name = "%04d" % (NAMED_FROM - number)
        if once:
            name += "a"
            there = other and kind(other) == "file" and other not in self._going
            if not self._made and (there or kind(path) == "file"):
                self._write("=", name, size, sha, check, path)
                return
        does = None
        for does in self._does(path, size, sha):
            yield None
        if does != "=":
            self.need += cost(size)
        if does == "R":
            self.need += cost(os.stat(path)[6])
        if other and path.startswith("/ota/"):
            self._module = path
        self._write(does, name, size, sha, check, path)
        # In a folder that is only made now there is nothing yet.
        if other and not self._made and kind(other) == "file" and not self._goes(other):
            self._delete(self._name_behind("p", 0), other)

    def _does(self, path, size, sha):
        """Yield the kind of line that installing *path* is, at the end of its steps."""
        root = path.rfind("/") == 0
        found = None if self._made else kind(path)
        if found == "folder":
            raise Refused(409, "is_directory/install", path)
        if found is None:
            self._make_parents(path)
            yield "A" if root else "a"
            return
        if os.stat(path)[6] == size:
            step = None
            for step in digest_steps(path):
                yield None
            if step.encode() == sha:
                yield "="
                return
        yield "R" if root else "r"

    def _make_parents(self, path):
        at = path.find("/", len(self._made[-1]) + 1 if self._made else 1)
        while at > 0:
            folder = path[:at]
            found = None if self._made else kind(folder)
            if found == "file":
                raise Refused(409, "not_directory/parent", folder)
            if not found:
                name = "%04dm%02d" % (NAMED_FROM - self._number, 99 - len(self._made))
                self._write("m", name, "-", "-", "-", folder)
                self.need += DIRECTORY
                self._made.append(folder)
            at = path.find("/", at + 1)

    def _name_behind(self, mark, number):
        """Return the name of what stands behind the last file, and before the next one."""
        return "%04d%s%04d" % (NAMED_FROM - 1 - self._number, mark, NAMED_FROM - number)

    def _add_delete(self, number, path):
        if kind(path) == "folder":
            raise Refused(409, "is_directory/delete", path)
        if companion(path) and self._goes(path):
            return  # a new form of this module has retired it already
        self.deletes = self.deletes or kind(path) is not None
        self._delete(self._name_behind("d", number), path)

    def _goes(self, path):
        """Return whether the module *path* goes already; from now on it does."""
        going = self._going
        while going and not path.startswith(going[-1][: going[-1].rfind(".") + 1]):
            going.pop()
        if path in going:
            return True
        going.append(path)
        return False

    def _delete(self, name, path):
        if path in _UPDATER:
            self._changed[path] = False
        does = "-"
        if kind(path):
            does = "D" if path.rfind("/") == 0 else "d"
            if does == "D":
                self.need += cost(os.stat(path)[6])
            self.need += ENTRY
        self._write(does, name, "-", "-", "-", path)

    def check_updater(self):
        """Raise Refused when the board would lose its guard, or the package of the updater.

        An application's own package `ota`, or a module in it, would be found instead, or never.
        """
        changed, path = self._changed, self._module
        if not changed and not path:
            return
        before = [kind(path) is not None for path in _UPDATER]
        there = [changed.get(path, was) for path, was in zip(_UPDATER, before)]
        if any(before[:2]) and not any(there[:2]):
            raise Refused(403, "protected/guard")
        source, pack, module, compiled = there[2:]
        if path and path[:14] != "/ota/__init__." and pack and not source:
            raise Refused(409, "hidden/package", path)
        if path and source and not module and not compiled:
            raise Refused(409, "hidden/package", _PACKAGE[0])

    def _write(self, *fields):
        self._out.write(LINE % fields)


# --- folders that are left empty ----------------------------------------------------------------


def _emptied():
    """Yield a line for each topmost folder that the plan leaves empty, and None in between."""
    chain = []  # [folder, where its first line begins, whether it was looked at]
    at = number = 0
    gone = None
    for fields in lines(BUILDING):
        does, path = fields[0], fields[5]
        if does in "xX":
            return  # what this has added
        start = at
        at += len(LINE % fields)
        while chain and not path.startswith(chain[-1][0] + "/"):
            chain.pop()
        end = path.find("/", len(chain[-1][0]) + 1 if chain else 1)
        while end > 0:
            chain.append([path[:end], start, False])
            end = path.find("/", end + 1)
        if does != "d" or (gone and path.startswith(gone)):
            continue
        for folder in chain:
            if folder[2]:
                continue
            folder[2] = True
            lost = None
            for lost in _loses_all(folder[0], folder[1]):
                yield None
            if lost:
                gone = folder[0] + "/"
                does = "X" if folder[0].rfind("/") == 0 else "x"
                yield ("%s x%04d - - - %s\n" % (does, NAMED_FROM - number, folder[0])).encode()
                number += 1
                break


def _loses_all(top, start):
    """Yield None after each step, at the end whether the plan takes every file below *top*.

    The lines of what is below *top* stand together, from byte *start* on.
    """
    left = 0
    for _ in walk(top):
        left += 1
        yield None
    for does, _, _, _, _, path in lines(BUILDING, start):
        if not path.startswith(top + "/"):
            break
        if does not in "d-":
            return
        left -= does == "d"
        yield None
    yield left == 0


# --- the end ------------------------------------------------------------------------------------


def _seal(record, need, facts):
    """Drop the previous set and begin to stage the update of which the record says *facts*."""
    state = transaction.after(record, "begin")
    plan = records.digest(BUILDING)
    if record["previous"] is not None:
        # Not yet gone, but counted: without it there must be enough.
        check_room(need - _previous_room())
        record["previous"] = record["plan"] = record["old"] = None
        records.save(record)
    records.empty(OLD)
    records.empty(NEW)
    if kind(PLAN) == "file" and records.digest(PLAN) == plan:
        records.remove(PLAN)  # else the new one, its equal, would be left over
    check_room(need)
    record.update(facts)
    record["state"], record["plan"] = state, plan
    record["tries"] = record["dirty"] = 0
    records.save(record)
    records.plan_of(record)  # gives the plan its name


def _previous_room():
    total = 0
    for _, size in walk(OLD):
        total += freed(size)
    return total
