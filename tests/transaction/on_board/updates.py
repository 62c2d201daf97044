"""Whole updates: manifests that contradict themselves, resuming, committing, rolling back."""

import os

import world
from common import OLD, board, changed, installed, live, refused

import ota_boot
from ota import transaction

SHA = world.sha256(b"12345")


def _draft(files=None, **more):
    board(files)
    return transaction.begin("2.0", **more)


def _dropped(draft):
    draft.drop()
    assert transaction.status()["state"] == "idle"
    assert world.leftovers() == []


def test_duplicates():
    draft = _draft()
    draft.add_file("/lib/x.py", 5, SHA)
    refused(400, "duplicate", draft.add_file, "/lib/x.py", 5, SHA)
    refused(400, "duplicate", draft.add_delete, "/lib/x.py")
    draft.add_delete("/lib/gone.py")
    refused(400, "duplicate", draft.add_delete, "/lib/gone.py")
    refused(400, "duplicate", draft.add_file, "/lib/gone.py", 5, SHA)
    _dropped(draft)


def test_a_path_is_a_file_or_a_folder():
    draft = _draft()
    draft.add_file("/lib/x", 5, SHA)
    refused(409, "not_directory", draft.add_file, "/lib/x/y", 5, SHA)
    draft.add_file("/new/deep/z", 5, SHA)
    refused(400, "duplicate", draft.add_file, "/new/deep", 5, SHA)
    refused(400, "duplicate", draft.add_file, "/new", 5, SHA)
    refused(409, "is_directory", draft.add_file, "/lib", 5, SHA)
    refused(409, "not_directory", draft.add_file, "/main.py/x", 5, SHA)
    refused(409, "is_directory", draft.add_delete, "/lib")
    _dropped(draft)


def test_protected_paths():
    draft = _draft()
    for path in ("/.ota", "/.ota/state", "/.ota/new/000"):
        refused(403, "protected", draft.add_file, path, 5, SHA)
        refused(403, "protected", draft.add_delete, path)
    refused(403, "protected", draft.add_delete, "/boot.py")
    _dropped(draft)


def test_the_guard_can_be_replaced_but_not_deleted():
    draft = _draft()
    draft.add_delete("/ota_boot.py")
    refused(403, "protected", draft.seal)
    assert transaction.status()["state"] == "idle"
    draft = _draft()
    draft.add_delete("/ota_boot.py")
    draft.add_file("/ota_boot.mpy", 5, SHA)
    draft.seal()
    draft = _draft()
    draft.add_file("/ota_boot.mpy", 5, SHA)  # retires the .py
    draft.seal()
    entries = {entry[4]: entry[0] for entry in ota_boot.lines("/.ota/plan")}
    assert entries == {"/ota_boot.mpy": "A", "/ota_boot.py": "D"}, entries


def test_an_unchanged_boot_py_without_the_guard():
    files = dict(OLD)
    files["/boot.py"] = b"import network\n"
    from ramflash import RamFlash

    world.mount(RamFlash(64), fresh=True)
    world.write_tree(files)
    draft = transaction.begin("2.0")
    bad = files["/boot.py"]
    refused(422, "boot_without_guard", draft.add_file, "/boot.py", len(bad), world.sha256(bad))


def test_both_forms_of_a_module():
    for first, second in (("/lib/m.py", "/lib/m.mpy"), ("/lib/m.mpy", "/lib/m.py")):
        draft = _draft()
        draft.add_file(first, 5, SHA)
        refused(400, "both_forms", draft.add_file, second, 5, SHA)
        _dropped(draft)


def test_a_new_form_retires_the_old_one():
    for explicit in ((), ("before",), ("after",)):
        draft = _draft()
        if "before" in explicit:
            draft.add_delete("/lib/a.py")
        draft.add_file("/lib/a.mpy", 5, SHA)
        if "after" in explicit:
            draft.add_delete("/lib/a.py")
        draft.seal()
        kinds = [(e[0], e[4]) for e in ota_boot.lines("/.ota/plan")]
        assert sorted(kinds) == [("a", "/lib/a.mpy"), ("d", "/lib/a.py")], kinds


