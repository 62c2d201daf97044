"""Whole updates: what contradicts the board, resuming, committing, confirming, rolling back."""

import asyncio
import os
import time

import world
from common import (
    BOARD,
    OLD,
    SIGNATURE,
    accept_signatures,
    board,
    changed,
    describe,
    files_of,
    installed,
    live,
    plan,
    refused,
    row,
    status,
    take,
    untouched,
)
from ramflash import RamFlash

from ota import record, transaction

FIVE = b"12345"  # what files_of() describes


def _refused(status, word, text):
    error = refused(status, word, take, text)
    untouched()
    return error


def _write(path, content):
    record.make_parents(path)
    with open(path, "wb") as file:
        file.write(content)


def _with(*more, **files):
    """Return OLD and *more*, dicts or paths of five bytes."""
    found = dict(OLD)
    for extra in more:
        found.update(extra if isinstance(extra, dict) else {extra: FIVE})
    return found


def _without(files, *paths):
    return {path: files[path] for path in files if path not in paths}


def _whole(text):
    """Send *text* and five bytes for each file that it needs, and commit."""
    for path in take(text)["need"]:
        world.send(path, FIVE)
    world.commit()


def _goes_and_comes_back(flash, text, new):
    """Send *text* and the files that it needs, and look at what is live after each step."""
    before = world.tree()
    for path in take(text)["need"]:
        world.send(path, new[path])
    world.commit()
    assert world.tree() == before
    world.power_on(flash)
    assert live() == new
    world.rollback()
    world.power_on(flash)
    assert world.tree() == before
    assert world.leftovers() == []


# --- what contradicts the board -----------------------------------------------------------------


def test_a_file_in_place_of_a_folder_and_the_reverse():
    board()
    for path in ("/lib", "/data"):
        _refused(409, "is_directory", describe(files_of(path)))
        _refused(409, "is_directory", describe(deletes=[path]))
    for path in ("/main.py/x", "/lib/a.py/x/y"):
        error = _refused(409, "not_directory", describe(files_of(path)))
        assert "is a file" in error.message
    # Also when that file is deleted in the same update: it would be two sets in one place.
    _refused(409, "not_directory", describe(files_of("/lib/gone.py/x"), ["/lib/gone.py"]))
    assert live() == OLD


def test_the_guard_can_be_replaced_but_not_deleted():
    board()
    _refused(403, "protected", describe(deletes=["/ota_boot.py"]))
    _refused(403, "protected", describe(deletes=["/ota_boot.mpy", "/ota_boot.py"]))
    _refused(403, "protected", describe(files_of("/x"), ["/ota_boot.py"]))
    for deletes in ((), ("/ota_boot.py",)):  # a new form retires the other one
        take(describe(files_of("/ota_boot.mpy"), deletes))
        kinds, _ = plan()
        assert kinds == {"/ota_boot.mpy": "A", "/ota_boot.py": "D"}, kinds
        world.abort()
    board(_with({"/ota_boot.mpy": b"M\x06\x00\x1f"}))
    take(describe(deletes=["/ota_boot.mpy"]))  # the other one stays
    world.abort()
    _refused(403, "protected", describe(deletes=["/ota_boot.mpy", "/ota_boot.py"]))


def test_an_application_s_own_package_ota():
    pack = {"/ota/__init__.mpy": b"M\x06\x00\x1f", "/ota/modules.pack": b"x\n"}
    board(_with(pack))
    for path in ("/ota/hello.py", "/ota/deep/hello.mpy", "/ota/__init__.py"):
        error = _refused(409, "hidden", describe([row(1, path)]))
        assert path in error.message, error.message
    for path in ("/ota/keys.txt", "/ota/__init__.mpy", "/ota/modules.pack"):
        take(describe([row(1, path)]))
        world.abort()
    # With each module a file of its own all are found.
    take(describe(files_of("/ota/__init__.py", "/ota/errors.py", "/ota/new.py")))
    world.abort()
    board(_with({"/ota/__init__.py": b"", "/ota/errors.py": b""}))
    take(describe(files_of("/ota/new.py")))


