"""The record and the plan of an update, and the few ways with files that keep them safe.

This is shared source: the guard (ota_boot.py) is made of it, and ota/ loads it as a module.

`/.ota/state` is the one record that says which set of files is live, at most 512 bytes so that
littlefs keeps it inside the directory and rewrites it atomically with one page:

    1 <crc32 of the rest, 8 hex> <JSON array of the values of _FIELDS, in that order>

A board without a record is new. One that does not pass its check, or is missing where others of
ours are, is never read as something else: the board boots what is live, and `ignored` says so.

`/.ota/plan` is what an update does, one line a file, so that memory does not grow with it. Each
line is `<kind> <name> <size> <sha256> <chksum> <path>`, with "-" for what there is not. A capital
*kind* means that the file lies directly in `/`, where what is replaced is kept as a copy, since
nothing may ever be moved out of `/`:

    a A   a file that is added              m     a folder that is made, before the files in it
    r R   a file that replaces one          x X   a folder that goes, with empty ones below it,
    d D   a file that is deleted                  since its last file is deleted
    =     a file that is live already       -     a file to be deleted that is not there

*name* is what the staged file is called in `/.ota/new/`, and the previous one in `/.ota/old/`.
"""

import hashlib
import json
import os
from binascii import crc32, hexlify
from micropython import const

HOME = "/.ota"
STATE = "/.ota/state"
PLAN = "/.ota/plan"
BUILDING = "/.ota/building"  # a plan that is being made
NEW = "/.ota/new"
OLD = "/.ota/old"
HISTORY = "/.ota/history"  # outcomes before the last one
SETTINGS = "/.ota/settings"  # of ota/settings.py
KEYRING = "/ota/keys.json"  # keys that a release has put in place of the application's
DESCRIPTION = "/.ota/description"  # as it came, until there is a plan of it

#: A plan calls file number *n* of a description after this, less *n*; see ota/planning.py.
NAMED_FROM = 9999
LINE = b"%s %s %s %s %s %s\n"  # of a plan, see lines()
#: What the board starts with. Nothing may delete these or come before them.
STARTS = ("/boot.py", "/ota_boot.py", "/ota_boot.mpy")
#: Starts without a confirmation after which a trial is undone.
TRIES = 3
#: Seconds that an update has to prove itself, unless the application says otherwise.
TRIAL_S = 180

#: (state, event) -> the state that follows. What is not listed is refused; the same table stands
#: in docs/design.md. The guard takes the rows marked so.
NEXT = {
    ("idle", "begin"): "staging",
    ("idle", "rollback"): "reverting",  # while there is a previous set
    ("staging", "commit"): "committed",
    ("staging", "abort"): "idle",
    ("committed", "replaced"): "trial",  # guard
    ("committed", "installed"): "idle",  # guard, when no trial was asked for
    ("committed", "failed"): "reverting",  # guard, when a file could not be put in its place
    ("trial", "attempt"): "trial",  # guard, one more start is used up
    ("trial", "confirm"): "idle",
    ("trial", "rollback"): "reverting",
    ("trial", "expire"): "reverting",  # guard: deadline, bad end, or no attempt left
    ("reverting", "restored"): "idle",  # guard
}
STATES = ("idle", "staging", "committed", "trial", "reverting")

#: What load() found damaged and did not use; None when all was well.
ignored = None

_MAX_RECORD = const(512)  # the largest file that littlefs keeps inline on this board
_ENOENT = const(2)
_ENOTDIR = const(20)
_EISDIR = const(21)
_CHUNK = const(1024)

# name and type; all but a number may be None
_FIELDS = (
    ("state", str),  # one of STATES
    ("version", str),  # of the live set, None when unknown
    ("previous", str),  # version of the previous set, "" when unknown; None: there is none
    ("next", str),  # version being staged or committed
    ("id", str),  # of the update: the SHA-256 of its description
    ("signer", str),  # id of the key that has signed it, None when none has
    ("plan", str),  # digest() of the plan, while there is one
    ("old", str),  # previous_digest() from before they were replaced
    ("trial", int),  # seconds that the update has to prove itself, 0: no trial
    ("tries", int),  # starts used up in this state
    ("reason", str),  # why it is being undone
    ("last", list),  # [number, version, outcome, reason] of the last update
    ("floor", str),  # lowest version still accepted
    ("next_floor", str),  # the floor after this update is confirmed
    ("dirty", int),  # 1: collect() has not finished
    ("changed", str),  # what mark() has noted; left out of the file when there is nothing
)


class Damaged(Exception):
    """A file of ours was changed by other hands and is not used."""


def after(state, event):
    """Return the state that *event* leads to from *state*, None where the table has no row."""
    return NEXT.get((state, event))


