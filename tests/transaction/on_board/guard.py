"""The guard: idle costs nothing, attempts are counted, and nothing on flash makes it raise."""

import os
import sys

import world
from common import OLD, board, changed, installed, live

import ota_boot
from ota import record, transaction


def _status():
    return transaction.status()


def test_an_idle_boot_reads_little_and_writes_nothing():
    flash = board()
    installed(flash)
    transaction.confirm()
    world.mount(flash)
    opened = []
    real = open

    def counting(path, mode="r"):
        opened.append(path)
        return real(path, mode)

    ota_boot.open = counting
    ota_boot._ran = False
    flash.operations = flash.read_bytes = flash.reads = 0
    ota_boot.run()
    del ota_boot.open
    assert opened == ["/.ota/state"], opened
    assert flash.operations == 0
    assert os.stat("/.ota/state")[6] <= 512


def test_a_bare_board_boots():
    flash = board(version=None)
    operations = flash.operations
    said = world.power_on(flash)
    assert said is None, said
    assert flash.operations == operations
    assert not record.exists("/.ota")


def test_it_runs_once_per_start():
    flash = board()
    installed(flash)
    assert _status()["trial"] == {"attempt": 1, "attempts": 3}
    ota_boot.run()  # as the service does in case boot.py was bypassed
    assert _status()["trial"]["attempt"] == 1


def test_power_on_counts_one_of_three():
    flash = board()
    installed(flash)
    for attempt in (2, 3):
        world.power_on(flash)
        assert _status()["trial"]["attempt"] == attempt
        assert live() == changed()
    world.power_on(flash)
    status = _status()
    assert status["state"] == "idle" and status["version"] == "1.0"
    assert status["last"] == {
        "version": "2.0",
        "outcome": "reverted",
        "reason": "not confirmed in 3 starts",
    }
    assert live() == OLD


def test_the_attempt_is_written_before_the_application_runs():
    flash = board()
    world.update("2.0", OLD, changed())
    # The application dies at once and takes the power with it, every time.
    for _ in range(4):
        world.power_on(flash)
    assert live() == OLD


def _restart_with(flash, hint, reason):
    """Restart the board: *hint* was left, and the reason register reads *reason*.

    Returns what is left for the next start.
    """
    chip = ota_boot.chip
    world.registers = chip._memory = {0: 0, world.REASON: reason, world.SCRATCH: 0}
    if hint is not None:
        chip.leave(hint)
    world.power_on(flash)
    left = chip.hint()
    world.registers = chip._memory = None
    return left


def test_bad_ends_revert_at_once():
    for hint, reason, words in (
        ("exception", 2, "exception"),
        ("deadline", 2, "in time"),
        ("running", 1, "hung"),
    ):
        flash = board()
        installed(flash)
        _restart_with(flash, hint, reason)
        status = _status()
        assert status["state"] == "idle", hint
        assert words in status["last"]["reason"], status
        assert live() == OLD


def test_other_ends_count_one():
    # A wanted reset, a reset by the application, power-on.
    for hint, reason in (("restart", 2), ("running", 2), (None, 0)):
        flash = board()
        installed(flash)
        _restart_with(flash, hint, reason)
        assert _status()["trial"]["attempt"] == 2, (hint, reason)
        assert live() == changed()


def test_an_attempt_leaves_the_hint_running():
    flash = board()
    installed(flash)
    assert _restart_with(flash, None, 0) == "running"


def test_a_changed_boot_py_restarts_the_board():
    flash = board()
    new = changed()
    new["/boot.py"] = world.BOOT + b"import new\n"
    world.update("2.0", OLD, new)
    world.mount(flash)
    ota_boot._ran = False
    try:
        ota_boot.run()
    except world.Restart:
        pass
    else:
        raise AssertionError("the old boot.py would go on")
    # Nothing is used up by that.
    assert _status()["state"] == "trial" and _status()["trial"]["attempt"] == 0
    world.power_on(flash)
    assert _status()["trial"]["attempt"] == 1
    transaction.rollback()
    world.power_on(flash)
    assert live() == OLD


def test_what_cannot_be_put_in_place_is_undone():
    # The application made a directory where a new file is to go, after the commit.
    flash = board()
    world.update("2.0", OLD, changed())
    os.mkdir("/lib/new")
    os.mkdir("/lib/new/c.py")
    said = world.power_on(flash)
    assert said is None, said
    status = _status()
    assert status["state"] == "idle" and status["version"] == "1.0", status
    assert status["last"]["outcome"] == "reverted"
    assert "place" in status["last"]["reason"]
    assert live() == OLD
    assert world.leftovers() == []


