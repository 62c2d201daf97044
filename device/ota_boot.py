"""The guard: before the application runs, finish or undo an update that power cut short.

`/boot.py` calls `run()` first of all. This file imports nothing of ours, so that a half-installed
library cannot break it, and it owns what recovery needs; `ota/` imports from here.

`/.ota/state` is the one record that says which set of files is live, at most 512 bytes so that
littlefs keeps it inside the directory and rewrites it atomically with one page:

    1 <crc32 of the rest, 8 hex> <JSON array of the values of _FIELDS, in that order>

An empty or missing record is that of a new board. Any other that does not pass its check is
ignored, never read as something else: the board boots what is live, and `ignored` says so.
`/.ota/plan` (see ota/plan.py) lists what an update does; the record holds its digest.
`/.ota/new/<name>` are staged files, `/.ota/old/<name>` kept ones, `/.ota/history` old outcomes.

From the commit on only renames and removals are needed, so a full flash cannot stop it halfway.
Nothing is moved out of `/`: littlefs could hide the next name there, and that may be boot.py.
"""

import sys

# Where the firmware's own modules are found, and nothing else. CPython has files for them.
_FIRMWARE_PATH = (".frozen",) if sys.implementation.name == "micropython" else sys.path[:]


def _of_firmware(name):
    """Return the firmware's module *name*, whatever file is called like it. Raises ImportError.

    Such a file would come before it, and may be the very update that has to be undone.
    """
    path = sys.path[:]
    sys.path[:] = _FIRMWARE_PATH
    try:
        return __import__(name)
    finally:
        sys.path[:] = path


hashlib = _of_firmware("hashlib")
json = _of_firmware("json")
os = _of_firmware("os")
time = _of_firmware("time")
crc32 = _of_firmware("binascii").crc32
hexlify = _of_firmware("binascii").hexlify

try:
    from micropython import const, kbd_intr
except ImportError:  # CPython

    def const(value):  # noqa: D103
        return value

    def kbd_intr(char):  # noqa: D103
        pass


HOME = "/.ota"
STATE = "/.ota/state"
PLAN = "/.ota/plan"
DRAFT = "/.ota/draft"
NEW = "/.ota/new"
OLD = "/.ota/old"
HISTORY = "/.ota/history"

#: Starts without a confirmation after which a trial is undone.
TRIES = 3

_MAX_RECORD = const(512)  # the largest file that littlefs keeps inline on this board
_ENOENT = const(2)
_EIO = const(5)
_ENOSPC = const(28)
_CHUNK = const(1024)
_GUARD = ("/boot.py", "/ota_boot.py", "/ota_boot.mpy")

#: Words of the state table that the record may hold; the table is in ota/states.py.
STATES = ("idle", "staging", "committed", "trial", "reverting")

#: What run() found damaged and did not use, for status; None when all was well.
ignored = None

# name, kind ("t" text or None, "n" number, "l" list or None)
_FIELDS = (
    ("state", "t"),  # a word of the state table, ota/states.py
    ("version", "t"),  # of the live set
    ("kept", "t"),  # version of the kept set, "" when unknown; None: nothing is kept
    ("next", "t"),  # version being staged or committed
    ("id", "t"),  # of the update session
    ("plan", "t"),  # digest() of the plan, while there is one
    ("trial", "n"),  # seconds that the update has to prove itself, 0: no trial
    ("tries", "n"),  # starts used up in this state
    ("reason", "t"),  # why it is being undone
    ("last", "l"),  # [number, version, outcome, reason] of the last update
    ("floor", "t"),  # lowest version still accepted
    ("next_floor", "t"),  # the floor after this update is confirmed
    ("dirty", "n"),  # 1: collect() has not finished
)


class Damaged(Exception):
    """A file of ours was changed by other hands and is not used."""


# --- files ------------------------------------------------------------------------------------


def heal():
    """Make littlefs repair its books: a change that changes nothing, and writes nothing if well.

    After a cut in a rename across directories, a name is hidden until the first changing call.
    """
    try:
        os.remove("/.ota/?")
    except OSError:
        pass


