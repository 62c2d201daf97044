"""Before the application runs: what each state of the record asks for, and rescue mode."""

import sys
from micropython import const, kbd_intr

#: Deaths in a row after which the application is not tried again at once.
_DEATHS = const(3)
_MIN_TRIAL_S = const(2)
#: Seconds that files changed by hand have where the service runs, but finds no network.
_PATIENCE_S = const(15 * 60)
#: And that a trial has when power has just come.
_ROUTER_S = const(6 * 60)
#: Hints of a start that has come to a bad end, and how it is told.
_BAD_ENDS = {
    "exception": _RAISED,
    "bitten": _HUNG,
    "end": _ENDED,
    "deadline": "no good start in time",
    "silent": _SILENT,
}

chip = GuardedChip()
_ran = False
_changed = False
_trial_s = 0  # that the application has, 0 when all is proven
_by_hand = False  # and this is for files changed by hand, not for a trial


def run(may_rescue=True):
    """Finish or undo an interrupted update and use up an attempt of a trial; once per start.

    Returns True when live files were changed, False also when it ran before. Raises nothing and
    never exits, whatever is on the flash: then the board boots what is live.
    """
    global _ran
    if _ran:
        return False
    _ran = True
    rescue = _careful(_look_back, may_rescue)
    _careful(_bring_up, rescue, may_rescue and not rescue)
    # Rescue mode runs right in here, since each function that waits for it takes of the C stack.
    begun = rescue and _careful(_enter_rescue, rescue)
    if begun:
        try:
            begun[0](begun[1])
        except Exception as error:
            _note(error)
        # What it has loaded and begun is not for the application.
        _careful(chip.restart, "restart")
    if rescue:  # no network is known: the application runs after all, and is left alone
        _careful(_bring_up, None, False)
    _careful(_watch)
    return _changed


def _careful(step, *args):
    try:
        return step(*args)
    except Exception as error:
        _note(error)


def _note(error):
    global ignored
    ignored = "The guard stopped: %r" % error


def _look_back(may_rescue):
    """Look at how the last start ended; return why the application is not to run, or None."""
    hint = chip.hint()
    if hint:
        # The watchdog of a trial runs on over a soft reset; nobody would feed it after the trial.
        chip.disarm()
    if not may_rescue:
        return None
    if chip.cause() == "watchdog" and hint != "bitten":
        # The reason register keeps its value over soft resets, and over further bites. A wanted
        # reset changes it, so that none is overlooked or counted twice.
        chip.restart("bitten")
    if hint in ("exception", "bitten", "end", "supervised") or (not hint and chip.limit()):
        chip.leave(hint, chip.deaths() + 1)
    if hint == "rescue":
        return "asked for"
    if hint in _BAD_ENDS or hint == "supervised":
        why = _blame_changes(hint)
        if why:
            return why
    if chip.deaths() >= (chip.limit() or _DEATHS):
        return "the application died %d times" % chip.deaths()
    return "BOOTSEL was held" if chip.button_held() else None


def _blame_changes(hint):
    """Return why files changed by hand lead to rescue mode, None when they do not.

    One bad end is enough. A restart of the program's own is forgiven twice: it may have a reason.
    """
    record = load()
    if not record["changed"] or record["state"] not in ("idle", "staging"):
        return None  # a trial has a set to go back to
    if hint == "supervised" and chip.deaths() < _DEATHS:
        return None
    why = _BAD_ENDS.get(hint) or "no good start in %d" % chip.deaths()
    return "%s; changed without a trial: %s" % (why, ", ".join(record["changed"].split(" ")[1:]))


def _bring_up(rescue, supervise):
    """Do what the record asks for; with *rescue* no application follows, and no attempt is used.

    With *supervise* files changed by hand have to prove themselves.

    After a soft reset USB is up, and the flash driver lets Ctrl-C out between two pages: that
    would leave littlefs in the middle of what it does (ports/rp2/rp2_flash.c, writeblocks).
    """
    global ignored, _trial_s, _by_hand
    kbd_intr(-1)
    record = None
    try:
        heal()
        record = load()
        while record["state"] != "idle":
            plan_of(record)
            if record["state"] == "staging":
                # What is staged can be resumed. An interrupted commit may have left copies.
                clear(BUILDING)
                if record["previous"] is None:
                    empty(OLD)
                break
            if record["state"] == "committed":
                _replace(record, rescue)
            elif record["state"] == "trial":
                _judge(record, rescue)
                if record["state"] == "trial":
                    break
            else:
                _revert(record, rescue)
        if record["dirty"]:
            collect(record)
    except Damaged as error:
        ignored = "%s It was %s." % (error, record["state"])
    finally:
        kbd_intr(3)
        if supervise and record and record["changed"] and not _trial_s:
            _trial_s = max(int(record["changed"].split(" ")[0]), _MIN_TRIAL_S)
            _by_hand = True