def test_a_boot_py_that_stays_without_the_guard():
    files = dict(OLD)
    files["/boot.py"] = b"import network\n"
    bad = files["/boot.py"]
    same = row(1, "/boot.py", bad)
    for text in (
        describe([same], total=len(bad)),
        describe(files_of("/x")),
        describe(deletes=["/lib/gone.py"]),
    ):
        world.mount(RamFlash(64), fresh=True)
        world.write_tree(files)
        refused(422, "boot_without_guard", _whole, text)
        assert status()["state"] in ("idle", "staging") and live() == files
    # One that brings a right one is welcome.
    if status()["state"] == "staging":
        world.abort()
    text = describe([row(1, "/boot.py", world.BOOT)], total=len(world.BOOT))
    take(text)
    world.send("/boot.py", world.BOOT)
    world.commit()


# --- modules in two forms -----------------------------------------------------------------------


def test_a_new_form_retires_the_old_one():
    files = _with({"/foo.py": b"# the old form"})
    for deletes in ((), ("/foo.py",), ("/foo.mpy0", "/foo.n", "/foo.py")):
        flash = board(files)
        take(describe(files_of("/foo.mpy"), deletes))
        kinds, order = plan()
        assert (kinds["/foo.mpy"], kinds["/foo.py"]) == ("A", "D")
        assert order.count("/foo.py") == 1, order
        world.abort()
        data = b"M\x06\x00\x1f"
        new = _with({"/foo.mpy": data})
        text = describe([row(1, "/foo.mpy", data)], deletes, total=4)
        _goes_and_comes_back(flash, text, new)


def test_a_source_retires_what_was_compiled():
    files = _with({"/foo.mpy": b"M\x06\x00\x1f"})
    for deletes in ((), ("/foo.mpy",)):
        flash = board(files)
        rows = files_of("/foo.n", "/foo.py")
        _goes_and_comes_back(flash, describe(rows, deletes), _with("/foo.n", "/foo.py"))


def test_both_forms_are_deleted():
    files = _with({"/foo.mpy": b"M\x06\x00\x1f", "/foo.py": b"# hides it", "/foo.n": b"n"})
    flash = board(files)
    text = describe(deletes=["/foo.mpy", "/foo.py"])
    _goes_and_comes_back(flash, text, _with({"/foo.n": b"n"}))
    # One of them alone: the other one is what is loaded from then on.
    for gone in ("/foo.mpy", "/foo.py"):
        flash = board(files)
        _goes_and_comes_back(flash, describe(deletes=[gone]), _without(files, gone))


def test_a_form_that_is_live_already_retires_the_other_one_too():
    files = _with({"/lib/a.mpy": b"M\x06\x00\x1f"})
    flash = board(files)
    new = _without(files, "/lib/a.py")
    # No deletion is listed.
    _goes_and_comes_back(flash, world.description("2.0", new, new), new)


def test_modules_with_many_names_between_their_forms():
    files = _with(
        {
            "/lib/x.mpy": b"M\x06\x00\x1f",
            "/lib/x.n.mpy": b"M\x06\x00\x1f",
            "/lib/x.n.py": b"n",
            "/lib/x.o/y.mpy": b"M\x06\x00\x1f",
            "/lib/x.py": b"x",
        }
    )
    flash = board(files)
    # x.mpy goes by a deletion and x.n.mpy by its other form; x.py goes for good.
    text = describe(
        [row(1, "/lib/x.n.py", b"n"), row(2, "/lib/x.o/y.py")],
        ["/lib/x.mpy", "/lib/x.o/y.mpy", "/lib/x.py"],
        total=6,
    )
    gone = ("/lib/x.mpy", "/lib/x.n.mpy", "/lib/x.o/y.mpy", "/lib/x.py")
    new = _without(files, *gone)
    new["/lib/x.o/y.py"] = FIVE
    _goes_and_comes_back(flash, text, new)


# --- folders ------------------------------------------------------------------------------------


