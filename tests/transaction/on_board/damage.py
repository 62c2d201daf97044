"""Every file of ours, damaged in every way, in every state of an update.

Nothing but a complete set is ever called a version, and the next update works.
"""

import os

import world
from common import OLD, board, changed, installed, live
from ramflash import PowerCut, RamFlash

from ota import record, transaction
from ota.errors import Refused

HURTS = ("removed", "emptied", "cut", "flipped", "appended", "a folder")
SETS = {"1.0": OLD, "2.0": changed()}
SETS["3.0"] = dict(OLD)
SETS["3.0"]["/lib/a.py"] = b"A = 3\n" * 400
SETS["3.0"]["/lib/third.py"] = b"C = 3\n"
SETS["3.0"]["/main.py"] = b"print('main 3')\n"
del SETS["3.0"]["/lib/b.py"]


# --- states -------------------------------------------------------------------------------------


def _idle():
    return board()


def _previous():
    flash = board()
    installed(flash)
    transaction.confirm()
    return flash


def _staging():
    flash = board()
    world.begin("2.0", OLD, changed())
    world.stage(changed(), 2)
    return flash


def _committed():
    flash = board()
    world.update("2.0", OLD, changed())
    return flash


def _trial():
    flash = board()
    installed(flash)
    return flash


def _reverting():
    flash = _trial()
    transaction.rollback()
    return flash


def _rolled_back():
    flash = _previous()
    transaction.rollback()
    return flash


def _second_update():
    flash = _previous()
    world.update("3.0", changed(), SETS["3.0"])
    return flash


def _interrupted(make, share):
    """Return the flash that *make* returns after a start that was cut after *share* of it."""
    flash = make()
    flash.operations = 0
    world.power_on(flash)
    count = flash.operations
    flash = make()
    flash.operations, flash.cut_at = 0, max(1, int(count * share))
    try:
        world.power_on(flash)
    except PowerCut:
        pass
    return RamFlash(flash.blocks, flash.data)


# --- damages ------------------------------------------------------------------------------------


def hurt(path, how):
    """Do to the file *path* what hands could do."""
    if record.is_dir(path):
        record.clear(path)
        if how != "removed":
            with open(path, "wb") as file:
                file.write(b"x")
        return
    with open(path, "rb") as file:
        data = bytearray(file.read())
    os.remove(path)
    if how == "removed":
        return
    if how == "a folder":
        os.mkdir(path)
        with open(path + "/x", "wb") as file:
            file.write(b"x")
        return
    if how == "emptied":
        data = b""
    elif how == "cut":
        data = data[:-1]
    elif how == "flipped" and data:
        data[len(data) // 2] ^= 1
    elif how == "appended":
        data += b"#"
    with open(path, "wb") as file:
        file.write(data)


def ours():
    """Return every file and folder below `/.ota`, and itself."""
    found = ["/.ota"]
    for path in found:
        if record.is_dir(path):
            found.extend([path + "/" + entry[0] for entry in os.ilistdir(path)])
    return found


def start(flash):
    """Start the board as the guard and the service do it; return what is said."""
    said = world.power_on(flash)
    record.clear(record.DESCRIPTION)
    record.clear("/.ota/~incoming")
    return said


# --- what has to hold ---------------------------------------------------------------------------


def judge(where, said):
    """See that no version is told of what is not exactly that set, and why where there is none."""
    now, files = transaction.status(), live()
    version = now["version"]
    assert version is None or files == SETS[version], (where, now, said)
    if version is None:
        reason = now["last"] and now["last"]["reason"]
        if where[0] != "/.ota":  # without anything of ours it is a new board
            assert said or now["ignored"] or reason, (where, now)
    return now


def takes_the_next_update(where, flash):
    files = live()
    new = dict(SETS["3.0"])
    world.begin("4.0", files, new, force=True)
    world.stage(new)
    world.commit()
    start(flash)
    now = transaction.status()
    assert (now["state"], now["version"]) == ("trial", "4.0"), (where, now)
    transaction.confirm()
    assert live() == new, (where, live())
    transaction.rollback()
    start(flash)
    assert live() == files, where


def _check(where, flash):
    said = start(flash)
    for _ in range(2):
        now = judge(where, said)
        if now["state"] == "trial":
            transaction.confirm()
            now = judge(where, said)
        # A roll-back that is taken brings back exactly what was, or says that it did not.
        image = bytes(flash.data)
        try:
            transaction.rollback()
        except Refused as error:
            assert error.word in ("no_previous", "previous_damaged", "wrong_state"), (where, error)
        else:
            before = now["previous"]
            said_then = start(flash)
            after = judge(where, said_then)
            if before in SETS and live() != SETS[before]:
                assert "not restored" in after["last"]["reason"], (where, after)
        flash = RamFlash(flash.blocks, bytearray(image))
        said = start(flash)
    takes_the_next_update(where, flash)


def _sweep(make):
    flash = make()
    world.mount(flash)
    for path, data in (
        ("/.ota/settings", b'{"ssid": "net"}'),
        ("/.ota/password", b"digest"),
        ("/.ota/description", b"software ="),
        ("/.ota/~incoming", b"half"),
        ("/.ota/building", b"a plan"),
        ("/.ota/history", b'[[1, "0.9", "confirmed", null]]'),
    ):
        if not record.exists(path):
            with open(path, "wb") as file:
                file.write(data)
    image = bytes(flash.data)
    count = 0
    for path in ours():
        for how in HURTS:
            flash = RamFlash(flash.blocks, bytearray(image))
            world.mount(flash)
            hurt(path, how)
            _check((path, how), flash)
            count += 1
    print("%d damages" % count)
    assert count > 40


def test_idle():
    _sweep(_idle)


def test_previous():
    _sweep(_previous)


def test_staging():
    _sweep(_staging)


def test_committed():
    _sweep(_committed)


def test_committed_cut_a_quarter():
    _sweep(lambda: _interrupted(_committed, 0.25))


def test_committed_cut_in_the_middle():
    _sweep(lambda: _interrupted(_committed, 0.5))


def test_committed_cut_near_the_end():
    _sweep(lambda: _interrupted(_committed, 0.8))


def test_trial():
    _sweep(_trial)


def test_reverting():
    _sweep(_reverting)


def test_reverting_cut_a_quarter():
    _sweep(lambda: _interrupted(_reverting, 0.25))


def test_reverting_cut_in_the_middle():
    _sweep(lambda: _interrupted(_reverting, 0.5))


def test_reverting_cut_near_the_end():
    _sweep(lambda: _interrupted(_reverting, 0.8))


def test_rolled_back():
    _sweep(_rolled_back)


def test_second_update():
    _sweep(_second_update)