def test_a_file_that_the_application_removed_meanwhile():
    flash = board()
    installed(flash)
    os.remove("/lib/a.py")
    os.remove("/lib/new/c.py")
    transaction.rollback()
    world.power_on(flash)
    assert live() == OLD


def test_a_directory_that_the_application_removed_meanwhile():
    old = dict(OLD)
    old["/pkg/one.py"] = b"1"
    new = dict(old)
    new["/pkg/one.py"] = b"2"
    flash = board(old)
    installed(flash, new, old)
    os.remove("/pkg/one.py")
    os.rmdir("/pkg")
    transaction.rollback()
    world.power_on(flash)
    assert live() == old


def test_a_new_file_of_the_application_in_an_emptied_directory_stays():
    old = dict(OLD)
    old["/lib/pkg/one.py"] = b"1"
    flash = board(old)
    world.update("2.0", old, changed())
    with open("/lib/pkg/data", "w") as file:
        file.write("mine")
    world.power_on(flash)
    now = live()
    assert now.pop("/lib/pkg/data") == b"mine"
    assert now == changed()
    transaction.rollback()
    world.power_on(flash)
    now = live()
    assert now.pop("/lib/pkg/data") == b"mine"
    assert now == old


def _damage(path, rng):
    """Do to the file *path* what hands, or a bad flash, could do."""
    try:
        with open(path, "rb") as file:
            raw = bytearray(file.read())
    except OSError:
        raw = bytearray()
    kind = rng.randrange(8)
    if kind == 0:
        raw = raw[: rng.randrange(len(raw) + 1)]
    elif kind == 1 and raw:
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        raw = bytearray([rng.randrange(256) for _ in range(rng.randrange(600))])
    elif kind == 3:
        raw = bytearray(30000)
    elif kind == 4:
        raw = raw + raw
    elif kind == 5:
        raw = bytearray(b"1 00000000 [[[[[[[[[[[[[[[[[[[[[[[[[[[[")
    record.remove(path)
    if kind == 6:
        return
    if kind == 7:
        os.mkdir(path)
        return
    with open(path, "wb") as file:
        file.write(raw)


class _Rng:
    """The same sequence on every run."""

    def __init__(self, seed):
        self._value = seed * 2654435761 & 0xFFFFFFFF

    def randrange(self, stop):
        self._value = (self._value * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._value >> 8) % stop


