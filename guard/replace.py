"""Replaces the live files by the staged ones, and restores them.

From the commit on only renames and removals are needed, so a full flash cannot stop it halfway.
Nothing is moved out of `/`: littlefs could hide the next name there, and that may be boot.py.
"""

import os

# What a rename or a removal says when something of the application is in the way: EEXIST,
# ENOTDIR, EISDIR, ENOTEMPTY. Any other error is one of the flash.
_IN_THE_WAY = (17, 20, 21, 39)

_ENOTEMPTY = const(39)

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
        make_parents(dst)  # somebody removed the folder since
        os.rename(src, dst)


def find_flaw():
    """Return why the staged files cannot become a complete set, or None. Raises OSError.

    Other hands may have changed them since the commit, and the copies of what they replace.
    """
    for kind, name, size, sha, _, path in lines(PLAN):
        new, old = NEW + "/" + name, OLD + "/" + name
        if kind in "aArR":
            if _is(new, size, sha):
                if kind == "R" and sha256(old) != sha256(path):
                    return "no copy of " + path
            elif exists(new) or not _is(path, size, sha):  # else it was done before a cut
                return "not staged as it was: " + path
        elif kind == "D" and exists(path) and sha256(old) != sha256(path):
            return "no copy of " + path
        elif kind == "m" and size_of(new) >= 0:
            return "not staged as it was: " + path
    return None


def _is(path, size, sha):
    return size_of(path) == int(size) and sha256(path) == sha.decode()


def replace():
    """Put every file of a committed update in its place; repeating it does no harm.

    Raises OSError when a step fails.
    """
    # Everything new comes before anything goes: there is a guard to import at any moment.
    for kind, name, _, _, _, path in lines(PLAN):
        if kind in "aArRm":
            _bring(kind, path, NEW + "/" + name, OLD + "/" + name)
    for kind, name, _, _, _, path in lines(PLAN):
        if kind == "D":
            remove(path)
        elif kind == "X":
            prune(path)
        elif kind in "dx" and exists(path) and not (kind == "x" and _holds_file(path)):
            _move(path, OLD + "/" + name)
    empty(NEW)


def _bring(kind, path, new, old):
    if not exists(new):
        return  # done before the cut
    if kind == "m" and exists(path):
        os.rmdir(new)  # the application was quicker
        return
    if kind == "r" and not exists(old):
        _move(path, old)
    _move(new, path)


def prune(path):
    """Remove the folder *path* and those below it, unless there is a file in them.

    Raises OSError.
    """
    if is_dir(path):
        for folder in reversed(folders(path)):
            try:
                os.rmdir(folder)
            except OSError as error:
                if error.errno != _ENOTEMPTY:  # the application keeps something there
                    raise


def _holds_file(top):
    """Return True if the application put a file below the folder *top* meanwhile."""
    found = False
    if is_dir(top):
        for folder in folders(top):
            for entry in os.ilistdir(folder):
                found = found or entry[1] != 0x4000
    return found


def restore(live):
    """Undo replace() exactly, wherever it stopped; repeating it does no harm.

    *live* tells that it had not stopped. Returns None, or what could not be restored. Raises
    OSError when the flash itself fails.
    """
    failed = None
    for kinds in ("xX", "rRdD", "aA", "m"):  # what comes back is back before anything goes
        for entry in lines(PLAN):
            if entry[0] in kinds:
                try:
                    if not _put_back(live, *entry):
                        failed = "no previous " + entry[5]
                except OSError as error:
                    if error.errno not in _IN_THE_WAY:
                        raise
                    # One path in the way must not keep all the others from coming back.
                    failed = "%s: %r" % (entry[5], error)
    return failed


def _put_back(live, kind, name, size, sha, _, path):
    """Undo one line; return False when the previous file is missing."""
    new, old = NEW + "/" + name, OLD + "/" + name
    waiting = exists(new)  # it never went live, and what is there is not ours
    if kind in "aAm":
        if not waiting:
            remove(path) if kind != "m" else prune(path)
    elif (kind == "R" and waiting) or (kind == "D" and not live and exists(path)):
        pass  # what the copy is of has not gone
    elif kind in "xX":
        if exists(old) and exists(path):
            prune(old)  # only some of it had gone; parents are made where they are missed
        elif exists(old):
            _move(old, path)
    elif size_of(old) >= 0:
        _move(old, path)
    else:
        # Restored before a cut, or missing. A keyring that stays is the new one all the same.
        is_new = kind in "rR" and path != KEYRING and _is(path, size, sha)
        return exists(path) and (waiting or not is_new)
    return True
