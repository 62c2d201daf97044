"""Files arrive: checked, resumed after a break, and never half accepted."""

import os
import sys
import time

import world
from common import (
    OLD,
    board,
    changed,
    describe,
    fill_up,
    live,
    name_of,
    refused,
    row,
    status,
    take,
)
from ramflash import RamFlash

import ota
from ota import changes, commit, record, staging
from ota.errors import Gone

BIG = bytes((n * 7 + n // 251) & 0xFF for n in range(100000))


def _begun(**more):
    new = dict(OLD)
    new.update(more)
    flash = board(blocks=160)
    world.begin("2.0", OLD, new)
    return flash, new


def _rows():
    status, body = world.ask("GET", "/api/v1/update")
    assert status == 200 and body["state"] == "staging"
    return body["files"]


def _state(path):
    for entry in _rows():
        if entry["path"] == path:
            return entry["size"], entry["received"], entry["needed"]
    raise KeyError(path)


def _needed():
    return [entry["path"] for entry in _rows() if entry["needed"]]


def _send(path, data, offset=0, upto=None):
    """Send from *offset* up to *upto*; return whether the file is complete, and check it."""
    end = len(data) if upto is None else upto
    status, body = world.send(path, data, offset, upto)
    assert body == {"received": end, "size": len(data)}, body
    assert status == (201 if end == len(data) else 202)
    return status == 201


def _break_off(path, data, upto):
    """Send a whole file of which only the bytes up to *upto* come: the connection is lost."""
    real = world.Sent

    class Lost(real):
        async def readinto(self, view):
            count = await real.readinto(self, view)
            if not count:
                raise Gone(104)
            return count

    world.Sent = Lost
    try:
        world.ask("PUT", "/api/v1/update/files" + path, data[:upto], length=len(data))
    except Gone:
        return
    finally:
        world.Sent = real
    raise AssertionError("not lost")


def test_only_what_differs_is_needed():
    flash = board()
    body = take(world.description("2.0", OLD, changed()))
    assert body["need"] == ["/lib/a.py", "/lib/new/c.py", "/main.py"]
    assert body["bytes"] == sum([len(changed()[path]) for path in body["need"]])
    assert _needed() == body["need"]
    assert _state("/lib/b.py") == (6, 6, False)
    assert flash.operations


def test_a_file_is_complete_when_it_is_whole_and_right():
    flash, new = _begun(**{"/lib/big.py": BIG})
    assert _send("/lib/big.py", BIG)
    assert _state("/lib/big.py") == (100000, 100000, False)
    assert _needed() == []
    world.commit()
    world.power_on(flash)
    assert live() == new


def test_another_digest_drops_the_file():
    _begun(**{"/lib/big.py": BIG})
    wrong = BIG[:50000] + b"!" + BIG[50001:]
    error = refused(422, "digest_mismatch", _send, "/lib/big.py", wrong)
    assert error.extra["expected"] == world.sha256(BIG)
    assert error.extra["actual"] == world.sha256(wrong)
    assert _state("/lib/big.py") == (100000, 0, True)
    assert not record.exists(name_of("/lib/big.py"))
    assert _send("/lib/big.py", BIG)


def test_the_wrong_file_is_never_on_flash_in_its_full_size():
    # "It has its size" means "it was checked": so the last piece is not written before.
    new = dict(OLD)
    new["/lib/big.py"] = BIG[:9000]
    wrong = BIG[:8999] + b"!"
    flash = board(blocks=160)
    world.begin("2.0", OLD, new)
    start = bytes(flash.data)
    sizes = set()
    for cut in range(1, 100):
        flash = RamFlash(160, bytearray(start))
        world.mount(flash)
        flash.cut_at = flash.operations + cut
        try:
            refused(422, "digest_mismatch", world.send, "/lib/big.py", wrong)
            break
        except world.PowerCut:
            pass
        world.power_on(RamFlash(160, flash.data))
        sizes.add(_state("/lib/big.py")[1])
        assert _state("/lib/big.py")[2]
        assert max(sizes) < 9000, sizes
    assert 4 < cut < 99 and sizes == {0, 6144}, (cut, sizes)


def test_more_than_was_announced_is_refused():
    _begun(**{"/lib/x.py": b"12345"})
    refused(400, "wrong_size", world.send, "/lib/x.py", b"123456")
    refused(400, "wrong_size", world.send, "/lib/x.py", b"1234")
    for text in ("bytes 0-4/6", "bytes 5-9/10", "bytes 0-4/4"):
        headers = {"content_range": text}
        target = "/api/v1/update/files/lib/x.py"
        try:
            world.ask("PUT", target, b"12345", **headers)
        except ota.errors.Refused as error:
            assert (error.status, error.word) in ((400, "wrong_size"), (400, "bad_range")), error
    assert _state("/lib/x.py")[2]
    assert _send("/lib/x.py", b"12345")


def test_an_empty_file():
    flash, new = _begun(**{"/lib/empty.py": b""})
    assert _needed() == ["/lib/empty.py"]
    refused(409, "missing", world.commit)
    assert _send("/lib/empty.py", b"")
    assert _needed() == []
    world.commit()
    world.power_on(flash)
    assert live() == new


def test_files_that_are_not_listed():
    _begun(**{"/lib/x.py": b"12345"})
    refused(404, "not_in_update", world.send, "/lib/y.py", b"y")
    refused(404, "not_in_update", world.send, "/lib", b"y")
    # What is to be deleted, and a folder that is made, are in the plan, but no files.
    board()
    new = changed()
    world.begin("2.0", OLD, new)
    refused(404, "not_in_update", world.send, "/lib/gone.py", OLD["/lib/gone.py"])
    refused(404, "not_in_update", world.send, "/lib/new", b"")


def test_a_file_that_is_live_already_is_checked_but_not_stored():
    flash, _ = _begun(**{"/lib/x.py": b"12345"})
    operations = flash.operations
    assert _send("/lib/b.py", OLD["/lib/b.py"])
    refused(422, "digest_mismatch", world.send, "/lib/b.py", b"B = 2\n")
    assert flash.operations == operations


def test_without_an_update_there_is_nothing_to_send():
    board()
    refused(409, "wrong_state", world.send, "/lib/x.py", b"x")
    refused(404, "no_update", world.ask, "GET", "/api/v1/update")
    refused(409, "wrong_state", world.commit)
    refused(409, "wrong_state", world.abort)


def test_what_is_for_another_update_is_refused():
    _begun(**{"/lib/x.py": b"12345"})
    session, other = status()["id"], "0" * 64
    for method, target, data in (
        ("PUT", "/api/v1/update/files/lib/x.py", b"12345"),
        ("GET", "/api/v1/update", b""),
        ("POST", "/api/v1/update/commit", b""),
        ("DELETE", "/api/v1/update", b""),
    ):

        def ask(claimed, method=method, target=target, data=data):
            return world.ask(method, target, data, x_ota_session=claimed)

        for claimed in (other, session[:63], session.upper(), ""):
            refused(409, "stale_session", ask, claimed)
    assert status()["id"] == session and _needed() == ["/lib/x.py"]
    answer = world.ask("PUT", "/api/v1/update/files/lib/x.py", b"12345", x_ota_session=session)
    assert answer[0] == 201
    world.abort()
    refused(409, "stale_session", ask, session)  # there is none any more


def test_one_file_at_a_time():
    _begun(**{"/lib/x.py": b"12345", "/lib/y.py": b"y"})
    seen = []
    real = world.Sent

    class Meanwhile(real):
        async def readinto(self, view):
            if not seen:
                seen.append(None)
                error = refused(409, "busy", world.send, "/lib/x.py", b"12345")
                assert "/lib/x.py" in error.message
                # Another file waits for its turn, but not for ever.
                seen.append(refused(503, "busy", world.send, "/lib/y.py", b"y"))
            return await real.readinto(self, view)

    class Clock:
        now = 0

        @staticmethod
        def ticks_ms():
            Clock.now += 500
            return Clock.now

        ticks_add = staticmethod(lambda one, other: one + other)
        ticks_diff = staticmethod(lambda one, other: one - other)

    world.Sent, changes.time = Meanwhile, Clock
    assert _send("/lib/x.py", b"12345")
    world.Sent, changes.time = real, time
    assert Clock.now >= 10000 and len(seen) == 2
    assert _needed() == ["/lib/y.py"]
    assert _send("/lib/y.py", b"y")


def test_pieces():
    flash, new = _begun(**{"/lib/big.py": BIG})
    for at in range(0, 100000, 10000):
        complete = _send("/lib/big.py", BIG, at, at + 10000)
        assert complete == (at == 90000)
        assert _state("/lib/big.py")[1] == at + 10000
    world.commit()
    world.power_on(flash)
    assert live() == new


def test_a_wrong_offset_says_where_to_go_on():
    _begun(**{"/lib/big.py": BIG})
    _send("/lib/big.py", BIG, 0, 20000)
    for offset in (1, 19999, 20001, 99999):
        error = refused(409, "wrong_offset", world.send, "/lib/big.py", BIG, offset)
        assert error.extra["received"] == 20000
    assert _send("/lib/big.py", BIG, 20000)
    refused(409, "wrong_offset", world.send, "/lib/big.py", BIG, 20000)
    # From the start again is always possible.
    assert _send("/lib/big.py", BIG)


def test_a_dropped_connection_loses_at_most_a_buffer():
    flash, new = _begun(**{"/lib/big.py": BIG})
    for upto in (1, 5000, 90001):
        _break_off("/lib/big.py", BIG, upto)
        _, here, needed = _state("/lib/big.py")
        assert upto - 3072 < here <= upto and needed
    # Nothing stays open: neither unloading nor a restart loses any of it.
    loaded = {name: sys.modules[name] for name in sys.modules}
    ota.unload()
    assert "ota.staging" not in sys.modules
    sys.modules.update(loaded)  # the files that they are from are out of reach
    world.power_on(flash)
    assert _state("/lib/big.py")[1] == here
    assert _send("/lib/big.py", BIG, here)
    world.commit()
    world.power_on(flash)
    assert live() == new


def test_a_power_cut_loses_at_most_64_kb():
    new = dict(OLD)
    new["/lib/big.py"] = BIG
    flash = board(blocks=160)
    world.begin("2.0", OLD, new)
    start = bytes(flash.data)
    _send("/lib/big.py", BIG)
    whole = flash.operations
    real, sent = world.Sent, [0]

    class Counted(real):
        async def readinto(self, view):
            count = await real.readinto(self, view)
            sent[0] += count
            return count

    here = []
    for cut in range(5, whole, 40):
        flash = RamFlash(160, bytearray(start))
        world.mount(flash)
        flash.cut_at = flash.operations + cut
        world.Sent, sent[0] = Counted, 0
        try:
            world.send("/lib/big.py", BIG)
            break
        except world.PowerCut:
            pass
        world.Sent = real
        flash = RamFlash(160, flash.data)
        world.power_on(flash)
        here.append(_state("/lib/big.py")[1])
        assert sent[0] - 65536 - 3072 <= here[-1] < sent[0] or here[-1] == sent[0] == 100000
        assert status()["state"] == "staging"
        _send("/lib/big.py", BIG, here[-1] % 100000)
        world.commit()
        world.power_on(flash)
        assert live() == new, cut
    assert 65000 < max(here) < 100000, here
    world.Sent = real


def test_what_is_resumed_is_hashed_again():
    # A byte that went wrong on flash in between must not get in.
    flash, _ = _begun(**{"/lib/big.py": BIG})
    _send("/lib/big.py", BIG, 0, 4096)
    world.power_on(flash)
    with open(name_of("/lib/big.py"), "r+b") as file:
        file.seek(100)
        file.write(b"!")
    refused(422, "digest_mismatch", world.send, "/lib/big.py", BIG, 4096)
    assert _state("/lib/big.py")[1] == 0


def test_another_file_in_between():
    flash, new = _begun(**{"/lib/big.py": BIG, "/lib/x.py": b"x"})
    _send("/lib/big.py", BIG, 0, 10000)
    _send("/lib/x.py", b"x")
    world.power_on(flash)
    assert _state("/lib/big.py")[1] == 10000
    _send("/lib/big.py", BIG, 10000)
    world.commit()
    world.power_on(flash)
    assert live() == new


def test_files_come_in_any_order():
    flash = board()
    new = changed()
    world.begin("2.0", OLD, new)
    for path in reversed(_needed()):
        assert _send(path, new[path])
        assert _send(path, new[path])  # once more does no harm
    world.commit()
    world.power_on(flash)
    assert live() == new


def test_what_came_before_an_abort_or_another_update_is_not_taken_for_the_next():
    _begun(**{"/lib/big.py": BIG, "/lib/x.py": b"x"})
    _send("/lib/big.py", BIG, 0, 4096)
    world.abort()
    assert world.leftovers() == []
    new = dict(OLD)
    new["/lib/a-first.py"] = b"first"
    new["/lib/big.py"] = BIG
    world.begin("2.0", OLD, new)
    assert _state("/lib/big.py")[1] == 0
    _send("/lib/big.py", BIG, 0, 4096)
    del new["/lib/a-first.py"]  # all numbers move down
    world.begin("2.0", OLD, new, force=True)
    assert _state("/lib/big.py")[1] == 0 and _needed() == ["/lib/big.py"]


def test_an_mpy_of_another_firmware_is_refused():
    own = sys.implementation._mpy
    for head in (b"M\x05\x00\x1f", b"M\x06\x1f\x1f", b"print"):
        data = head + b"x" * 10000
        _begun(**{"/lib/m.mpy": data})
        error = refused(422, "mpy_incompatible", world.send, "/lib/m.mpy", data)
        assert "mpy-cross" in error.message
        if head[1] == 5:
            assert "5.0" in error.message and "%d.%d" % (own & 255, own >> 8 & 3) in error.message
        assert not record.exists(name_of("/lib/m.mpy"))
        refused(409, "missing", world.commit)


def test_an_mpy_in_tiny_pieces_is_refused_too():
    data = b"M\x05\x00\x1f"
    _begun(**{"/lib/m.mpy": data})
    _send("/lib/m.mpy", data, 0, 1)
    _send("/lib/m.mpy", data, 1, 3)
    refused(422, "mpy_incompatible", world.send, "/lib/m.mpy", data, 3)
    assert _state("/lib/m.mpy")[1] == 0
    refused(422, "mpy_incompatible", lambda: world.send("/lib/m.mpy", data, piece=1))
    _begun(**{"/lib/m.mpy": b"M\x06"})
    refused(422, "mpy_incompatible", world.send, "/lib/m.mpy", b"M\x06")
    _begun(**{"/lib/m.mpy": b""})
    refused(422, "mpy_incompatible", world.send, "/lib/m.mpy", b"")
    assert _state("/lib/m.mpy")[2]


# --- what the board starts with -----------------------------------------------------------------


def test_a_boot_py_without_the_guard_is_refused():
    bad = b"import network\nimport ota_boot\nota_boot.run()\n"
    _begun(**{"/boot.py": bad})
    error = refused(422, "boot_without_guard", world.send, "/boot.py", bad)
    assert "import ota_boot" in error.message
    assert _state("/boot.py")[2]
    refused(409, "missing", world.commit)


def test_a_boot_py_without_the_guard_that_a_cut_left_is_refused_at_commit():
    bad = b"import network\n"
    _begun(**{"/boot.py": bad})
    with open(name_of("/boot.py"), "wb") as file:  # cut between closing and removing it
        file.write(bad)
    refused(422, "boot_without_guard", world.commit)
    assert status()["state"] == "staging"
    assert live() == OLD


def test_a_boot_py_that_does_not_compile_is_refused():
    # MicroPython would not run a line of it: the guard, and so the roll-back, would be lost.
    for tail in (b"def broken(:\n", b"'never ended\n", b"x = '\xff'\n", b"  indented\n"):
        bad = world.BOOT + tail
        _begun(**{"/boot.py": bad})
        refused(422, "boot_syntax", world.send, "/boot.py", bad)
        assert _state("/boot.py")[2]
    good = world.BOOT + b"raise ValueError('of the application: it is undone by the trial')\n"
    _begun(**{"/boot.py": good})
    assert _send("/boot.py", good)


def test_a_guard_that_cannot_guard_is_refused():
    for bad in (
        b"def run(:\n",
        b"x = 1\n",
        b"raise ValueError\n",
        b"supervisor = None\ndef run():\n pass\nload = save = 1\n",
    ):
        _begun(**{"/ota_boot.py": bad})
        refused(422, "boot_syntax", world.send, "/ota_boot.py", bad)
        assert _state("/ota_boot.py")[2]
    assert "/.g" not in sys.path
    assert not record.exists("/.g")
    with open("/compiled", "wb") as file:
        file.write(b"no module at all")
    refused(422, "boot_syntax", commit.check_start, "/ota_boot.mpy", "/compiled")
    bad = b"def run(:\n"
    _begun(**{"/ota_boot.py": bad})
    refused(422, "boot_syntax", world.send, "/ota_boot.py", bad)
    with open(name_of("/ota_boot.py"), "wb") as file:  # cut between closing and removing it
        file.write(bad)
    refused(422, "boot_syntax", world.commit)
    assert status()["state"] == "staging"


def test_a_huge_boot_py_is_not_read_whole():
    bad = world.BOOT + b"#" * 60000
    _begun(**{"/boot.py": bad})
    refused(422, "boot_too_large", world.send, "/boot.py", bad)


def test_a_keyring_that_nobody_could_read_is_refused():
    # It would end all updates of this device.
    for bad in (b"{", b"[]", b"null", b"{}", b'{"keys": []}', b" " * 7000):
        _begun(**{"/ota/keys.json": bad})
        refused(422, "bad_keyring", world.send, "/ota/keys.json", bad)
        assert _state("/ota/keys.json")[2]
        with open(name_of("/ota/keys.json"), "wb") as file:
            file.write(bad)
        refused(422, "bad_keyring", world.commit)
        assert status()["state"] == "staging"


# --- a whole archive ----------------------------------------------------------------------------


def _archive(new, query="", text=None, cut=None):
    whole = world.archive(text or world.description("2.0", OLD, new), new)
    return world.ask("POST", "/api/v1/update" + query, whole[:cut])


def test_a_whole_archive_stages_all_that_is_needed():
    flash = board()
    new = changed()
    status_, body = _archive(new)
    assert (status_, body["need"], body["bytes"]) == (201, [], 0)
    world.commit()
    world.power_on(flash)
    assert live() == new


def test_what_is_here_already_is_skipped_but_compared():
    flash = board()
    new = changed()
    world.begin("2.0", OLD, new)
    _send("/lib/a.py", new["/lib/a.py"])
    operations = flash.operations
    whole = world.archive(world.description("2.0", OLD, new), new)
    for path in ("/lib/a.py", "/lib/b.py"):  # staged; live
        wrong = dict(new)
        data = bytearray(new[path])
        data[0], data[1] = data[1], data[0]  # the same sum
        wrong[path] = bytes(data)
        text = world.description("2.0", OLD, new)
        session = status()["id"]
        error = refused(422, "digest_mismatch", _archive, wrong, "", text)
        assert path in error.message
        assert status()["state"] == "idle" and world.leftovers() == []
        assert world.begin("2.0", OLD, new) == session
        _send("/lib/a.py", new["/lib/a.py"])
    assert flash.operations > operations
    # And what is right costs no writing.
    world.stage(new)
    operations = flash.operations
    assert world.ask("POST", "/api/v1/update", whole)[1]["need"] == []
    assert flash.operations - operations < 10  # the description, aside and away again
    assert _needed() == []


def test_an_archive_that_lacks_files_begins_nothing():
    board()
    new = changed()
    whole = world.archive(world.description("2.0", OLD, new), new)
    trailer = whole.rfind(b"0707020000")
    for cut in (len(whole) - 1, trailer + 3, trailer - 1):
        refused(400, "truncated", _archive, new, "", None, cut)
        assert status()["state"] == "idle" and world.leftovers() == []
        assert live() == OLD
    assert not record.exists(record.DESCRIPTION)


# --- room, and work -----------------------------------------------------------------------------


def test_a_full_flash_while_receiving():
    flash, _ = _begun(**{"/lib/big.py": BIG})
    fill_up()
    refused(507, "no_space", world.send, "/lib/big.py", BIG)
    os.remove("/more")
    here = max(_state("/lib/big.py")[1], 0)
    assert _send("/lib/big.py", BIG, here)
    assert flash.operations


def _count_opened(new):
    """Stage *new* and return how often the plan was opened for that."""
    opened = []
    real = open

    def counting(path, mode="r"):
        opened.append(path)
        return real(path, mode)

    record.open = counting
    world.stage(new)
    del record.open
    return opened.count("/.ota/plan")


def test_the_work_for_each_file_does_not_grow_with_their_number():
    each = []
    for count in (30, 300):
        new = dict(OLD)
        new.update({"/lib/f%03d.py" % n: bytes(600) + b"%d" % n for n in range(count)})
        flash = board(blocks=1200)
        world.begin("2.0", OLD, new)
        opened = _count_opened(new)
        assert _needed() == []
        each.append(opened / count)
        assert flash.operations
    # Reads of a KB of the plan: each search goes on where the last one ended.
    assert each[1] < each[0] + 1, each


def test_the_plan_is_read_once_for_a_whole_archive():
    reads = []
    for count in (30, 300):
        new = dict(OLD)
        new.update({"/lib/f%03d.py" % n: bytes(600) + b"%d" % n for n in range(count)})
        board(blocks=1200)
        opened = []
        real = open

        def counting(path, mode="r", opened=opened, real=real):
            opened.append(path)
            return real(path, mode)

        whole = world.archive(world.description("2.0", OLD, new), new)
        record.open = staging.open = counting
        world.ask("POST", "/api/v1/update", whole)
        del record.open, staging.open
        reads.append((opened.count("/.ota/plan") + opened.count("/.ota/building")) / count)
    assert reads[1] < reads[0] + 0.5, reads


def test_who_asked_before_a_commit_writes_nothing_after_it():
    flash, new = _begun(**{"/lib/big.py": BIG})
    assert _send("/lib/big.py", BIG)
    asked = []

    def before_install(version):
        # Another client's file in the middle of the commit waits for its turn.
        asked.append(world._the_service().upload)

    world._the_service().before_install = before_install
    world.commit()
    assert asked[0] is not None
    refused(409, "wrong_state", world.send, "/lib/big.py", BIG)
    world.power_on(flash)
    assert live() == new


def test_a_description_says_how_large_a_file_is_and_so_it_is():
    # A file of 0 bytes is no file that has not come yet, and one of no listed size is refused.
    board()
    take(describe([row(1, "/lib/x.py", b"")], total=0))
    refused(400, "wrong_size", world.send, "/lib/x.py", b"1")
    assert _needed() == ["/lib/x.py"]
    assert _send("/lib/x.py", b"")
