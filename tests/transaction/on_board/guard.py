"""The guard: idle costs nothing, attempts are counted, and nothing on flash makes it raise."""

import os

import world
from common import OLD, board, changed, installed, live

import ota_boot
from ota import transaction


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
    assert world.power_on(flash) is None
    assert flash.operations == operations
    assert not ota_boot.exists("/.ota")


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


def _restart_with(flash, mark, reason):
    """Restart the board: *mark* was left, and the reason register reads *reason*."""
    world.registers = ota_boot.registers = {0: 0, 8: reason, 12: 0}
    if mark is not None:
        ota_boot.mark(mark)
    world.power_on(flash)
    kept = ota_boot.read_mark()[0]
    world.registers = ota_boot.registers = None
    return kept


def test_bad_ends_revert_at_once():
    for mark, reason, words in (
        ("exception", 2, "exception"),
        ("deadline", 2, "in time"),
        ("running", 1, "hung"),
    ):
        flash = board()
        installed(flash)
        _restart_with(flash, mark, reason)
        status = _status()
        assert status["state"] == "idle", mark
        assert words in status["last"]["reason"], status
        assert live() == OLD


def test_other_ends_count_one():
    # A wanted reset, a reset by the application, power-on.
    for mark, reason in (("restart", 2), ("running", 2), (None, 0)):
        flash = board()
        installed(flash)
        _restart_with(flash, mark, reason)
        assert _status()["trial"]["attempt"] == 2, (mark, reason)
        assert live() == changed()


def test_an_attempt_leaves_the_mark_running():
    flash = board()
    installed(flash)
    assert _restart_with(flash, None, 0) == "running"


def test_marks_do_nothing_where_there_are_no_registers():
    world.registers = ota_boot.registers = None
    ota_boot.mark("exception")
    assert ota_boot.read_mark() == ("", "power")


def test_a_strange_word_in_the_register_is_no_mark():
    for word in (0, 0xFFFFFFFF, 0x07A500FF, 0x07A40004, 0x6AB73121):
        ota_boot.registers = {8: 2, 12: word}
        assert ota_boot.read_mark() == ("", "reset"), hex(word)
    ota_boot.registers = None


def test_a_changed_boot_py_restarts_the_board():
    flash = board()
    new = changed()
    new["/boot.py"] = world.BOOT + b"import new\n"
    world.update("2.0", OLD, new)
    world.mount(flash)
    ota_boot._ran, ota_boot.changed = False, 0
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
    assert world.power_on(flash) is None
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
    ota_boot.remove(path)
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
            transaction.commit()
        if state > 2:
            world.power_on(flash)
        if state > 3:
            transaction.rollback()
        before = live()
        path = ("/.ota/state", "/.ota/plan", "/.ota/draft", "/.ota/history")[seed // 5 % 4]
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
            transaction.abort()
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


def test_staging_survives_a_restart_and_a_stray_draft_goes():
    flash = board()
    world.begin("2.0", OLD, changed())
    world.stage(changed(), most=1)
    with open("/.ota/draft", "w") as file:
        file.write("stray")
    world.power_on(flash)
    assert _status()["state"] == "staging"
    assert not ota_boot.exists("/.ota/draft")
    world.stage(changed())
    transaction.commit()
    world.power_on(flash)
    assert live() == changed()


def test_the_guard_imports_nothing_of_ours_to_recover():
    import sys

    names = [name for name in sys.modules if name.startswith("ota.")]
    hidden = {name: sys.modules.pop(name) for name in names}
    assert hidden
    flash = board()
    sys.modules.update(hidden)
    world.update("2.0", OLD, changed())
    for name in names:
        if name not in ("ota.prompt", "ota.rescue"):
            sys.modules.pop(name, None)
    assert world.power_on(flash) is None
    sys.modules.update(hidden)
    assert live() == changed()


def test_ctrl_c_waits_until_the_guard_has_written():
    flash = board()
    world.update("2.0", OLD, changed())
    world.mount(flash)
    allowed, real = [], ota_boot.kbd_intr

    def note(char):
        allowed.append((char, flash.operations))

    ota_boot.kbd_intr = note
    ota_boot._ran, ota_boot.changed = False, 0
    before = flash.operations
    ota_boot.run()
    ota_boot.kbd_intr = real
    assert allowed == [(-1, before), (3, flash.operations)], allowed
    assert flash.operations > before