def _stat(path):
    try:
        return os.stat(path)
    except OSError as error:
        if error.errno not in (_ENOENT, _ENOTDIR):
            raise  # the flash cannot be read, which says nothing about what is there


def exists(path):
    """Return True if there is a file or folder at *path*. Raises OSError."""
    return _stat(path) is not None


def is_dir(path):
    """Return True if there is a folder at *path*. Raises OSError."""
    found = _stat(path)
    return found is not None and found[0] & 0x4000 != 0


def size_of(path):
    """Return the size of the file at *path*, -1 when there is no file. Raises OSError."""
    found = _stat(path)
    return -1 if found is None or found[0] & 0x4000 else found[6]


def make_parents(path):
    """Make every missing folder above *path*. Raises OSError, for example when full."""
    at = path.find("/", 1)
    while at > 0:
        if not exists(path[:at]):
            os.mkdir(path[:at])
        at = path.find("/", at + 1)


def copy_steps(src, dst):
    """Copy the file *src* to *dst*, yielding after each chunk. Raises OSError."""
    buf = memoryview(bytearray(_CHUNK))
    with open(src, "rb") as source, open(dst, "wb") as target:
        count = source.readinto(buf)
        while count:
            target.write(buf[:count])
            yield None
            count = source.readinto(buf)


def remove(path):
    """Remove the file *path*; quiet if there is none. Raises OSError."""
    try:
        os.remove(path)
    except OSError as error:
        if error.errno not in (_ENOENT, _ENOTDIR):
            raise


def folders(top):
    """Return *top* and every folder below it, parents first, as bytes: a name may be no text."""
    found = [top.encode()]
    for folder in found:  # grows as we go: no recursion on this C stack
        for entry in os.ilistdir(folder):
            if entry[1] == 0x4000:
                found.append(folder + b"/" + entry[0])
    return found


def empty(top):
    """Remove all that is in the folder *top*, but not *top*; a file there goes. Raises OSError."""
    if not is_dir(top):
        remove(top)
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
                remove(folder + b"/" + name)
    for folder in reversed(folders(top)[1:]):
        os.rmdir(folder)


def clear(path):
    """Remove what is at *path*, also a folder with all that is in it. Raises OSError."""
    empty(path)
    if is_dir(path):
        os.rmdir(path)


def load():
    """Return the record as a dict; that of a new board when there is none or it is damaged.

    What was damaged is said in `ignored`.
    """
    global ignored
    ignored = raw = values = None
    try:
        with open(STATE, "rb") as file:
            raw = file.read(_MAX_RECORD + 1)
    except OSError as error:
        if error.errno not in (_ENOENT, _ENOTDIR):
            ignored = "The state record cannot be read (%r)." % error
    if raw:
        values = _decode(raw)
        if values is None:
            ignored = "The state record is damaged."
    elif not ignored:
        # It has 0 bytes where the very first writing was cut; the service may have been there.
        for path in (PLAN, HISTORY) if raw is None else (PLAN, HISTORY, SETTINGS):
            if exists(path):
                ignored = "The state record is lost."
    record = {}
    for index, (name, kind) in enumerate(_FIELDS):
        known = values and index < len(values)
        record[name] = values[index] if known else 0 if kind is int else None
    if not values:
        record["state"] = "idle"
    return record


def _decode(raw):
    """Return the values in *raw*, or None unless they are exactly what save() wrote."""
    if len(raw) > _MAX_RECORD or raw[:2] != b"1 " or raw[2:11] != b"%08x " % crc32(raw[11:]):
        return None
    try:
        values = json.loads(raw[11:])
    except ValueError:
        return None
    if not isinstance(values, list) or len(_FIELDS) - len(values) not in (0, 1):
        return None
    if values[0] not in STATES:
        return None
    for value, (_, kind) in zip(values, _FIELDS):
        if not isinstance(value, kind) and (value is not None or kind is int):
            return None
        if kind is list and value is not None and len(value) != 4:
            return None
    return values


def save(record):
    """Write *record* durably, in one step: a cut leaves the one before. Raises OSError."""
    while True:
        values = [record[name] for name, _ in _FIELDS]
        if values[-1] is None:
            values.pop()  # a guard that does not know of it can read the rest
        raw = json.dumps(values).encode()
        if len(raw) <= _MAX_RECORD - 11:
            break
        _shorten(record)
    with _opened(STATE) as file:
        file.write(b"1 %08x " % crc32(raw))
        file.write(raw)


def _opened(path):
    """Return the file *path* of ours, open for writing, whatever other hands have put there."""
    try:
        return open(path, "wb")
    except OSError:
        if not is_dir(HOME):
            remove(HOME)
            os.mkdir(HOME)
        clear(path)
        return open(path, "wb")