def exists(path):
    """Return True if there is a file or directory at *path*."""
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def is_dir(path):
    """Return True if there is a directory at *path*."""
    try:
        return os.stat(path)[0] & 0x4000 != 0
    except OSError:
        return False


def make_parents(path):
    """Make every missing directory above *path*. Raises OSError, for example when full."""
    at = path.find("/", 1)
    while at > 0:
        if not exists(path[:at]):
            os.mkdir(path[:at])
        at = path.find("/", at + 1)


def copy_steps(src, dst):
    """Copy the file *src* to *dst*, yielding after each chunk. Raises OSError."""
    buf = memoryview(bytearray(1024))
    source = open(src, "rb")
    try:
        target = open(dst, "wb")
        try:
            while True:
                count = source.readinto(buf)
                if not count:
                    break
                target.write(buf[:count])
                yield None
        finally:
            target.close()
    finally:
        source.close()


def copy(src, dst):
    """Copy the file *src* to *dst*. Raises OSError."""
    for _ in copy_steps(src, dst):
        pass


def remove(path):
    """Remove the file *path*; quiet if there is none."""
    try:
        os.remove(path)
    except OSError as error:
        if error.errno != _ENOENT:
            raise


def folders(top):
    """Return *top* and every directory below it, parents first."""
    found = [top]
    for folder in found:  # grows as we go: no recursion on this C stack
        for entry in os.ilistdir(folder):
            if entry[1] == 0x4000:
                found.append(folder + "/" + entry[0])
    return found


def prune(path):
    """Remove the directory *path* and those below it, unless there is a file in them."""
    if is_dir(path):
        for folder in reversed(folders(path)):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # the application keeps something there


def empty(top):
    """Remove all that is in the directory *top*, but not *top* itself. Raises OSError."""
    if not is_dir(top):
        return
    for folder in folders(top):
        while True:
            names = []
            for entry in os.ilistdir(folder):
                # Not all at once, there may be a thousand; and to the end, which closes it.
                if entry[1] != 0x4000 and len(names) < 32:
                    names.append(entry[0])
            if not names:
                break
            for name in names:
                remove(folder + "/" + name)
    for folder in reversed(folders(top)):
        if folder != top:
            os.rmdir(folder)


_moves = 0


def _move(src, dst):
    """Rename *src* to *dst*, which it replaces. Raises OSError.

    littlefs tells its allocator "what is free is free again" when a file is written, not when
    one is renamed: after some hundred renames of small files it finds the flash full that is not.
    So a file is written now and then: the record, as it is.
    """
    global _moves
    _moves += 1
    if _moves % 16 == 0:
        with open(STATE, "rb") as file:
            raw = file.read()
        with open(STATE, "wb") as file:
            file.write(raw)
    try:
        os.rename(src, dst)
    except OSError as error:
        if error.errno != _ENOENT or not exists(src):
            raise
        make_parents(dst)  # somebody removed the directory since
        os.rename(src, dst)


# --- the record -------------------------------------------------------------------------------


def load():
    """Return the record as a dict; that of a new board when there is none or it is damaged.

    What was damaged is said in `ignored`.
    """
    global ignored
    ignored = None
    try:
        with open(STATE, "rb") as file:
            raw = file.read(_MAX_RECORD + 1)
    except OSError as error:
        raw = b""
        if error.errno != _ENOENT:
            ignored = "The state record cannot be read (%r)." % error
    values = None
    if raw:
        values = _decode(raw)
        if values is None:
            ignored = "The state record is damaged."
    record = {"state": "idle"}
    for index, (name, kind) in enumerate(_FIELDS):
        if values:
            record[name] = values[index]
        elif name != "state":
            record[name] = 0 if kind == "n" else None
    return record


def _decode(raw):
    """Return the values in *raw*, or None unless they are exactly what save() wrote."""
    if len(raw) > _MAX_RECORD or raw[:2] != b"1 " or raw[2:11] != b"%08x " % crc32(raw[11:]):
        return None
    try:
        values = json.loads(raw[11:])
    except ValueError:
        return None
    if not isinstance(values, list) or len(values) != len(_FIELDS):
        return None
    for value, (_, kind) in zip(values, _FIELDS):
        if kind == "n":
            good = isinstance(value, int)
        elif kind == "l":
            good = value is None or (isinstance(value, list) and len(value) == 4)
        else:
            good = value is None or isinstance(value, str)
        if not good:
            return None
    return values if values[0] in STATES else None