def test_a_form_that_is_live_already_retires_the_other_one_too():
    files = dict(OLD)
    files["/lib/a.mpy"] = b"M\x06\x00\x1f"
    flash = board(files)
    new = dict(files)
    del new["/lib/a.py"]
    world.begin("2.0", new, new)  # no deletion is listed
    transaction.commit()
    world.power_on(flash)
    assert live() == new
    transaction.rollback()
    world.power_on(flash)
    assert live() == files


def test_too_many_entries():
    draft = _draft()
    for number in range(1000):
        draft.add_delete("/x%d" % number)
    refused(413, "too_many", draft.add_delete, "/y")
    _dropped(draft)


def test_an_empty_manifest_and_one_without_a_version():
    refused(400, "empty", _draft().seal)
    board()
    draft = transaction.begin()
    draft.add_file("/x", 5, SHA)
    refused(400, "bad_version", draft.seal)
    assert world.leftovers() == []
    refused(400, "bad_version", transaction.begin, "")


def test_the_same_manifest_resumes_in_any_order():
    flash = board()
    new = changed()
    session = world.begin("2.0", OLD, new)
    world.stage(new, most=1)
    before = list(transaction.files())
    operations = flash.operations
    assert world.begin("2.0", OLD, new) == session
    draft = transaction.begin("2.0")
    draft.add_delete("/lib/gone.py")
    for path in sorted(new, reverse=True):
        draft.add_file(path, len(new[path]), world.sha256(new[path]))
    assert draft.seal() == session
    assert list(transaction.files()) == before
    assert flash.operations == operations  # comparing writes nothing
    world.power_on(flash)
    assert world.begin("2.0", OLD, new) == session
    world.stage(new)
    transaction.commit()
    world.power_on(flash)
    assert live() == new


def test_another_manifest_is_refused_unless_forced():
    flash = board()
    new = changed()
    session = world.begin("2.0", OLD, new)
    world.stage(new, most=1)
    other = dict(new)
    other["/lib/other.py"] = b"12345"
    error = refused(409, "busy", world.begin, "2.0", OLD, other)
    assert error.extra["id"] == session and "abort" in error.message
    refused(409, "busy", world.begin, "2.1", OLD, new)
    refused(409, "busy", world.begin, "2.0", OLD, new, False)  # without a trial
    assert transaction.status()["id"] == session
    assert world.begin("2.0", OLD, other, True, True) != session
    world.stage(other)
    transaction.commit()
    world.power_on(flash)
    assert live() == other


def test_commit_says_what_is_missing():
    board()
    new = dict(OLD)
    new.update({"/lib/f%02d.py" % n: b"%d" % n for n in range(50)})
    world.begin("2.0", OLD, new)
    world.stage(new, most=5)
    error = refused(409, "missing", transaction.commit)
    assert error.extra["count"] == 45
    assert len(error.extra["need"]) == 20 and error.extra["need"][0] == "/lib/f05.py"
    assert transaction.status()["state"] == "staging"


def test_live_files_that_change_before_the_commit():
    # The application rewrites, removes and adds files while the update is being staged.
    new = changed()
    for path, content in (
        ("/lib/b.py", b"other"),  # was there already: has to be sent after all
        ("/lib/gone.py", None),  # to be deleted: gone
        ("/lib/a.py", None),  # to be replaced: gone
        ("/lib/new/c.py", b"mine"),  # to be added: there
        ("/main.py", None),
    ):
        flash = board()
        world.begin("2.0", OLD, new)
        world.stage(new)
        session = transaction.status()["id"]
        if content is None:
            os.remove(path)
        else:
            ota_boot.make_parents(path)
            with open(path, "wb") as file:
                file.write(content)
        before = world.tree()
        if path == "/lib/b.py":
            assert refused(409, "missing", transaction.commit).extra["need"] == [path]
            world.stage(new)
        transaction.commit()
        assert transaction.status()["id"] == session
        if path == "/main.py":
            continue  # a board without main.py does not count as booted in these tests
        world.power_on(flash)
        assert live() == new, path
        transaction.rollback()
        world.power_on(flash)
        assert world.tree() == before, path
        assert world.leftovers() == []


