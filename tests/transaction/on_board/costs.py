"""What an update costs: flash operations, room, and memory that does not grow."""

import asyncio
import gc
import os

import world
from common import (
    OLD,
    board,
    changed,
    describe,
    files_of,
    fill,
    fill_up,
    installed,
    live,
    refused,
    status,
    take,
    untouched,
    without_fillers,
)

from ota import record, transaction
from ota.flash import space


def _content(number, size, version):
    line = b"%d %d\n" % (number, version)
    return (line * (size // len(line) + 1))[:size]


def _app(version, count, size):
    files = dict(OLD)
    for number in range(count):
        path = "/app/m%d/f%02d.py" % (number % 3, number)
        files[path] = _content(number, size + number * 13, version)
    return files


def _erases_of_plain_overwriting(old, new):
    flash = board(old, blocks=212)
    erases = flash.erases
    for path in sorted(new):
        if old.get(path) != new[path]:
            with open(path, "wb") as file:
                file.write(new[path])
    return flash.erases - erases


def _measure(count, size, again):
    old, new = _app(1, count, size), _app(2, count, size)
    plain = _erases_of_plain_overwriting(old, new)
    flash = board(old, blocks=400)
    os.mkdir("/.ota/new")  # the folders are made by the very first update
    os.mkdir("/.ota/old")
    if again:  # another previous set has to go first
        installed(flash, new, old)
        transaction.confirm()
        old, new = new, _app(3, count, size)
    erases = flash.erases
    installed(flash, new, old)
    transaction.confirm()
    ours = flash.erases - erases
    assert live() == new
    print("%d files of %d bytes: %d erases plainly, %d ours" % (count, size, plain, ours))
    return plain, ours


def test_erases_against_plain_overwriting():
    for count, size in ((1, 200000), (5, 40000), (10, 20000), (20, 10000)):
        for again in (False, True):
            plain, ours = _measure(count, size, again)
            assert ours <= plain * 1.15 + 6, (count, size, plain, ours)


def test_erases_of_many_small_files():
    # Each file costs 6 entries in directories where plain overwriting writes one, and 16 entries
    # fill a block at best: what that adds does not depend on the size of the file.
    for count, size in ((60, 6600), (40, 4000), (60, 2500), (60, 300)):
        for again in (False, True):
            plain, ours = _measure(count, size, again)
            # Small ones lie in the directories themselves, and are written with each entry.
            each = 0.6 if size > 512 else 0.8
            assert ours <= plain + each * count + 6, (count, size, plain, ours)


def test_a_roll_back_copies_nothing():
    for count, size in ((1, 200000), (10, 20000), (20, 10000), (60, 3000)):
        old, new = _app(1, count, size), _app(2, count, size)
        flash = board(old, blocks=212)
        installed(flash, new, old)
        transaction.confirm()
        operations, copied = flash.operations, flash.copied
        world.rollback()
        world.power_on(flash)
        assert live() == old
        operations, copied = flash.operations - operations, flash.copied - copied
        print("%d files of %d bytes: %d operations, %d bytes" % (count, size, operations, copied))
        assert operations <= 60 + 4 * count, operations
        assert copied < 20000 + 2000 * count, copied  # directories, not contents


def test_a_commit_moves_and_copies_only_files_in_the_root():
    old, new = _app(1, 20, 10000), _app(2, 20, 10000)
    flash = board(old, blocks=212)
    world.begin("2.0", old, new)
    world.stage(new)
    copied = flash.copied
    world.commit()
    world.power_on(flash)
    assert flash.copied - copied < 60000, flash.copied - copied


def test_resuming_writes_next_to_nothing():
    old, new = _app(1, 20, 3000), _app(2, 20, 3000)
    flash = board(old, blocks=212)
    world.begin("2.0", old, new)
    world.stage(new, most=7)
    operations, erases = flash.operations, flash.erases
    world.begin("2.0", old, new)
    # The description, which is needed to know that it is the same, aside and away again.
    assert flash.erases - erases <= 3, flash.erases - erases
    assert flash.operations - operations < 30, flash.operations - operations


# --- room ---------------------------------------------------------------------------------------


def _asks_for(version, old, new, trial=True):
    """Return how many blocks an update asks for, as a board says that has none of them."""
    for spare in (7, 12, 20, 30, 40):  # with less there is no room for the description
        fill(spare)
        error = refused(507, "no_space", world.begin, version, old, new, trial)
        os.remove("/filler")
        if "need" in error.extra:
            return error.extra["need"] // 4096
    raise AssertionError(error)


def test_no_space_is_told_before_anything_is_sent():
    flash = board(blocks=96)
    installed(flash)
    transaction.confirm()
    new = dict(changed())
    new["/lib/big.py"] = bytes(300000)
    error = refused(507, "no_space", world.begin, "3.0", changed(), new)
    assert error.extra["need"] > 300000 > error.extra["free"] > 0
    # Nothing was lost by asking: not even the previous set.
    untouched("1.0")
    big = dict(changed())
    big["/lib/big.py"] = bytes(error.extra["free"] // 3)
    world.begin("3.0", changed(), big)


def test_the_previous_set_counts_as_free():
    old = dict(OLD)
    old["/lib/big.bin"] = _content(1, 150000, 1)
    flash = board(old, blocks=130)
    now = old
    for number in range(2, 5):
        new = dict(old)
        new["/lib/big.bin"] = _content(1, 150000, number)
        installed(flash, new, now, "%d.0" % number)
        transaction.confirm()
        assert live() == new
        now = new


def test_the_previous_set_counts_as_no_more_than_it_frees():
    # It is only dropped for an update that finds room without it: what is refused leaves it.
    for shape in ((12, 3000), (60, 300), (60, 60), (3, 30000), (12, 4096), (12, 4200)):
        count, size = shape
        old = dict(OLD)
        old.update({"/app/f%02d" % n: _content(n, size, 1) for n in range(count)})
        now = dict(old)
        now.update({"/app/f%02d" % n: _content(n, size, 2) for n in range(count)})
        flash = board(old, blocks=212)
        installed(flash, now, old)
        transaction.confirm()
        third = dict(now)
        third.update({"/app/g%02d" % n: _content(n, size, 3) for n in range(count)})
        need = _asks_for("3.0", now, third)
        refusals = 0
        image = bytes(flash.data)
        for spare in range(need + 6, 6, -1):
            flash.data[:] = image
            world.power_on(flash)
            fill(spare)
            now_full = without_fillers()
            try:
                world.begin("3.0", now, third)
            except Exception as error:
                assert error.status == 507, error
                refusals += 1
                assert status()["previous"] == "1.0", (shape, spare, need)
                assert world.leftovers() == []
                if refusals in (1, 4):
                    world.rollback()
                    assert world.power_on(flash) is None
                    assert now_full != old == without_fillers()
                if refusals == 5:
                    break
            else:
                assert refusals == 0
                world.stage(third)
                world.commit()
        assert refusals == 5


def _worst_moment(old, new, full=False, blocks=260):
    """Update from *old* to *new* with no more room than it asks for, and roll it back.

    With *full* the application takes all that is left once it is decided. Then littlefs may find
    no room for its folders, but what is live is one of the two sets, to the last byte.
    """
    flash = board(old, blocks=blocks)
    for folder in ("/.ota/new", "/.ota/old"):
        os.mkdir(folder)
    need = _asks_for("2.0", old, new)
    world.begin("2.0", old, new)
    fill(need)
    world.stage(new)
    world.commit()  # which is never refused for want of room
    if full:
        fill_up()
    assert world.power_on(flash) is None
    if full and status()["state"] == "idle":
        assert status()["last"]["reason"] == "could not be put in place"
        assert without_fillers() == old
        return need
    assert without_fillers() == new
    world.rollback()
    assert world.power_on(flash) is None
    assert without_fillers() == old
    return need


def test_with_the_room_that_is_asked_for_it_goes_through():
    # The number is neither too small for the worst moment, nor is it checked too late.
    shapes = (
        [(5, 30000)],
        [(40, 300)],
        [(90, 120)],
        [(30, 3000), (30, 500)],
        [(12, 5000), (50, 60)],
    )
    for shape in shapes:
        old, new = dict(OLD), dict(OLD)
        number = 0
        for count, size in shape:
            for _ in range(count):
                path = "/app/f%03d.bin" % number
                if number % 3:
                    old[path] = _content(number, size - 20, 1)
                if number % 5:
                    new[path] = _content(number, size, 2)
                elif number % 4 == 0:
                    new["/new%d/g" % (number % 7)] = _content(number, size, 2)
                number += 1
        new["/main.py"] = _content(0, 6000, 2)
        for full in (False, True):
            _worst_moment(old, new, full)


def test_nothing_is_lost_when_littlefs_looks_for_room_in_the_middle_of_a_rename():
    # It takes the blocks of the next name in the folder that it moves from: there must be none.
    for step in range(8):
        size, small = 2900 + 37 * step, 480 + step
        old, new = dict(OLD), dict(OLD)
        for number in range(60):
            path = "/app/f%03d.bin" % number
            if number % 3:
                old[path] = _content(number, size if number < 30 else small, 1)
            if number % 5:
                new[path] = _content(number, size if number < 30 else small, 2)
        _worst_moment(old, new, full=True, blocks=212)


def test_what_is_moved_is_the_last_in_its_folder():
    old = dict(OLD)
    for name in ("b.py", "d/e.py", "f.mpy", "i/x", "i/y", "q/r", "z.mpy"):
        old["/s/" + name] = old["/" + name.replace("/", "_")] = b"12345"
        old["/lib/" + name] = b"54321"
    names = ("a.py", "b.py", "d/n/o/p.py", "d/n/q.py", "f.py", "new/x", "new/z", "z.py")
    brings = sorted(["/%s/%s" % (top, name) for name in names for top in ("lib", "s", "t")])
    deletes = ["/lib/d/e.py", "/lib/f.mpy", "/lib/i/x", "/lib/i/y", "/lib/q/r"]
    deletes.extend(("/q_r", "/s/i/x", "/s/i/y", "/s/q/r"))
    for rows in (files_of(*brings), []):
        board(old, blocks=160)
        take(describe(rows, deletes))
        for path, _ in world.needed():
            world.send(path, b"12345")
        world.commit()
        listed = list(record.lines(record.PLAN))
        staged = [fields[1] for fields in listed if fields[0] in "aArRm"]
        back = [fields[1] for fields in listed if fields[0] in "xX"]
        back.extend([fields[1] for fields in listed if fields[0] in "rRdD"])
        for moved in (staged, back):
            assert moved == sorted(moved, reverse=True), moved
            assert len(set(moved)) == len(moved)
        assert len(back) > 7 and (len(staged) > 20 or not rows)


def test_what_is_kept_by_copy_is_asked_for():
    # Files in / are copied and not moved, when they are replaced and when they go.
    old = dict(OLD)
    old.update({"/big%d.bin" % n: _content(n, 50000, 1) for n in range(4)})
    small = dict(OLD)
    small.update({"/big%d.bin" % n: b"small now" for n in range(4)})
    assert _worst_moment(old, small) > 48  # replaced
    assert _worst_moment(old, dict(OLD)) > 48  # deleted
    # A module whose other form is in the way.
    forms = dict(OLD)
    forms["/m.py"] = _content(1, 100000, 1)
    other = dict(OLD)
    other["/m.mpy"] = b"M\x06\x00\x1f"
    assert _worst_moment(forms, other) > 24


def test_folders_that_go_and_come_fit():
    # In / they are made once more, with all that are below, since nothing is moved out of /.
    files = dict(OLD)
    files.update({"/top/d%02d/e/f" % number: b"12345" for number in range(20)})
    _worst_moment(files, dict(OLD))
    _worst_moment(dict(OLD), files)


def test_one_block_less_is_refused():
    old, new = _app(1, 6, 9000), _app(2, 6, 9000)
    board(old, blocks=160)
    os.mkdir("/.ota/new")
    os.mkdir("/.ota/old")
    need = _asks_for("2.0", old, new)
    fill(need - 1)
    error = refused(507, "no_space", world.begin, "2.0", old, new)
    assert error.extra["need"] == need * 4096
    untouched()
    # The description and the plan of it take room as well while it begins, but no more than that.
    os.remove("/filler")
    fill(need + 4)
    world.begin("2.0", old, new)


def test_a_wrapped_free_count_reads_as_nothing():
    import ota.flash

    class Os:
        ilistdir = staticmethod(os.ilistdir)
        stat = staticmethod(os.stat)

        @staticmethod
        def statvfs(path):
            return (4096, 4096, 212, 4294967294, 4294967294)

    board()
    real = ota.flash.os
    ota.flash.os = Os
    try:
        refused(507, "no_space", world.begin, "2.0", OLD, changed())
        assert space()[0] == 0
    finally:
        ota.flash.os = real
    untouched()


def test_no_space_for_the_copies_leaves_it_staged():
    old = dict(OLD)
    old["/big.py"] = _content(1, 60000, 1)
    new = dict(old)
    new["/big.py"] = b"small now"
    flash = board(old, blocks=96)
    world.begin("2.0", old, new)
    world.stage(new)
    fill(3)
    error = refused(507, "no_space", world.commit)
    assert error.extra["free"] < error.extra["need"]
    assert status()["state"] == "staging"
    os.remove("/filler")
    world.commit()
    world.power_on(flash)
    assert live() == new


# --- memory and time ----------------------------------------------------------------------------


def _peak(count, deletes):
    """Return how many bytes of heap an update of *count* files, or deletions, needs at most."""
    files = {"/lib/some/where/file%03d.py" % n: b"%d" % n for n in range(count)}
    board(OLD if not deletes else dict(list(OLD.items()) + list(files.items())), blocks=400)
    if deletes:
        sent = world.archive(describe(deletes=sorted(files)))
    else:
        sent = world.archive(world.description("2.0", (), files), files)
    files = None
    most = calls = 0

    async def look(ms):
        nonlocal most, calls
        calls += 1
        if calls % 7 == 0:
            gc.collect()
            most = max(most, gc.mem_alloc() - before)

    class Slow(world.Sent):
        async def readinto(self, view):
            await look(0)
            return await real[1].readinto(self, view[:100])

    real = asyncio.sleep_ms, world.Sent
    asyncio.sleep_ms = look
    world.Sent = Slow
    gc.collect()
    before = gc.mem_alloc()
    world.ask("POST", "/api/v1/update", sent)
    world.commit()
    asyncio.sleep_ms, world.Sent = real
    assert calls > 4 * count
    return most


def test_memory_does_not_grow_with_the_number_of_files():
    for deletes in (False, True):
        _peak(3, deletes)
        small, large = _peak(3, deletes), _peak(300, deletes)
        print("peak of 3 files %d bytes, of 300 files %d bytes" % (small, large))
        assert small > 2000 and abs(large - small) < 2048, (small, large)


def test_work_does_not_grow_faster_than_the_number_of_files():
    # Reads of the flash while an update begins and is committed, for each file.
    each = []
    for count in (50, 400):
        files = ["/s/d%02d/f%03d" % (number // 16, number) for number in range(count)]
        old = dict(OLD)
        old.update(dict.fromkeys(files[::2], b"12345"))
        flash = board(old, blocks=1200)
        opened = [0]
        real = open

        def counting(path, mode="r", opened=opened, real=real):
            opened[0] += 1
            return real(path, mode)

        record.open = counting
        take(describe(files_of(*files[1::2]), files[::2]))
        for path in files[1::2]:
            world.send(path, b"12345")
        world.commit()
        del record.open
        each.append(opened[0] / count)
        world.power_on(flash)
        wanted = dict(OLD)
        wanted.update(dict.fromkeys(files[1::2], b"12345"))
        assert live() == wanted
    print("openings of ours for each file: %.1f of 50, %.1f of 400" % tuple(each))
    assert each[1] < each[0] + 1, each