def test_damaged_records_and_plans_never_stop_the_board():
    reached = []
    for seed in range(160):
        rng = _Rng(seed + 1)
        flash = board()
        state = seed % 5
        if state:
            world.begin("2.0", OLD, changed())
        if state > 1:
            world.stage(changed())
            world.commit()
        if state > 2:
            world.power_on(flash)
        if state > 3:
            transaction.rollback()
        before = live()
        path = ("/.ota/state", "/.ota/plan", "/.ota/building", "/.ota/history")[seed // 5 % 4]
        try:
            _damage(path, rng)
        except OSError:
            continue
        ignored = world.power_on(flash)
        now = live()
        # What is live is a whole set, whatever was damaged.
        assert now in (OLD, changed()), (seed, path)
        if state < 2:
            assert now == before
        status = _status()
        assert status["state"] in ("idle", "staging", "trial", "reverting")
        if ignored or status["ignored"]:
            reached.append(seed)
        # And the next update works and can be undone.
        if status["state"] == "staging":
            world.abort()
        if status["state"] == "trial":
            transaction.confirm()
        target = dict(now)
        target["/main.py"] = b"next"
        world.update("3.0", now, target)
        world.power_on(flash)
        assert live() == target and _status()["state"] == "trial", (seed, path)
        transaction.rollback()
        world.power_on(flash)
        assert live() == now, (seed, path)
        assert world.leftovers() == [], (seed, path, world.leftovers())
    assert len(reached) > 30


def test_staging_survives_a_restart_and_a_stray_plan_goes():
    flash = board()
    world.begin("2.0", OLD, changed())
    world.stage(changed(), most=1)
    with open("/.ota/building", "w") as file:
        file.write("stray")
    world.power_on(flash)
    assert _status()["state"] == "staging"
    assert not record.exists("/.ota/building")
    world.stage(changed())
    world.commit()
    world.power_on(flash)
    assert live() == changed()


def _ours():
    return [name for name in sys.modules if name == "ota" or name.startswith("ota.")]


def test_nothing_of_the_updater_is_needed_to_recover():
    flash = board()
    world.update("2.0", OLD, changed())
    hidden = {name: sys.modules.pop(name) for name in _ours()}
    assert len(hidden) > 10
    said = world.power_on(flash)
    assert not _ours()  # nor were they found
    sys.modules.update(hidden)
    assert "ImportError" in said  # of the watch over the application, last of all
    assert live() == changed()
    assert _status()["state"] == "trial"


def test_ctrl_c_waits_until_the_guard_has_written():
    flash = board()
    world.update("2.0", OLD, changed())
    world.mount(flash)
    allowed, real = [], ota_boot.kbd_intr

    def note(char):
        allowed.append((char, flash.operations))

    ota_boot.kbd_intr = note
    ota_boot._ran = False
    before = flash.operations
    ota_boot.run()
    ota_boot.kbd_intr = real
    assert allowed == [(-1, before), (3, flash.operations)], allowed
    assert flash.operations > before


# --- what other hands, or the flash, do in between ----------------------------------------------


class _Os:
    """`os` for the guard, in which *broken* may raise: a function of (function, arguments)."""

    def __init__(self, broken):
        self._broken = broken

    def __getattr__(self, name):
        real = getattr(os, name)

        def call(*args):
            self._broken(name, args)
            return real(*args)

        return call


def _with_os(flash, broken):
    """Boot with such an `os`; return what the guard ignored."""
    ota_boot.os = _Os(broken)
    try:
        return world.power_on(flash)
    finally:
        ota_boot.os = os


def _names():
    """Return path -> name of the lines of the plan."""
    return {fields[5]: fields[1] for fields in record.lines(record.PLAN)}


def _hurt(path, how):
    """Do to the file *path* what hands could do."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    os.remove(path)
    if how == "removed":
        return
    if how == "a folder":
        os.mkdir(path)
        return
    if how == "emptied":
        data = b""
    elif how == "cut":
        data = data[:-1]
    elif how == "flipped":
        data[len(data) // 2] ^= 1
    elif how == "appended":
        data += b"#"
    with open(path, "wb") as file:
        file.write(data)


_HURTS = ("removed", "emptied", "cut", "flipped", "appended", "a folder")


def test_a_flash_error_while_restoring_is_no_way_to_leave_a_file_out():
    for function in ("rename", "remove", "stat"):
        for errno in (1, 5, 12, 22, 28, 84):
            flash = board()
            installed(flash)
            transaction.rollback()
            failures = [errno]

            def broken(name, args, function=function, failures=failures):
                about = args[-1] if name == "rename" else args[0]
                meant = about in ("/lib/a.py", "/lib/new/c.py") or about[:10] == "/.ota/old/"
                if failures and name == function and meant:
                    raise OSError(failures.pop())

            restarts = len(world.restarts)
            said = _with_os(flash, broken)
            assert not failures, function
            assert said is None, (function, errno, said)
            assert len(world.restarts) == restarts + 1, (function, errno)
            assert live() == OLD, (function, errno)
            assert _status()["last"]["reason"] == "asked for", _status()
            assert _status()["version"] == "1.0"


def test_a_flash_that_stays_broken_is_not_said_to_be_restored():
    flash = board()
    installed(flash)
    transaction.rollback()

    def broken(name, args):
        if name == "rename" and args[1] == "/lib/a.py":
            raise OSError(5)

    said = _with_os(flash, broken)
    assert "OSError" in said
    assert _status()["state"] == "reverting"
    assert world.power_on(flash) is None  # it works again
    assert live() == OLD and _status()["state"] == "idle"


def test_what_is_in_the_way_of_restoring_is_passed_over_and_said():
    flash = board()
    installed(flash)
    os.remove("/lib/a.py")
    os.mkdir("/lib/a.py")
    with open("/lib/a.py/mine", "w") as file:
        file.write("mine")
    transaction.rollback()
    said = world.power_on(flash)
    assert "/lib/a.py" in said
    status = _status()
    assert status["state"] == "idle" and status["version"] is None
    assert "not restored: /lib/a.py" in status["last"]["reason"]
    now = live()
    assert now.pop("/lib/a.py/mine") == b"mine"
    wanted = dict(OLD)
    del wanted["/lib/a.py"]
    assert now == wanted


def test_a_previous_file_that_is_missing_is_said():
    for path in ("/lib/a.py", "/lib/gone.py", "/main.py"):
        flash = board()
        installed(flash)
        os.remove("/.ota/old/" + _names()[path])
        for _ in range(2):
            world.power_on(flash)
        said = world.power_on(flash)  # nobody has confirmed
        assert said == "Not restored: no previous " + path, said
        status = _status()
        assert status["state"] == "idle" and status["version"] is None, status
        assert "no previous " + path in status["last"]["reason"]
        now, wanted = live(), dict(OLD)
        now.pop(path, None)
        del wanted[path]
        assert now == wanted, path
        assert world.leftovers() == []


def test_a_staged_file_that_is_not_as_it_was_is_no_update():
    for path in ("/lib/a.py", "/lib/new/c.py", "/main.py"):
        for how in _HURTS:
            flash = board()
            world.update("2.0", OLD, changed())
            _hurt("/.ota/new/" + _names()[path], how)
            world.power_on(flash)
            status = _status()
            assert status["last"]["reason"] == "not staged as it was: " + path, (how, status)
            assert status["state"] == "idle" and status["version"] == "1.0", status
            assert live() == OLD, (path, how)
            assert world.leftovers() == []


def test_a_copy_that_is_not_as_it_was_is_no_update():
    for how in ("removed", "emptied", "cut", "appended", "a folder"):
        flash = board()
        world.update("2.0", OLD, changed())
        _hurt("/.ota/old/" + _names()["/main.py"], how)
        world.power_on(flash)
        assert "no copy of /main.py" in _status()["last"]["reason"], _status()
        assert _status()["version"] == "1.0"
        assert live() == OLD, how


def test_a_staged_file_that_goes_in_the_middle_of_it():
    # Power fails after some renames, and somebody removes what is left of the staged files.
    for count in range(1, 6):
        flash = board()
        world.update("2.0", OLD, changed())
        left = [count]

        def broken(name, args, left=left):
            if name == "rename":
                left[0] -= 1
                if left[0] < 0:
                    raise world.PowerCut

        try:
            _with_os(flash, broken)
        except world.PowerCut:
            pass
        world.mount(flash)
        staged = [name for name in _names().values() if record.exists("/.ota/new/" + name)]
        for name in staged[-1:]:
            path = "/.ota/new/" + name
            os.rmdir(path) if record.is_dir(path) else os.remove(path)
        world.power_on(flash)
        status = _status()
        if staged:
            assert live() in (OLD, changed()), count
        assert (live() == OLD) == (status["version"] == "1.0"), (count, status)
        assert world.leftovers() == [], count


def test_no_version_is_told_of_what_may_be_files_of_two():
    for state in ("committed", "reverting"):
        flash = board()
        world.update("2.0", OLD, changed())
        if state == "reverting":
            world.power_on(flash)
            transaction.rollback()
        with open("/.ota/plan", "ab") as file:
            file.write(b"\n")
        said = world.power_on(flash)
        assert said == "The plan of the update is damaged. It was %s." % state, said
        status = _status()
        assert status["state"] == "idle" and status["version"] is None, status


def test_three_bad_updates_in_a_row_do_not_keep_the_good_program_from_running():
    flash = board()
    chip = ota_boot.chip
    world.registers = chip._memory = {0: 0, world.REASON: 2, world.SCRATCH: 0}
    world.rescues.clear()
    for number in range(5):
        world.update("2.%d" % number, OLD, changed())
        chip.leave("restart")
        world.power_on(flash)
        assert _status()["state"] == "trial"
        chip.leave("exception")
        world.power_on(flash)
        assert live() == OLD
        assert chip.deaths() == 0
    world.registers = chip._memory = None
    assert world.rescues == []


def test_three_deaths_of_the_same_set_lead_to_rescue_mode():
    flash = board()
    chip = ota_boot.chip
    world.registers = chip._memory = {0: 0, world.REASON: 2, world.SCRATCH: 0}
    world.rescues.clear()
    for _ in range(3):
        assert world.rescues == []
        chip.leave("exception")
        world.power_on(flash)
    world.registers = chip._memory = None
    assert world.rescues == ["the application died 3 times"]