def heal():
    """Force littlefs to finish an interrupted rename; writes nothing when there is none.

    After a cut in a rename across folders a name is hidden until the first changing call.
    """
    try:
        os.remove("/.ota/?")
    except OSError:
        pass


def _replace(record, rescue):
    global _changed
    if record["tries"] >= TRIES:
        turn_back(record, "could not be put in place")
        return
    if not record["tries"]:
        record["old"] = previous_digest()
    record["tries"] += 1
    save(record)
    try:
        flaw = find_flaw()
        if not flaw:
            replace()
    except OSError as error:
        _start_over(error)
    if flaw:
        turn_back(record, flaw)
        return
    _changed = True
    record["version"], record["next"] = record["next"], None
    record["tries"] = 0
    record["state"] = after("committed", "replaced" if record["trial"] else "installed")
    if not record["trial"]:
        record["floor"] = record["next_floor"] or record["floor"]
        record["id"] = record["signer"] = record["next_floor"] = None
        settle(record, record["version"], "installed", None)
    save(record)
    _begin_anew(rescue)


def _judge(record, rescue):
    """Undo a trial whose last start ended badly; else use up an attempt, before it runs."""
    global _trial_s
    bad = None
    if record["tries"]:
        hint = chip.hint()
        if hint == "deadline":
            bad = "not confirmed in time"
        elif hint == "running" and chip.cause() == "watchdog":
            bad = _HUNG
        elif hint in _BAD_ENDS:
            bad = _BAD_ENDS[hint]
        elif not rescue and record["tries"] >= TRIES:
            bad = "not confirmed in %d starts" % TRIES
    if bad:
        turn_back(record, bad)
    elif not rescue:
        _trial_s = max(record["trial"], _MIN_TRIAL_S)
        record["state"] = after("trial", "attempt")
        record["tries"] += 1
        save(record)
        chip.leave("running")


def _revert(record, rescue):
    global _changed, ignored
    if record["tries"] < 2 * TRIES:
        record["tries"] += 1
        save(record)
    live = record["next"] is None
    try:
        failed = restore(live)
        if not failed and record["old"] not in (None, previous_digest()):
            failed = "the previous files are not as they were"
    except OSError as error:
        if record["tries"] < 2 * TRIES:
            _start_over(error)
        raise
    _changed = True
    reason = record["reason"]
    if failed:
        ignored = "Not restored: " + failed
        reason = "%s; not restored: %s" % (reason, failed)
    settle(record, record["next"] or record["version"], "reverted", reason)
    if failed:
        record["version"] = None
    elif live:
        record["version"] = record["previous"] or None
    for name in ("previous", "old", "next", "id", "signer", "plan", "reason", "next_floor"):
        record[name] = None
    record.update(state=after("reverting", "restored"), tries=0, dirty=1)
    save(record)
    chip.forget_deaths()  # they were of the set that is gone
    _begin_anew(rescue)


def _start_over(error):
    """Restart after *error* in a rename; the same is tried again, three times in all.

    littlefs goes wrong after such an error, and may lose the file, unless it is mounted anew
    before anything else is written (littlefs-project/littlefs#993).
    """
    chip.restart("restart")
    raise error  # not a board


def _begin_anew(rescue):
    """Restart if the rest of the boot.py that runs now, and this very file, are of another set."""
    for kind, _, _, _, _, path in lines(PLAN):
        if path in STARTS and kind not in "=-":
            chip.restart("rescue" if rescue else "restart")


def _enter_rescue(why):
    """Return what runs rescue mode, and its argument; None when no network is known."""
    path = sys.path[:]
    chip.leave("", 0)
    try:
        # No application runs here that could miss a file that is called like one of the firmware.
        sys.path[:] = [".frozen"] + [place for place in path if place != ".frozen"]
        begun = _climb("rescue").begin(why)
    except Exception as error:  # ours, and perhaps broken: then the application runs after all
        _note(error)
        begun = None
    if not begun:
        sys.path[:] = path
    return begun


def _watch():
    global supervisor
    if _by_hand:
        chip.leave("supervised")
        supervisor = Supervisor(_trial_s, _PATIENCE_S)
    elif _trial_s:
        # After a power failure in the whole house the router needs longer than the board.
        supervisor = Supervisor(_trial_s, _ROUTER_S if chip.cause() == "power" else 0)
    elif chip.hint():
        chip.leave("")
    # At the end of a trial there is nothing that a person at the prompt could decide.
    _climb("console").begin(_trial_s > 0 and not _by_hand)


def _climb(name):
    """Return the module *name* of the updater: the one place where the guard needs it.

    It may be missing or broken, so whatever this raises must not keep the board from starting.
    """
    import ota

    if not hasattr(ota.chip, "restart"):  # None, or the module of that name
        ota.chip = ota.load("chip").Chip()  # not ours, which would keep this file in memory
    return ota.load(name)