def test_a_second_roll_back_is_refused_and_the_next_update_works():
    flash = board()
    installed(flash)
    transaction.confirm()
    assert transaction.status()["kept"] == "1.0"
    transaction.rollback("asked for")
    world.power_on(flash)
    status = transaction.status()
    assert status["version"] == "1.0" and status["kept"] is None
    assert status["last"] == {"version": "2.0", "outcome": "reverted", "reason": "asked for"}
    refused(409, "nothing_kept", transaction.rollback)
    installed(flash)
    assert live() == changed()


def test_a_damaged_kept_set_is_not_restored():
    flash = board()
    installed(flash)
    transaction.confirm()
    os.remove("/.ota/old/" + os.listdir("/.ota/old")[0])
    refused(409, "kept_damaged", transaction.rollback)
    assert transaction.status()["state"] == "idle"
    flash = board()
    installed(flash)
    transaction.confirm()
    with open("/.ota/plan", "ab") as file:
        file.write(b"d 999 - - /main.py\n")
    refused(409, "kept_damaged", transaction.rollback)
    world.power_on(flash)
    assert live() == changed()


def test_an_unknown_version_is_kept_too():
    flash = board(version=None)
    installed(flash)
    status = transaction.status()
    assert status["version"] == "2.0" and status["kept"] == "unknown"
    transaction.rollback()
    world.power_on(flash)
    assert transaction.status()["version"] is None
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
    transaction.rollback("no good")
    world.power_on(flash)
    status = transaction.status()
    assert [(e["version"], e["outcome"]) for e in status["history"]] == [
        ("2.3", "reverted"),
        ("2.3", "confirmed"),
        ("2.2", "installed"),
        ("2.1", "confirmed"),
        ("2.0", "confirmed"),
    ], status["history"]
    assert status["last"] == status["history"][0]
    assert status["version"] == "2.2"


def test_the_floor_rises_only_when_the_update_is_kept():
    flash = board()
    for keep in (False, True):
        draft = transaction.begin("2.0", floor="1.5")
        world.enter(draft, OLD, changed())
        draft.seal()
        world.stage(changed())
        transaction.commit()
        world.power_on(flash)
        assert transaction.status()["floor"] is None
        if keep:
            transaction.confirm()
            assert transaction.status()["floor"] == "1.5"
        else:
            transaction.rollback()
            world.power_on(flash)
            assert transaction.status()["floor"] is None


def test_an_update_that_changes_only_the_version():
    flash = board()
    session = world.begin("2.0", OLD, OLD)
    assert session and list(transaction.needed()) == []
    transaction.commit()
    world.power_on(flash)
    assert transaction.status()["version"] == "2.0" and live() == OLD
    transaction.rollback()
    world.power_on(flash)
    assert transaction.status()["version"] == "1.0" and live() == OLD


def test_a_trial_takes_its_time_from_the_caller():
    for trial, seconds in ((True, 180), (60, 60), (False, 0)):
        _draft().drop()
        draft = transaction.begin("2.0", trial=trial)
        draft.add_file("/x", 5, SHA)
        draft.seal()
        assert ota_boot.load()["trial"] == seconds
        transaction.abort()


def test_names_with_spaces_and_other_letters():
    new = dict(OLD)
    new["/lib/a b  c.py"] = b"1"
    new["/w\u00e4rme/\u6e29\u5ea6 1.py"] = b"2"
    flash = board()
    installed(flash, new)
    assert live() == new
    transaction.rollback()
    world.power_on(flash)
    assert live() == OLD


def test_begin_again_after_a_refused_manifest_keeps_the_kept_set():
    flash = board()
    installed(flash)
    transaction.confirm()
    draft = transaction.begin("3.0")
    draft.add_file("/x", 5, SHA)
    refused(400, "duplicate", draft.add_file, "/x", 5, SHA)
    draft.drop()
    assert transaction.status()["kept"] == "1.0"
    transaction.rollback()
    world.power_on(flash)
    assert live() == OLD