def _empties(files, deletes, brings=(), emptied=(), extra=()):
    """Delete from a board with *files*; the topmost of the folders that go are *emptied*."""
    flash = board(_with(*files), blocks=160)
    for folder in extra:
        os.mkdir(folder)
    take(describe(files_of(*brings), deletes))
    kinds, _ = plan()
    going = sorted([path for path in kinds if kinds[path] in "xX"])
    assert going == sorted(emptied), going
    for path in going:
        assert kinds[path] == ("X" if path.rfind("/") == 0 else "x")
    world.abort()
    new = _without(_with(*files), *deletes)
    new.update(dict.fromkeys(brings, FIVE))
    _goes_and_comes_back(flash, describe(files_of(*brings), deletes), new)
    take(describe(files_of(*brings), deletes))
    for path in brings:
        world.send(path, FIVE)
    world.commit()
    world.power_on(flash)
    folders = world.tree()[1]
    for path in emptied:
        assert path not in folders and path + "/" not in "".join(folders), path
    transaction.confirm()
    world.rollback()
    world.power_on(flash)
    assert live() == _with(*files)


def test_a_folder_that_is_left_empty_goes():
    _empties(("/top/a",), ("/top/a",), emptied=("/top",))
    _empties(("/lib/s/a", "/lib/s/b"), ("/lib/s/a", "/lib/s/b"), emptied=("/lib/s",))
    _empties(("/lib/s/a", "/lib/s/b"), ("/lib/s/a",), emptied=())
    _empties(("/lib/s/a",), ("/lib/s/a",), brings=("/lib/s/b",), emptied=())
    _empties(("/lib/s/a",), ("/lib/s/a",), brings=("/lib/s/t/b",), emptied=())
    _empties(("/lib/s/b",), ("/lib/s/a", "/lib/s/b", "/lib/s/c"), emptied=("/lib/s",))


def test_the_topmost_folder_goes_with_all_below():
    files = ("/p/a/b/c", "/p/a/d", "/p/e/f", "/p/g")
    _empties(files, files, emptied=("/p",), extra=("/p/void", "/p/void/void"))
    _empties(files, files[:2], emptied=("/p/a",))
    _empties(files, files[:3], emptied=("/p/a", "/p/e"))
    _empties(files, files[1:], emptied=("/p/e",))
    _empties(files, files[:1] + files[2:], emptied=("/p/a/b", "/p/e"))
    _empties(files, files, brings=("/p/a/b/c2",), emptied=("/p/e",))


def test_sibling_folders_that_take_turns():
    files, deletes, emptied = [], [], []
    for number in range(9):
        for name in ("a", "b"):
            path = "/s/d%d/%s" % (number, name)
            files.append(path)
            if number % 2 or name == "a":
                deletes.append(path)
        if number % 2:
            emptied.append("/s/d%d" % number)
    _empties(files, deletes, emptied=emptied)
    # Names that sort between a folder and what is in it.
    files = ("/s/d", "/s/d-", "/s/e-", "/s/e/x", "/s/e0")
    _empties(files, ("/s/e/x",), emptied=("/s/e",))
    _empties(files, ("/s/e-", "/s/e/x", "/s/e0"), emptied=("/s/e",))
    files = ("/u/f-x/a", "/u/f.x/a", "/u/f/a", "/u/f0/a", "/u/fa/a")
    _empties(files, files[:2] + files[3:], emptied=("/u/f-x", "/u/f.x", "/u/f0", "/u/fa"))
    _empties(files, files[2:3], emptied=("/u/f",))


def test_a_folder_that_a_retired_form_leaves():
    # The other form goes because of the new one, in a folder that stays for that.
    flash = board(_with({"/q/m.mpy": b"M\x06\x00\x1f", "/q/r/n.mpy": b"M\x06\x00\x1f"}))
    text = describe(files_of("/q/m.py"), ["/q/r/n.mpy"])
    take(text)
    kinds, _ = plan()
    assert [path for path in kinds if kinds[path] in "xX"] == ["/q/r"]
    world.abort()
    _goes_and_comes_back(flash, text, _with("/q/m.py"))


def test_a_hidden_folder_of_the_application_stays_with_what_it_wrote_meanwhile():
    for path in ("/p/a/new", "/p/new", "/p/a/b/new"):
        files = _with("/p/a/b/c", "/p/d")
        flash = board(files)
        take(describe(deletes=["/p/a/b/c", "/p/d"]))
        _write(path, b"of the application")
        world.commit()
        world.power_on(flash)
        now = live()
        assert now.pop(path) == b"of the application"
        assert now == OLD
        world.rollback()
        world.power_on(flash)
        assert live() == _with("/p/a/b/c", "/p/d", {path: b"of the application"})


