"""Files arrive: checked, in pieces, resumed after a break, and never half accepted."""

import os
import sys

import world
from common import OLD, board, changed, live, refused

import ota
import ota_boot
from ota import transaction

BIG = bytes((n * 7 + n // 251) & 0xFF for n in range(100000))


def _begun(**more):
    new = dict(OLD)
    new.update(more)
    flash = board(blocks=160)
    world.begin("2.0", OLD, new)
    return flash, new


def _send(path, data, offset=0, piece=4096):
    return world.send(path, data, offset, piece)


def _state(path):
    for name, size, received, needed in transaction.files():
        if name == path:
            return size, received, needed
    raise KeyError(path)


def test_only_what_differs_is_needed():
    flash = board()
    world.begin("2.0", OLD, changed())
    assert [entry[0] for entry in transaction.needed()] == [
        "/lib/a.py",
        "/lib/new/c.py",
        "/main.py",
    ]
    assert _state("/lib/b.py") == (6, 6, False)
    assert flash.operations


def test_a_file_is_complete_when_it_is_whole_and_right():
    flash, new = _begun(**{"/lib/big.py": BIG})
    assert _send("/lib/big.py", BIG) is True
    assert _state("/lib/big.py") == (100000, 100000, False)
    assert list(transaction.needed()) == []
    transaction.commit()
    world.power_on(flash)
    assert live() == new


def test_another_digest_drops_the_file():
    _begun(**{"/lib/big.py": BIG})
    wrong = BIG[:50000] + b"!" + BIG[50001:]
    error = refused(422, "digest_mismatch", _send, "/lib/big.py", wrong)
    assert error.extra["expected"] == world.sha256(BIG)
    assert error.extra["actual"] == world.sha256(wrong)
    assert _state("/lib/big.py") == (100000, 0, True)
    assert not ota_boot.exists("/.ota/new/004")
    assert _send("/lib/big.py", BIG)


def test_the_wrong_file_is_never_on_flash_in_its_full_size():
    # "It has its size" means "it was checked": so the last piece is not written before.
    _begun(**{"/lib/big.py": BIG[:9000]})
    writer = transaction.open_file("/lib/big.py", 0)
    wrong = BIG[:8999] + b"!"
    writer.write(memoryview(wrong)[:4096])
    writer.write(memoryview(wrong)[4096:8192])
    sizes = []
    real = writer._file.close

    class File:
        write = writer._file.write

        @staticmethod
        def close():
            real()
            sizes.append(os.stat("/.ota/new/004")[6])

    writer._file = File
    refused(422, "digest_mismatch", writer.write, memoryview(wrong)[8192:])
    writer.abandon()
    assert sizes == [8192], sizes
    assert _state("/lib/big.py")[1] == 0


def test_more_than_was_announced_is_refused():
    _begun(**{"/lib/x.py": b"12345"})
    refused(413, "too_large", _send, "/lib/x.py", b"123456")
    assert _state("/lib/x.py")[2]
    assert _send("/lib/x.py", b"12345")


def test_an_empty_file():
    flash, new = _begun(**{"/lib/empty.py": b""})
    assert [entry[0] for entry in transaction.needed()] == ["/lib/empty.py"]
    refused(409, "missing", transaction.commit)
    assert _send("/lib/empty.py", b"")
    assert list(transaction.needed()) == []
    transaction.commit()
    world.power_on(flash)
    assert live() == new


def test_files_that_are_not_listed():
    _begun(**{"/lib/x.py": b"12345"})
    refused(404, "not_in_update", transaction.open_file, "/lib/y.py")
    refused(404, "not_in_update", transaction.open_file, "/lib")


def test_a_file_that_is_there_already_is_checked_but_not_stored():
    flash, _ = _begun(**{"/lib/x.py": b"12345"})
    operations = flash.operations
    assert _send("/lib/b.py", OLD["/lib/b.py"])
    refused(422, "digest_mismatch", _send, "/lib/b.py", b"B = 2\n")
    assert flash.operations == operations


def test_without_an_update_there_is_nothing_to_send():
    board()
    refused(409, "wrong_state", transaction.open_file, "/lib/x.py")


def test_one_file_at_a_time():
    _begun(**{"/lib/x.py": b"12345", "/lib/y.py": b"y"})
    writer = transaction.open_file("/lib/x.py")
    assert "/lib/x.py" in refused(409, "busy", transaction.open_file, "/lib/y.py").message
    writer.abandon()
    assert _send("/lib/y.py", b"y")


def test_pieces():
    flash, new = _begun(**{"/lib/big.py": BIG})
    for at in range(0, 100000, 10000):
        complete = _send_piece("/lib/big.py", at, at + 10000)
        assert complete == (at == 90000)
        assert _state("/lib/big.py")[1] == at + 10000
    transaction.commit()
    world.power_on(flash)
    assert live() == new


def _send_piece(path, start, end):
    writer = transaction.open_file(path, start)
    view = memoryview(BIG)
    for at in range(start, end, 4096):
        writer.write(view[at : min(at + 4096, end)])
    return writer.close()


def test_pieces_cost_hardly_more_than_one_stream():
    costs = []
    for piece in (100000, 32768, 16384, 8192):
        flash, _ = _begun(**{"/lib/big.py": BIG})
        erases = flash.erases
        for at in range(0, 100000, piece):
            _send_piece("/lib/big.py", at, min(at + piece, 100000))
        costs.append(flash.erases - erases)
    assert max(costs) <= costs[0] * 1.15, costs


def test_a_wrong_offset_says_where_to_go_on():
    _begun(**{"/lib/big.py": BIG})
    _send_piece("/lib/big.py", 0, 20000)
    for offset in (1, 19999, 20001, 100000, 200000):
        error = refused(409, "wrong_offset", transaction.open_file, "/lib/big.py", offset)
        assert error.extra["received"] == 20000
    assert _send_piece("/lib/big.py", 20000, 100000)
    assert refused(409, "wrong_offset", transaction.open_file, "/lib/big.py", 100000)
    # From the start again is always possible.
    assert _send_piece("/lib/big.py", 0, 100000)


def test_a_dropped_connection_loses_nothing():
    _begun(**{"/lib/big.py": BIG})
    writer = transaction.open_file("/lib/big.py")
    writer.write(memoryview(BIG)[:4096])
    writer.write(memoryview(BIG)[4096:5000])
    writer.abandon()
    assert _state("/lib/big.py")[1] == 5000
    assert _send_piece("/lib/big.py", 5000, 100000)


def test_a_restart_loses_at_most_64_kb():
    flash, new = _begun(**{"/lib/big.py": BIG})
    for at in range(0, 90000, 10000):
        _send_piece("/lib/big.py", at, at + 10000)
    assert _state("/lib/big.py")[1] == 90000
    world.power_on(flash)
    here = _state("/lib/big.py")[1]
    assert 90000 - 65536 - 10000 < here < 90000, here
    assert transaction.status()["state"] == "staging"
    assert _send_piece("/lib/big.py", here, 100000)
    transaction.commit()
    world.power_on(flash)
    assert live() == new


def test_what_is_resumed_is_hashed_again():
    # A byte that went wrong on flash in between must not get in.
    flash, _ = _begun(**{"/lib/big.py": BIG})
    writer = transaction.open_file("/lib/big.py")
    writer.write(memoryview(BIG)[:4096])
    writer.abandon()
    world.power_on(flash)
    with open("/.ota/new/004", "r+b") as file:
        file.seek(100)
        file.write(b"!")
    refused(422, "digest_mismatch", _send, "/lib/big.py", BIG, 4096)
    assert _state("/lib/big.py")[1] == 0


def test_another_file_in_between():
    flash, new = _begun(**{"/lib/big.py": BIG, "/lib/x.py": b"x"})
    _send_piece("/lib/big.py", 0, 10000)
    _send("/lib/x.py", b"x")
    world.power_on(flash)
    # The first one was closed for the second, so it is durable.
    assert _state("/lib/big.py")[1] == 10000
    _send_piece("/lib/big.py", 10000, 100000)
    transaction.commit()
    world.power_on(flash)
    assert live() == new


def test_a_writer_left_open_survives_the_unloading_of_its_module():
    # The package is let go of when nobody is connected for a minute.
    _begun(**{"/lib/big.py": BIG})
    _send_piece("/lib/big.py", 0, 10000)
    assert ota.writers["parked"].received == 10000
    from ota import staging

    saved = staging._writers
    staging._writers = ota.writers
    assert saved is ota.writers
    assert _send_piece("/lib/big.py", 10000, 100000)
    assert ota.writers == {}


def test_a_writer_that_another_call_has_closed_stores_nothing_in_secret():
    _begun(**{"/lib/big.py": BIG})
    writer = transaction.open_file("/lib/big.py")
    writer.write(memoryview(BIG)[:4096])
    refused(409, "missing", transaction.commit)  # which closes it, to count what is here
    refused(409, "interrupted", writer.write, memoryview(BIG)[4096:8192])
    writer.abandon()
    assert _state("/lib/big.py")[1] == 4096
    writer = transaction.open_file("/lib/big.py", 4096)
    transaction.abort()
    refused(409, "interrupted", writer.write, memoryview(BIG)[4096:8192])
    assert world.leftovers() == []


def test_unloading_the_package_closes_what_is_parked():
    flash, new = _begun(**{"/lib/big.py": BIG})
    _send_piece("/lib/big.py", 0, 10000)
    writer = ota.writers["parked"]
    loaded = {name: sys.modules[name] for name in sys.modules if name.startswith("ota")}
    ota.let_go()
    assert "ota_boot" not in sys.modules
    sys.modules.update(loaded)
    assert writer._file is None and ota.writers == {}
    world.power_on(flash)
    assert _state("/lib/big.py")[1] == 10000
    assert _send_piece("/lib/big.py", 10000, 100000)
    transaction.commit()
    world.power_on(flash)
    assert live() == new


def test_an_mpy_of_another_firmware_is_refused_at_once():
    own = sys.implementation._mpy
    for head in (b"M\x05\x00\x1f", b"M\x06\x1f\x1f", b"print"):
        data = head + b"x" * 10000
        _begun(**{"/lib/m.mpy": data})
        writer = transaction.open_file("/lib/m.mpy")
        error = refused(422, "mpy_incompatible", writer.write, memoryview(data)[:4096])
        writer.abandon()
        assert "mpy-cross" in error.message
        if head[1] == 5:
            assert "5.0" in error.message and "%d.%d" % (own & 255, own >> 8 & 3) in error.message
        assert not ota_boot.exists("/.ota/new/004")


def test_an_mpy_in_tiny_pieces_is_refused_too():
    data = b"M\x05\x00\x1f"
    _begun(**{"/lib/m.mpy": data})
    writer = transaction.open_file("/lib/m.mpy")
    writer.write(memoryview(data)[:1])
    writer.close()
    writer = transaction.open_file("/lib/m.mpy", 1)
    writer.write(memoryview(data)[1:3])
    refused(422, "mpy_incompatible", writer.write, memoryview(data)[3:])
    writer.abandon()
    _begun(**{"/lib/m.mpy": b"M\x06"})
    refused(422, "mpy_incompatible", _send, "/lib/m.mpy", b"M\x06")


def test_a_boot_py_without_the_guard_is_refused():
    bad = b"import network\nimport ota_boot\nota_boot.run()\n"
    _begun(**{"/boot.py": bad})
    error = refused(422, "boot_without_guard", _send, "/boot.py", bad)
    assert "import ota_boot" in error.message
    assert _state("/boot.py")[2]
    refused(409, "missing", transaction.commit)


def test_a_boot_py_without_the_guard_that_a_cut_left_is_refused_at_commit():
    bad = b"import network\n"
    _begun(**{"/boot.py": bad})
    with open("/.ota/new/000", "wb") as file:  # cut between closing and removing it
        file.write(bad)
    refused(422, "boot_without_guard", transaction.commit)
    assert transaction.status()["state"] == "staging"
    assert live() == OLD


def test_a_boot_py_that_does_not_compile_is_refused():
    # MicroPython would not run a line of it: the guard, and so the roll-back, would be lost.
    for tail in (b"def broken(:\n", b"'never ended\n", b"x = '\xff'\n", b"  indented\n"):
        bad = world.BOOT + tail
        _begun(**{"/boot.py": bad})
        refused(422, "boot_syntax", _send, "/boot.py", bad)
        assert _state("/boot.py")[2]
    good = world.BOOT + b"raise ValueError('of the application: it is undone by the trial')\n"
    _begun(**{"/boot.py": good})
    assert _send("/boot.py", good)


def test_a_guard_that_cannot_guard_is_refused():
    for bad in (
        b"def run(:\n",
        b"x = 1\n",
        b"raise ValueError\n",
        b"supervisor = None\ndef run():\n pass\nload = save = restart = 1\n",
    ):
        _begun(**{"/ota_boot.py": bad})
        refused(422, "boot_syntax", _send, "/ota_boot.py", bad)
        assert _state("/ota_boot.py")[2]
    assert "/.g" not in sys.path
    assert not ota_boot.exists("/.g")
    with open("/compiled", "wb") as file:
        file.write(b"no module at all")
    refused(422, "boot_syntax", ota.load("start").check, "/ota_boot.mpy", "/compiled")
    bad = b"def run(:\n"
    _begun(**{"/ota_boot.py": bad})
    refused(422, "boot_syntax", _send, "/ota_boot.py", bad)
    with open("/.ota/new/006", "wb") as file:  # cut between closing and removing it
        file.write(bad)
    refused(422, "boot_syntax", transaction.commit)


def test_a_huge_boot_py_is_not_read_whole():
    bad = world.BOOT + b"#" * 60000
    _begun(**{"/boot.py": bad})
    refused(422, "boot_too_large", _send, "/boot.py", bad)


def test_a_full_flash_while_receiving():
    flash, _ = _begun(**{"/lib/big.py": BIG})
    with open("/more", "wb") as file:
        try:
            while True:
                file.write(bytes(4096))
                file.flush()
        except OSError:
            pass
    refused(507, "no_space", _send, "/lib/big.py", BIG)
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

    ota_boot.open = counting
    world.stage(new)
    del ota_boot.open
    return opened.count("/.ota/plan")


def test_the_work_for_each_file_does_not_grow_with_their_number():
    each = []
    for count in (30, 300):
        new = dict(OLD)
        new.update({"/lib/f%03d.py" % n: bytes(600) + b"%d" % n for n in range(count)})
        flash = board(blocks=1200)
        world.begin("2.0", OLD, new)
        opened = _count_opened(new)
        assert list(transaction.needed()) == []
        each.append(opened / count)
        assert flash.operations
    # Reads of a KB of the plan: each search goes on where the last one ended.
    assert each[1] < each[0] + 1, each


def test_who_asked_before_a_commit_writes_nothing_after_it():
    from ota import session

    flash, new = _begun(**{"/lib/big.py": BIG})
    for path in [path for path, _, _ in transaction.needed()]:
        writer = transaction.open_file(path)
        for at in range(0, len(new[path]), 4096):
            writer.write(memoryview(new[path])[at : at + 4096])
        assert writer.close() or not new[path]
    for _ in transaction.commit_steps():
        assert session.current()[0]  # as a second client does while it waits for its turn
    refused(409, "wrong_state", transaction.open_file, "/lib/big.py")
    world.power_on(flash)
    assert live() == new