def _shorten(record):
    # Only reasons can be long: versions are checked before they come here.
    last = record["last"]
    if last and last[3]:
        last[3] = last[3][: len(last[3]) // 2]
    elif record["reason"]:
        record["reason"] = record["reason"][: len(record["reason"]) // 2]
    elif record["changed"] and len(record["changed"]) > 32:
        record["changed"] = record["changed"][:32]
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
            with _opened(HISTORY) as file:
                file.write(raw.encode())
    record["last"] = [last[0] + 1 if last else 1, version, outcome, plain(reason)]


def history():
    """Return the outcomes before the last one, newest first, as lists like record["last"]."""
    try:
        with open(HISTORY) as file:
            log = json.loads(file.read(_MAX_RECORD))
        return [e for e in log if isinstance(e, list) and len(e) == 4 and isinstance(e[0], int)]
    except (OSError, ValueError, TypeError):
        return []


def plain(text):
    """Return *text*, such as a quoted exception, without what JSON or a terminal would obey."""
    if text is None:
        return None
    return "".join([c if " " <= c <= "~" and c not in '"\\' else "?" for c in text[:100]])


def sha256(path):
    """Return the SHA-256 of the file *path* as 64 hex digits, None without it. Raises OSError."""
    sha = hashlib.sha256()
    buf = memoryview(bytearray(_CHUNK))
    try:
        with open(path, "rb") as file:
            count = file.readinto(buf)
            while count:
                sha.update(buf[:count])
                count = file.readinto(buf)
    except OSError as error:
        if error.errno not in (_ENOENT, _ENOTDIR, _EISDIR):
            raise
        return None
    return hexlify(sha.digest()).decode()


def digest(path):
    """Return the digest of the plan at *path* for the record, None if it cannot be read."""
    try:
        return sha256(path)[:16]
    except (OSError, TypeError):
        return None


def previous_digest(folder=""):
    """Return the digest of the files that the plan replaces and deletes, where they are live.

    With *folder*, OLD, of what is kept of them there. The keyring is not among them: a roll-back
    may change it, see ota/transaction.py. Raises OSError.
    """
    whole = hashlib.sha256()
    for kind, name, _, _, _, path in lines(PLAN):
        if kind in "rRdD" and path != KEYRING:
            whole.update(sha256(folder + "/" + name if folder else path) or b"-")
    return hexlify(whole.digest()).decode()[:8]


def plan_of(record):
    """Return the path of the plan that *record* speaks of.

    A cut can leave it under the name that it was made under: it then gets its own. Raises Damaged.
    """
    wanted = record["plan"]
    if wanted and digest(PLAN) == wanted:
        return PLAN
    if wanted and digest(BUILDING) == wanted:
        clear(PLAN)
        os.rename(BUILDING, PLAN)
        return PLAN
    raise Damaged("The plan of the update is damaged.")


def lines(path, at=0):
    """Yield (kind, name, size, sha256, chksum, path) of each line of *path*, from byte *at* on.

    Size and sums are bytes: MicroPython looks each new text up among all names that it knows. The
    file is not left open in between: a caller who stops would leave that to the collector.
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
        begin, end = 0, rest.find(b"\n")
        while end >= 0:
            kind, name, size, sha, check, place = rest[begin:end].split(b" ", 5)
            yield kind.decode(), name.decode(), size, sha, check, place.decode()
            begin = end + 1
            end = rest.find(b"\n", begin)
        rest = rest[begin:]


def mark(seconds, paths):
    """Note, durably, that *paths* were changed by hand: the next start is supervised.

    It has *seconds* to become a good one. Named are the last three. Raises OSError.
    """
    record = load()
    names = record["changed"].split(" ")[1:] if record["changed"] else []
    for path in paths:
        # Short, since all three stand in the record.
        path = plain(path if len(path) <= 28 else ".." + path[-26:]).replace(" ", "?")
        names = [name for name in names if name != path] + [path]
    changed = "%d %s" % (seconds, " ".join(names[-3:]))
    if changed != record["changed"]:
        record["changed"] = changed
        save(record)


def unmark():
    """Note that what was changed by hand is good; return whether anything was. Raises OSError."""
    record = load()
    if not record["changed"]:
        return False
    record["changed"] = None
    save(record)
    return True


def turn_back(record, reason):
    """Decide, durably, that the set on trial or in place is undone; restoring comes after."""
    record["state"] = "reverting"
    record["reason"] = plain(reason)
    record["tries"] = TRIES  # from here to twice that, for restoring
    save(record)


def collect(record):
    """Remove all of ours that *record* does not need, then mark it clean. Raises OSError."""
    if record["state"] != "staging":
        empty(NEW)
    if record["plan"]:
        plan_of(record)
    else:
        clear(PLAN)
    if record["previous"] is None:
        empty(OLD)
    clear(BUILDING)
    if record["dirty"]:
        record["dirty"] = 0
        save(record)