def _longest_hold(flash, count, work):
    """Return how many flash operations and reads *work* makes at most without a yield."""
    marks = [0, 0]
    most = [0, 0]

    def look():
        now = (flash.operations, flash.reads)
        for at in (0, 1):
            most[at] = max(most[at], now[at] - marks[at])
            marks[at] = now[at]

    real = asyncio.sleep_ms

    async def sleep_ms(ms):
        look()

    marks[:] = (flash.operations, flash.reads)
    asyncio.sleep_ms = sleep_ms
    try:
        work()
        look()
    finally:
        asyncio.sleep_ms = real
    return most


def test_hundreds_of_deletions_hold_up_nobody():
    holds = []
    for count in (40, 400):
        files = ["/s/d%03d/%s" % (number // 2, "ab"[number % 2]) for number in range(count)]
        flash = board(_with(*files), blocks=2000)
        text = describe(deletes=files)
        begun = _longest_hold(flash, count, lambda text=text: take(text))
        kinds, _ = plan()
        assert [path for path in kinds if kinds[path] in "xX"] == ["/s"]
        done = _longest_hold(flash, count, world.commit)
        holds.append(begun + done)
        world.power_on(flash)
        assert live() == OLD
    few, many = holds
    for at in (0, 2):
        assert many[at] <= few[at] + 20, (few, many)
    # What littlefs reads to find a free block grows with the folders that there are; all of them
    # in one go would be 100,000 reads.
    for at in (1, 3):
        assert many[at] < 20000, (few, many)


# --- going on, and giving way -------------------------------------------------------------------


def test_the_same_description_resumes():
    flash = board()
    new = changed()
    session = world.begin("2.0", OLD, new)
    world.stage(new, most=1)
    _, before = world.ask("GET", "/api/v1/update")
    body = take(world.description("2.0", OLD, new))
    assert body["id"] == session
    assert body["need"] == ["/lib/new/c.py", "/main.py"]
    assert body["bytes"] == len(new["/lib/new/c.py"]) + len(new["/main.py"])
    assert world.ask("GET", "/api/v1/update")[1] == before
    # Whoever brings it, in whatever request, and after a restart, too.
    world.power_on(flash)
    world.send("/lib/new/c.py", new["/lib/new/c.py"], 0, 3)
    world.power_on(flash)
    body = take(world.description("2.0", OLD, new))
    assert (body["id"], body["need"]) == (session, ["/lib/new/c.py", "/main.py"])
    assert body["bytes"] == len(new["/lib/new/c.py"]) - 3 + len(new["/main.py"])
    world.stage(new)
    world.commit()
    world.power_on(flash)
    assert live() == new


def test_the_whole_archive_resumes_and_installs():
    flash = board()
    new = changed()
    session = world.begin("2.0", OLD, new)
    world.stage(new, most=2)
    world.power_on(flash)
    code, body = world.send_archive("2.0", OLD, new)
    assert (code, body["state"], body["id"]) == (202, "committed", session)
    assert (body["version"], body["signer"]) == ("2.0", None)
    world.power_on(flash)
    assert live() == new


def test_a_head_that_is_to_be_committed_says_what_is_missing():
    flash = board()
    new = changed()
    head = world.archive(world.description("2.0", OLD, new))
    target = "/api/v1/update?commit=yes&restart=no"
    error = refused(409, "missing", world.ask, "PUT", target, head)
    need = ["/lib/a.py", "/lib/new/c.py", "/main.py"]
    assert (error.extra["need"], error.extra["count"]) == (need, 3)
    world.stage(new, most=1)
    error = refused(409, "missing", world.ask, "PUT", target, head)
    assert error.extra["need"] == need[1:]  # what came stays
    world.stage(new)
    assert world.ask("PUT", target, head)[0] == 202
    world.power_on(flash)
    assert live() == new


def test_another_description_waits_while_somebody_goes_on():
    flash = board()
    new = changed()
    session = world.begin("2.0", OLD, new)
    world.stage(new, most=1)
    other = dict(new)
    other["/lib/other.py"] = b"12345"
    for args in (("2.0", OLD, other), ("2.1", OLD, new), ("2.0", OLD, new, False)):
        error = refused(409, "busy", world.begin, *args)
        assert error.extra["id"] == session and "abort" in error.message
    assert status()["id"] == session
    service = world.service
    # 119 s after the last sign of life, and 121 s.
    service.lease = time.ticks_add(time.ticks_ms(), -119000)
    refused(409, "busy", world.begin, "2.0", OLD, other)
    world.send("/main.py", new["/main.py"])  # which renews it
    assert time.ticks_diff(time.ticks_ms(), service.lease) < 60000
    refused(409, "busy", world.begin, "2.0", OLD, other)
    service.lease = time.ticks_add(time.ticks_ms(), -121000)
    second = world.begin("2.0", OLD, other)
    assert second != session and status()["id"] == second
    # Nothing of the first is left, not even what both have.
    assert "/main.py" in [path for path, _ in world.needed()]
    world.stage(other)
    world.commit()
    world.power_on(flash)
    assert live() == other


def test_another_description_after_a_restart():
    flash = board()
    world.begin("2.0", OLD, changed())
    world.stage(changed(), most=2)
    world.power_on(flash)  # nobody has gone on with it since
    other = _with("/lib/other.py")
    world.begin("3.0", OLD, other)
    world.stage(other)
    world.commit()
    world.power_on(flash)
    assert live() == other and status()["version"] == "3.0"


def test_one_that_cannot_begin_leaves_what_is_staged():
    flash = board()
    session = world.begin("2.0", OLD, changed())
    world.stage(changed())
    for text in (describe(), describe(["x"]), describe(files_of("/a"), ["/a"]), b"", b"\xff" * 9):
        try:
            take(text)
        except Exception:
            pass
        assert status()["id"] == session
    world.commit()
    world.power_on(flash)
    assert live() == changed()


def test_only_deletions():
    files = _with("/lib/x/y", "/z")
    flash = board(files)
    body = take(describe(deletes=["/lib/gone.py", "/lib/x/y", "/never", "/z"]))
    assert (body["need"], body["bytes"]) == ([], 0)
    _, body = world.ask("GET", "/api/v1/update")
    assert body["files"] == []
    world.commit()
    world.power_on(flash)
    new = _without(OLD, "/lib/gone.py")
    assert live() == new and "/lib/x" not in world.tree()[1]
    world.rollback()
    world.power_on(flash)
    assert live() == files
    # In one request, as a whole archive.
    whole = world.archive(describe(deletes=["/z"]), {})
    assert world.ask("PUT", "/api/v1/update?commit=yes&restart=no", whole)[0] == 202
    world.power_on(flash)
    assert live() == _without(files, "/z")


def test_an_update_of_which_nothing_is_left_to_do():
    flash = board()
    _goes_and_comes_back(flash, describe(deletes=["/never", "/not/there"]), OLD)


def test_version_words_on_a_device_without_keys():
    flash = board()
    now = OLD
    for number, word in enumerate(("tuesday", "v" * 40, "1", "2026-11-30T17:20", "~")):
        new = dict(now)
        new["/main.py"] = b"main %d" % number
        installed(flash, new, now, word)
        assert status()["version"] == word
        transaction.confirm()
        now = new
    assert [entry["version"] for entry in status()["history"]][:2] == ["~", "2026-11-30T17:20"]


# --- the commit ---------------------------------------------------------------------------------


def test_commit_says_what_is_missing():
    board()
    new = dict(OLD)
    new.update({"/lib/f%02d.py" % n: b"%d" % n for n in range(50)})
    world.begin("2.0", OLD, new)
    world.stage(new, most=5)
    error = refused(409, "missing", world.commit)
    assert error.extra["count"] == 45
    assert len(error.extra["need"]) == 20 and error.extra["need"][0] == "/lib/f05.py"
    assert status()["state"] == "staging"


def test_live_files_that_change_before_the_commit():
    # The application rewrites, removes and adds files while the update is being staged.
    new = changed()
    for path, content in (
        ("/lib/b.py", b"other"),  # was there already: has to be sent after all
        ("/lib/gone.py", None),  # to be deleted: gone
        ("/lib/a.py", None),  # to be replaced: gone
        ("/lib/a.py", b"by hand" * 900),  # to be replaced: another one
        ("/lib/new/c.py", b"mine"),  # to be added: there
        ("/lib/new/c.mpy", b"M\x06\x00\x1f"),  # the other form of what is added
        ("/lib/a.mpy", b"M\x06\x00\x1f"),  # the other form of what is replaced
        ("/main.py", b"by hand"),
        ("/main.py", None),
    ):
        flash = board()
        world.begin("2.0", OLD, new)
        world.stage(new)
        session = status()["id"]
        if content is None:
            os.remove(path)
        else:
            _write(path, content)
        before = world.tree()
        if path == "/lib/b.py":
            assert refused(409, "missing", world.commit).extra["need"] == [path]
            world.stage(new)
        world.commit()
        assert status()["id"] == session
        if path == "/main.py" and content is None:
            continue  # a board without main.py does not count as booted in these tests
        world.power_on(flash)
        assert live() == new, path
        world.rollback()
        world.power_on(flash)
        assert world.tree() == before, path
        assert world.leftovers() == []


def test_live_files_that_change_when_only_the_head_has_come():
    new = changed()
    for path, content in (
        ("/lib/a.py", new["/lib/a.py"]),  # is what it is to be
        ("/lib/b.py", None),  # was live, and is needed now
        ("/main.py", new["/main.py"]),
        ("/lib/gone.py", None),
    ):
        flash = board()
        world.begin("2.0", OLD, new)
        _write(path, content) if content is not None else os.remove(path)
        before = world.tree()
        for name, here in world.needed():
            world.send(name, new[name], here)
        try:
            world.commit()
        except Exception:
            assert path == "/lib/b.py"
            world.stage(new)
            world.commit()
        world.power_on(flash)
        assert live() == new, path
        world.rollback()
        world.power_on(flash)
        assert world.tree() == before, path
        assert world.leftovers() == []


def test_what_gets_in_the_way_before_the_commit_is_told_and_can_be_removed():
    for path, word in (
        ("/lib/new/c.py/x", "is_directory"),
        ("/lib/new", "not_directory"),
    ):
        flash = board()
        new = changed()
        session = world.begin("2.0", OLD, new)
        world.stage(new)
        _write(path, b"in the way")
        refused(409, word, world.commit)
        now = status()
        assert (now["state"], now["id"]) == ("staging", session)
        assert world.leftovers() == []
        os.remove(path)
        if path[-2:] == "/x":
            os.rmdir("/lib/new/c.py")
        world.commit()
        world.power_on(flash)
        assert live() == new


def test_a_folder_that_is_not_left_empty_any_more():
    flash = board(_with("/p/a", "/p/b"))
    take(describe(deletes=["/p/a", "/p/b"]))
    assert plan()[0]["/p"] == "X"
    os.remove("/p/a")
    _write("/p/c", b"of the application")
    world.commit()
    assert "/p" not in plan()[0]
    world.power_on(flash)
    assert live() == _with({"/p/c": b"of the application"})
    # And the reverse: the application removes what would have kept the folder.
    flash = board(_with("/p/a", "/p/b"))
    take(describe(deletes=["/p/a", "/p/c"]))
    assert "/p" not in plan()[0]
    os.remove("/p/b")
    _write("/p/c", b"c")
    world.commit()
    assert plan()[0]["/p"] == "X"
    world.power_on(flash)
    assert live() == OLD


def test_the_application_may_refuse_or_delay():
    flash = board()
    world.begin("2.0", OLD, changed())
    world.stage(changed())
    service = world.service
    asked = []

    def answering(value):
        def before_install(version):
            asked.append(version)
            if isinstance(value, Exception):
                raise value
            return value

        return before_install

    async def later():
        return "it is being used"

    for value, code, word, said in (
        (False, 409, "refused_by_application", "no reason"),
        ("not today", 409, "refused_by_application", "not today"),
        (later(), 409, "refused_by_application", "being used"),
        (ValueError("oops"), 409, "refused_by_application", "oops"),
        (30, 503, "delayed_by_application", "30 s"),
        (0, 503, "delayed_by_application", "1 s"),
    ):
        service.before_install = answering(value)
        error = refused(code, word, world.commit)
        assert said in error.message, error.message
        assert status()["state"] == "staging" and not service.decided
    service.before_install = answering(True)
    world.commit()
    assert asked == ["2.0"] * 7 and service.decided
    world.power_on(flash)
    assert live() == changed()


def test_what_was_staged_unsigned_is_not_committed_by_a_device_that_became_strict():
    flash = board()
    world.begin("2.0", OLD, changed())
    world.stage(changed())
    accept_signatures()
    world.service.require_signed = True
    refused(403, "signed_only", world.commit)
    assert status()["state"] == "staging"
    world.power_on(flash)
    assert live() == OLD


# --- rolling back -------------------------------------------------------------------------------


def test_a_second_roll_back_is_refused_and_the_next_update_works():
    flash = board()
    installed(flash)
    transaction.confirm()
    assert status()["previous"] == "1.0"
    world.rollback()
    world.power_on(flash)
    now = status()
    assert now["version"] == "1.0" and now["previous"] is None
    assert now["last"] == {"version": "2.0", "outcome": "reverted", "reason": "asked for"}
    refused(409, "no_previous", world.rollback)
    installed(flash)
    assert live() == changed()


def test_a_damaged_previous_set_is_not_restored():
    flash = board()
    installed(flash)
    transaction.confirm()
    os.remove("/.ota/old/" + os.listdir("/.ota/old")[0])
    refused(409, "previous_damaged", world.rollback)
    assert status()["state"] == "idle"
    flash = board()
    installed(flash)
    transaction.confirm()
    with open("/.ota/plan", "ab") as file:
        file.write(b"d 0999 - - - /main.py\n")
    refused(409, "previous_damaged", world.rollback)
    world.power_on(flash)
    assert live() == changed()


def test_an_unknown_version_is_a_previous_set_too():
    flash = board(version=None)
    installed(flash)
    now = status()
    assert now["version"] == "2.0" and now["previous"] == "unknown"
    world.rollback()
    world.power_on(flash)
    assert status()["version"] is None
    assert live() == OLD


def test_the_history_is_told_newest_first():
    flash = board()
    now = OLD
    for number in range(4):
        new = dict(now)
        new["/main.py"] = b"main %d" % number
        installed(flash, new, now, "2.%d" % number, trial=number != 2)
        if number != 2:
            transaction.confirm()
        now = new
    world.rollback()
    world.power_on(flash)
    told = status()
    assert [(e["version"], e["outcome"]) for e in told["history"]] == [
        ("2.3", "reverted"),
        ("2.3", "confirmed"),
        ("2.2", "installed"),
        ("2.1", "confirmed"),
        ("2.0", "confirmed"),
    ], told["history"]
    assert told["last"] == told["history"][0]
    assert told["version"] == "2.2"


def test_an_update_that_changes_only_the_version():
    flash = board()
    body = take(world.description("2.0", OLD, OLD))
    assert body["need"] == []
    world.commit()
    world.power_on(flash)
    assert status()["version"] == "2.0" and live() == OLD
    world.rollback()
    world.power_on(flash)
    assert status()["version"] == "1.0" and live() == OLD


def test_names_with_spaces_and_other_letters():
    new = dict(OLD)
    new["/lib/a b  c.py"] = b"1"
    new["/w\u00e4rme/\u6e29\u5ea6 1.py"] = b"2"
    new["/lib/" + "x" * 30 + "\u00e4" * 40 + ".py"] = b"3"
    flash = board()
    world.send_archive("2.0", OLD, new)
    world.power_on(flash)
    assert live() == new
    world.rollback()
    world.power_on(flash)
    assert live() == OLD


def test_a_refused_description_leaves_the_previous_set():
    flash = board()
    installed(flash)
    transaction.confirm()
    for text in (
        describe(),
        describe(files_of("/x"), ["/x"]),
        describe(deletes=["/ota_boot.py"]),
        describe(files_of("/lib")),
        describe(files_of("/x"))[:-4],
    ):
        try:
            take(text)
        except Exception:
            pass
        untouched("1.0")
    world.rollback()
    world.power_on(flash)
    assert live() == OLD


def test_no_version_is_told_when_the_plan_of_a_commit_is_damaged():
    for hurt in ("appended", "removed", "emptied"):
        flash = board()
        world.update("2.0", OLD, changed())
        if hurt == "removed":
            os.remove("/.ota/plan")
        else:
            with open("/.ota/plan", "ab" if hurt == "appended" else "wb") as file:
                file.write(b"-\n" if hurt == "appended" else b"")
        # Whoever looks first: before the restart, and after it.
        for _ in range(2):
            transaction._sound = None
            now = status()
            assert (now["state"], now["version"], now["previous"]) == ("idle", None, None), now
            assert "damaged" in now["ignored"]
            world.power_on(flash)
        # While an update is only being staged, what is live is known.
        flash = board()
        world.begin("2.0", OLD, changed())
        with open("/.ota/plan", "ab") as file:
            file.write(b"-\n")
        world.power_on(flash)
        now = status()
        assert (now["state"], now["version"]) == ("idle", "1.0") and "damaged" in now["ignored"]


# --- the floor ----------------------------------------------------------------------------------


def _signed(version, floor, trial="true", path="/lib/signed.py"):
    """Stage and commit a signed release of one file of five bytes."""
    accept_signatures()
    more = ['floor = "%s";' % floor]
    text = describe(files_of(path), version=version, more=more, boards=[BOARD], trial=trial)
    assert take(text, SIGNATURE)["signer"]
    for name, _ in world.needed():
        world.send(name, FIVE)
    world.commit()


def _pushed(version, data, trial="true", floor=None):
    """Stage and commit a push of one file."""
    more = ['floor = "%s";' % floor] if floor else ()
    text = describe(
        [row(1, "/main.py", data)], total=len(data), version=version, more=more, trial=trial
    )
    assert take(text)["signer"] is None
    world.send("/main.py", data)
    world.commit()


def test_the_floor_rises_only_when_the_update_is_confirmed():
    flash = board()
    for keep in (False, True):
        _signed("2.0.0", "1.5.0")
        world.power_on(flash)
        assert status()["floor"] is None
        if keep:
            transaction.confirm()
            assert status()["floor"] == "1.5.0"
        else:
            world.rollback()
            world.power_on(flash)
            assert status()["floor"] is None
    _signed("2.0.1", "2.0.0", trial="false")
    assert status()["floor"] == "1.5.0"
    world.power_on(flash)
    assert status()["floor"] == "2.0.0"  # there is no trial, so it is installed
    _signed("2.0.2", "1.0.0")
    world.power_on(flash)
    transaction.confirm()
    assert status()["floor"] == "2.0.0"  # it never sinks


def test_a_push_neither_raises_nor_loses_the_floor():
    for trial in ("true", "false"):
        flash = board()
        _signed("2.0.0", "1.5.0")
        world.power_on(flash)
        transaction.confirm()
        for number, floor in enumerate((None, "1.9.0", None)):
            _pushed("1.9.%d" % number, b"pushed %d" % number, trial, floor)
            assert status()["floor"] == "1.5.0"
            world.power_on(flash)
            assert status()["floor"] == "1.5.0"
            if trial == "true":
                transaction.confirm()
            assert (status()["state"], status()["floor"]) == ("idle", "1.5.0")
        world.rollback()
        world.power_on(flash)
        assert status()["floor"] == "1.5.0"
        # And it still counts: for what is signed, and for what is not.
        refused(409, "downgrade", _signed, "1.4.9", "1.0.0")
        refused(409, "downgrade", _pushed, "1.4.9", b"older")
        _pushed("a-word", b"is compared with nothing", trial)
        world.power_on(flash)
        assert status()["floor"] == "1.5.0" and status()["version"] == "a-word"


def test_the_lowest_version_of_the_service_counts_too():
    board()
    world._the_service().min_version = "1.5.0"
    _refused(409, "downgrade", describe(files_of("/x"), version="1.4.9"))
    _refused(409, "downgrade", describe(files_of("/x"), version="1.5.0-rc.1"))
    for version in ("1.5.0", "1.5.0+build", "1.10.0", "word"):
        take(describe(files_of("/x"), version=version))
        world.abort()