def save(record):
    """Write *record* durably, in one step: a cut leaves the one before. Raises OSError."""
    while True:
        raw = json.dumps([record[name] for name, _ in _FIELDS]).encode()
        if len(raw) <= _MAX_RECORD - 11:
            break
        _shorten(record)
    file = open(STATE, "wb")
    try:
        file.write(b"1 %08x " % crc32(raw))
        file.write(raw)
    finally:
        file.close()


def _shorten(record):
    # Only reasons can be long: versions are checked before they come here.
    last = record["last"]
    if last and last[3]:
        last[3] = last[3][: len(last[3]) // 2]
    elif record["reason"]:
        record["reason"] = record["reason"][: len(record["reason"]) // 2]
    else:
        raise ValueError("record too long")


def settle(record, version, outcome, reason):
    """Enter an outcome as the last one into *record*, and move the one before to the history."""
    last = record["last"]
    if last:
        log = history()
        if not log or log[0][0] != last[0]:
            log.insert(0, last)
            raw = json.dumps(log[:7])
            while len(raw) > _MAX_RECORD:
                log.pop()
                raw = json.dumps(log[:7])
            with open(HISTORY, "w") as file:
                file.write(raw)
    record["last"] = [last[0] + 1 if last else 1, version, outcome, _plain(reason)]


def history():
    """Return the outcomes before the last one, newest first, as lists like record["last"]."""
    try:
        with open(HISTORY) as file:
            log = json.loads(file.read(_MAX_RECORD))
        return [e for e in log if isinstance(e, list) and len(e) == 4 and isinstance(e[0], int)]
    except (OSError, ValueError, TypeError):
        return []


def _plain(text):
    # Reasons may quote an exception: what JSON would blow up, or a terminal obey, is replaced.
    if text is None:
        return None
    return "".join([c if " " <= c <= "~" and c not in '"\\' else "?" for c in text[:100]])


# --- the plan ---------------------------------------------------------------------------------


def digest(path):
    """Return the digest of the plan at *path*, or None if it cannot be read."""
    sha = hashlib.sha256()
    buf = memoryview(bytearray(_CHUNK))
    try:
        with open(path, "rb") as file:
            while True:
                count = file.readinto(buf)
                if not count:
                    break
                sha.update(buf[:count])
    except OSError:
        return None
    return hexlify(sha.digest()[:8]).decode()


def plan_of(record):
    """Return the path of the plan that *record* speaks of.

    A cut can leave it under the name of a draft: it then gets its own. Raises Damaged.
    """
    wanted = record["plan"]
    if wanted and digest(PLAN) == wanted:
        return PLAN
    if wanted and digest(DRAFT) == wanted:
        os.rename(DRAFT, PLAN)
        return PLAN
    raise Damaged("The plan of the update is damaged.")


def lines(path, at=0):
    """Yield (kind, name, size, sha256, path) of the lines of the plan *path*, from byte *at* on.

    The file is not left open in between: who stops halfway would leave that to the collector.
    """
    rest = b""
    while True:
        with open(path, "rb") as file:
            file.seek(at)
            chunk = file.read(_CHUNK)
        if not chunk:
            return
        at += len(chunk)
        rest += chunk
        end = rest.find(b"\n")
        while end >= 0:
            yield rest[:end].decode().split(" ", 4)
            rest = rest[end + 1 :]
            end = rest.find(b"\n")


# --- replace and restore ----------------------------------------------------------------------


def finish(record):
    """Put every file of a committed update in its place; repeating it does no harm.

    Raises Damaged before anything is touched, OSError when a step fails.
    """
    plan = plan_of(record)
    # Everything new comes before anything goes: there is a guard to import at any moment.
    for kind, name, _, _, path in lines(plan):
        if kind in "aArRm":
            _bring(kind, path, NEW + "/" + name, OLD + "/" + name)
    for kind, name, _, _, path in lines(plan):
        if kind == "D":
            remove(path)
        elif kind == "X":
            prune(path)
        elif kind in "dx" and exists(path) and not (kind == "x" and _holds_file(path)):
            _move(path, OLD + "/" + name)
    empty(NEW)


def _holds_file(top):
    """Return True if the application put a file below the directory *top* meanwhile."""
    found = False
    if is_dir(top):
        for folder in folders(top):
            for entry in os.ilistdir(folder):
                found = found or entry[1] != 0x4000
    return found


def _bring(kind, path, new, old):
    if not exists(new):
        return  # done before the cut
    if kind == "m" and exists(path):
        os.rmdir(new)  # the application was quicker
        return
    if kind == "r" and not exists(old):
        _move(path, old)
    _move(new, path)


def restore(record):
    """Undo finish() exactly, wherever it stopped; repeating it does no harm.

    Returns None, or what could not be restored. Raises Damaged before anything is touched, and
    OSError when the flash itself fails.
    """
    plan = plan_of(record)
    failed = None
    for kinds in ("xX", "rRdD", "aA", "m"):  # what comes back is back before anything goes
        for kind, name, _, _, path in lines(plan):
            if kind in kinds:
                try:
                    _put_back(kind, path, NEW + "/" + name, OLD + "/" + name)
                except OSError as error:
                    if error.errno in (_EIO, _ENOSPC):
                        raise
                    # One path in the way must not keep all the others from coming back.
                    failed = "%s: %r" % (path, error)
    return failed


def _put_back(kind, path, new, old):
    if kind in "aA":
        if not exists(new):  # else it never went live, and what is there is not ours
            remove(path)
    elif kind == "m":
        if not exists(new):
            prune(path)
    elif exists(old):
        if kind in "xX" and exists(path):
            prune(old)  # only some of it had gone; parents are made where they are missed
        else:
            _move(old, path)


def collect(record):
    """Remove all of ours that *record* does not need, then mark it clean. Raises OSError."""
    if record["state"] != "staging":
        empty(NEW)
    if record["plan"]:
        plan_of(record)
    else:
        remove(PLAN)
    if record["kept"] is None:
        empty(OLD)
    remove(DRAFT)
    if record["dirty"]:
        record["dirty"] = 0
        save(record)


# --- why the board restarted ------------------------------------------------------------------

#: The watchdog's registers by byte offset, or None where there are none. Replaceable in tests.
registers = None

_CTRL = const(0x00)  # bit 30 enables, bits 0 to 23 count down from what feed() loads
_REASON = const(0x08)  # 1 the watchdog bit, 2 a wanted reset, 0 power-on; survives a soft reset
_SCRATCH0 = const(0x0C)  # survives every reset, not a power cut
_CLEAR = const(0x3000)  # writing a bit of CTRL here clears it (RP2040 data sheet 2.1.2)
_ENABLE = const(0x40000000)
_MAGIC = const(0x07A50000)  # bits 8 to 15 are free for a count, 0 to 7 hold the mark

# running: the application is on trial. The others are why the guard or the service restarted it.
_MARKS = ("", "running", "bitten", "restart", "exception", "deadline", "rescue")


class _Registers:
    def __init__(self, memory, base):
        self.memory = memory
        # Numbers of more than 30 bits need heap: made now, since mark() has to work without any.
        self.at = {at: base + at for at in (_CTRL, _REASON, _SCRATCH0, _CLEAR)}

    def __getitem__(self, offset):
        return self.memory[self.at[offset]]

    def __setitem__(self, offset, value):
        self.memory[self.at[offset]] = value


def _registers():
    """Return what `registers` is, after finding it on a board; None elsewhere."""
    global registers
    if registers is None and sys.platform == "rp2":
        machine = _of_firmware("machine")
        # RP2350 data sheet 12.9.7 and RP2040 data sheet 4.7.6: same offsets, another base.
        registers = _Registers(machine.mem32, 0x400D8000 if _is_rp2350() else 0x40058000)
    return registers


def _is_rp2350():
    return "RP2350" in sys.implementation._machine


def mark(why, deaths=None):
    """Leave a word of _MARKS for the next start; a power cut wipes it. Nothing elsewhere.

    *deaths* is how often the application has died in a row; None leaves the count as it is.
    """
    if _registers() is not None:
        if deaths is None:
            deaths = count_deaths()
        registers[_SCRATCH0] = _MAGIC | min(deaths, 255) << 8 | _MARKS.index(why)


def _lend_marks():
    """Let `ota` leave a mark without this module, which needs kilobytes of heap (ota/mark.py)."""
    if _registers() is not None:
        import ota

        memory, at = registers, _SCRATCH0
        if isinstance(registers, _Registers):  # which would keep this module in memory
            memory, at = registers.memory, registers.at[_SCRATCH0]
        words = ("restart", "exception", "rescue")
        ota.marks = (memory, at, {why: _MAGIC | _MARKS.index(why) for why in words})


def count_deaths():
    """Return how often the application has died in a row since power came."""
    if _registers() is None:
        return 0
    word = registers[_SCRATCH0]
    # Shifted, since a mask of more than 30 bits would need heap, which mark() may not have.
    return word >> 8 & 0xFF if word >> 16 == _MAGIC >> 16 else 0


def forget_deaths():
    """Note a good start: the application is alive."""
    if count_deaths():
        mark(read_mark()[0], 0)


def read_mark():
    """Return (mark, cause): the word of mark() or "", and "power", "watchdog" or "reset"."""
    if _registers() is None:
        return "", "power"
    word = registers[_SCRATCH0]
    why = word & 0xFF if word >> 16 == _MAGIC >> 16 else 0
    reason = registers[_REASON]
    cause = "watchdog" if reason & 1 else "reset" if reason & 2 else "power"
    return _MARKS[why] if why < len(_MARKS) else "", cause


_RAISED = "the application ended in an exception"


def _ended_badly(why, cause):
    """Return what was wrong with the last start of a trial, or None: it may have been power."""
    if why == "exception":
        return _RAISED
    if why == "deadline":
        return "not confirmed in time"
    if why == "bitten" or (why == "running" and cause == "watchdog"):
        return "the application hung: the watchdog restarted the board"
    return None


# --- boot -------------------------------------------------------------------------------------

#: What run() did: 0 nothing, 1 live files changed, 2 the guard or boot.py among them.
changed = 0
#: Seconds that the application on trial has, 0 outside a trial.
trial_s = 0
_MIN_TRIAL_S = const(2)
_ran = False


def run(may_rescue=True):
    """Finish or undo an interrupted update and use up an attempt of a trial; once per start.

    Returns a value of `changed`, 0 when it ran before. Raises nothing and never exits, whatever
    is on the flash: then the board boots what is live.
    """
    global _ran
    if _ran:
        return 0
    _ran = True
    _careful(_begin, may_rescue)
    _careful(_watch)
    return changed


def _careful(step, *args):
    global ignored
    try:
        return step(*args)
    except Exception as error:
        ignored = "The guard stopped: %r" % error


def _begin(may_rescue):
    why, cause = read_mark()
    if why:
        # The watchdog of a trial runs on over a soft reset; nobody would feed it after the trial.
        registers[_CLEAR] = _ENABLE
    if may_rescue and cause == "watchdog" and why != "bitten":
        # The reason register keeps its value over soft resets, and over further bites. A wanted
        # reset changes it, so that none is overlooked or counted twice.
        restart("bitten")
    rescue = _rescue_reason(why) if may_rescue else None
    _put_right(rescue)
    if rescue:
        mark("", 0)
        if _careful(_rescue, rescue):
            restart("restart")  # what it has loaded and begun is not for the application
        _put_right(None)  # no network is known: the application runs after all


def _put_right(rescue):
    global changed
    # After a soft reset USB is up, and the flash driver lets Ctrl-C out between two pages: that
    # would leave littlefs in the middle of what it does (ports/rp2/rp2_flash.c, writeblocks).
    kbd_intr(-1)
    try:
        changed = max(changed, repair(attempt=not rescue))
    finally:
        kbd_intr(3)
    if changed == 2:
        # The rest of the boot.py that runs now, and this very file, are of the other set.
        restart("rescue" if rescue else "restart")


def repair(attempt=True):
    """Do what the record asks for before the application runs; return a value of `changed`.

    With *attempt* False the application is not going to run, so a trial loses no attempt.
    """
    global ignored
    heal()
    record = load()
    if record["state"] == "idle" and record["dirty"] != 1:
        return 0
    done = 0
    try:
        if record["state"] == "staging":
            _tidy_staging(record)
        if record["state"] == "committed":
            done = _finish_commit(record)
        if record["state"] == "trial" and done < 2:
            _judge(record, attempt)
        if record["state"] == "reverting":
            done = max(done, _finish_revert(record))
        if record["dirty"]:
            collect(record)
    except Damaged as error:
        ignored = "%s It was %s." % (error, record["state"])
    return done


def _tidy_staging(record):
    # What is staged can be resumed. An interrupted commit may have left copies behind.
    plan_of(record)
    remove(DRAFT)
    empty(OLD)


def _finish_commit(record):
    plan_of(record)
    if record["tries"] >= TRIES:
        turn_back(record, "could not be put in place")
        return 0
    record["tries"] += 1
    save(record)
    try:
        finish(record)
    except OSError as error:
        _start_over(error)
    record["version"], record["next"] = record["next"], None
    record["tries"] = 0
    if record["trial"]:
        record["state"] = "trial"
    else:
        record["state"] = "idle"
        record["floor"] = record["next_floor"] or record["floor"]
        record["id"] = record["next_floor"] = None
        settle(record, record["version"], "installed", None)
    save(record)
    return 2 if guard_in(record) else 1


def _judge(record, attempt):
    """Undo a trial whose last start ended badly; else write down, with *attempt*, one more start.

    That is written before the application gets to run.
    """
    global trial_s
    why, cause = read_mark()
    bad = None
    if record["tries"]:
        plan_of(record)  # without it there is nothing to be undone: Damaged
        bad = _ended_badly(why, cause)
        if bad is None and attempt and record["tries"] >= TRIES:
            bad = "not confirmed in %d starts" % TRIES
    if bad:
        turn_back(record, bad)
        return
    if not attempt:
        return
    trial_s = max(record["trial"], _MIN_TRIAL_S)
    record["tries"] += 1
    save(record)
    mark("running")


def turn_back(record, reason):
    """Decide, durably, that the set on trial or in place is undone; restoring comes after."""
    record["state"] = "reverting"
    record["reason"] = _plain(reason)
    record["tries"] = TRIES  # from here to twice that, for restoring
    save(record)


def _start_over(error):
    """Restart after *error* in a rename; the same is tried again, three times in all.

    littlefs goes wrong after such an error, and may lose the file, unless it is mounted anew
    before anything else is written (littlefs-project/littlefs#993).
    """
    restart("restart")
    raise error  # not a board


def _finish_revert(record):
    plan_of(record)
    if record["tries"] < 2 * TRIES:
        record["tries"] += 1
        save(record)
    try:
        failed = restore(record)
    except OSError as error:
        if record["tries"] < 2 * TRIES:
            _start_over(error)
        raise
    guard = guard_in(record)
    reason = record["reason"]
    if failed:
        reason = "%s; not restored: %s" % (reason, failed)
    settle(record, record["next"] or record["version"], "reverted", reason)
    if record["next"] is None:  # it had gone live
        record["version"] = record["kept"] or None
    for name in ("kept", "next", "id", "plan", "reason", "next_floor"):
        record[name] = None
    record["state"] = "idle"
    record["tries"] = 0
    record["dirty"] = 1
    save(record)
    return 2 if guard else 1


def guard_in(record):
    """Return True if the plan of *record* changes boot.py or the guard itself."""
    for kind, _, _, _, path in lines(PLAN):
        if path in _GUARD and kind not in "=-":
            return True
    return False


def restart(why):
    """Restart the board, with a word of _MARKS for the next start; return where there is none."""
    try:
        machine = _of_firmware("machine")
    except ImportError:
        return  # not a board
    mark(why)
    machine.reset()


# --- while the application runs ---------------------------------------------------------------

#: Deaths in a row after which the application is not tried again at once.
_DEATHS = const(3)
# Below the longest time of the hardware (8388 ms), and not a value that an application is likely
# to choose: that tells our watchdog from its own.
_WATCHDOG_MS = const(8321)
_MAX_TRIAL_S = const(86400)  # time.ticks_ms() counts six days

#: The Supervisor of a trial, None outside one.
supervisor = None
_console = None


def _rescue_reason(why):
    """Return why the application is not to run this time, or None. Counts deaths."""
    deaths = count_deaths()
    if why in ("exception", "bitten"):
        deaths += 1
        mark(why, deaths)
    if why == "rescue":
        return "asked for"
    if deaths >= _DEATHS:
        return "the application died %d times" % deaths
    try:
        return "BOOTSEL was held" if _of_firmware("rp2").bootsel_button() else None
    except (ImportError, AttributeError):
        return None


# What the updater, Microdot and asyncio use of the firmware.
_FIRMWARE = (
    "asyncio binascii errno gc hashlib io json machine network os random re rp2 select socket"
    " struct time vfs"
)


def _rescue(why):
    # No application runs here that could miss a file of its own that is called like these.
    path = sys.path[:]
    pinned = [name for name in _FIRMWARE.split(" ") if name not in sys.modules]
    try:
        for name in pinned:
            _pin(name)
        sys.path[:] = (".frozen", "/lib", "")  # the updater's Microdot before another one in `/`
        _lend_marks()
        # Ours, and perhaps broken: then the application runs after all.
        from ota import rescue

        return rescue.run(why)
    finally:
        sys.path[:] = path
        for name in pinned:
            if name != "asyncio":  # loaded twice, it would not find its own parts
                sys.modules.pop(name, None)


def _pin(name):
    try:
        sys.modules[name] = _of_firmware(name)
    except ImportError:
        pass  # another firmware than the board's own has fewer


def _watch():
    global supervisor, _console
    if trial_s:
        supervisor = Supervisor(trial_s)
    elif read_mark()[0]:
        mark("")
    _lend_marks()
    from ota import prompt

    _console = prompt.Watch(urgent=trial_s > 0)


def blame(said):
    """Undo the trial, if there is one, for the exception *said*; restoring is for the next start.

    Without this the mark says that there was one, but not which. Raises Damaged, OSError.
    """
    record = load()
    if record["state"] == "trial":
        plan_of(record)
        turn_back(record, "%s: %s" % (_RAISED, said) if said else _RAISED)


class Supervisor:
    """Feeds the hardware watchdog during a trial, and at the deadline restarts the board.

    A virtual timer still runs when main.py loops, sleeps or has died; when not even that runs,
    as with interrupts disabled, nobody feeds the watchdog. Its ticks need no heap.
    """

    def __init__(self, seconds):
        machine = _of_firmware("machine")
        # Not counted down: ticks get lost where the application fills the queue of callbacks.
        self._until = time.ticks_add(time.ticks_ms(), min(seconds, _MAX_TRIAL_S) * 1000)
        self._reset = machine.reset
        self._watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        self._timer = machine.Timer(-1)
        self._timer.init(mode=machine.Timer.PERIODIC, period=1000, callback=self._tick)

    @property
    def left_s(self):
        """Seconds left."""
        return max(0, time.ticks_diff(self._until, time.ticks_ms()) // 1000)

    def _tick(self, timer):
        if time.ticks_diff(self._until, time.ticks_ms()) > 0:
            self._watchdog.feed()
            return
        try:
            mark("deadline")
        finally:
            self._reset()

    def stop(self):
        """Let nothing restart the board any more, but for a watchdog of the application's own."""
        self._timer.deinit()
        # `machine` cannot stop the watchdog, its CTRL register can. What feed() loads is another
        # number when the application has armed it for itself. RP2040 counts two a microsecond.
        ticks = _WATCHDOG_MS * (1000 if _is_rp2350() else 2000)
        for _ in range(9):  # a callback of the application may come in between
            self._watchdog.feed()
            if ticks - 40000 < registers[_CTRL] & 0xFFFFFF <= ticks:
                registers[_CLEAR] = _ENABLE
                return


def stand_down():
    """End the supervision of a trial: it is confirmed."""
    global supervisor, trial_s
    trial_s = 0
    if supervisor is not None:
        supervisor.stop()
        supervisor = None
    if _console is not None:
        _console.urgent = False
    mark("")
