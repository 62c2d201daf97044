"""The state record: one page, and damaged reads as unknown, never as another value."""

import json
import os
from binascii import crc32

import common
import world

from ota import record as records


def _full():
    common.board()
    record = records.load()
    record.update(
        {
            "state": "trial",
            "version": "2.0.0",
            "previous": "1.0.0",
            "id": "0123456789abcdef" * 4,
            "plan": "fedcba9876543210",
            "trial": 180,
            "tries": 1,
            "last": [7, "1.0.0", "confirmed", None],
        }
    )
    records.save(record)
    return record


def _raw():
    with open("/.ota/state", "rb") as file:
        return file.read()


def _write(raw):
    with open("/.ota/state", "wb") as file:
        file.write(raw)


def _read():
    with open("/.ota/state", "rb") as file:
        return file.read()


def test_what_is_saved_is_loaded():
    record = _full()
    assert records.load() == record
    assert records.ignored is None


def test_a_new_board_has_none():
    common.board(version=None)
    record = records.load()
    assert record["state"] == "idle" and record["version"] is None
    assert records.ignored is None


def test_a_torn_record_is_unknown():
    _full()
    raw = _raw()
    for length in range(1, len(raw)):
        _write(raw[:length])
        record = records.load()
        assert record["state"] == "idle" and record["version"] is None, raw[:length]
        assert records.ignored
    _write(b"")  # a new file whose first writing was cut
    assert records.load()["state"] == "idle"
    assert records.ignored is None
    os.mkdir(records.OLD)
    for path in (records.SETTINGS, records.PLAN, records.HISTORY):
        open(path, "w").close()
        assert records.load()["state"] == "idle"
        assert records.ignored == "The state record is lost."
        if path != records.SETTINGS:
            os.remove(records.STATE)
            assert records.load()["state"] == "idle" and records.ignored
            _write(b"")
        os.remove(path)


def test_an_edited_record_is_unknown():
    _full()
    raw = _raw()
    for index in range(len(raw)):
        for bit in (1, 0x20):
            edited = bytearray(raw)
            edited[index] ^= bit
            _write(edited)
            assert records.load()["version"] is None, bytes(edited)
            assert records.ignored


def test_a_record_with_a_right_checksum_but_wrong_types_is_unknown():
    common.board()
    good = [records.load()[name] for name, _ in records._FIELDS]
    wrong = [{}, [], [1, 2], None, 3, "text", good[:-2], good + [0]]
    for index, (name, kind) in enumerate(records._FIELDS):
        for value in (3, "x", [1], {}, None, True):
            values = list(good)
            values[index] = value
            if kind is int and (value is True or value == 3):
                continue
            if kind is str and name != "state" and (value is None or value == "x"):
                continue
            if kind is list and value is None:
                continue
            wrong.append(values)
    for values in wrong:
        raw = json.dumps(values).encode()
        _write(b"1 %08x " % crc32(raw) + raw)
        assert records.load()["state"] == "idle", values
        assert records.ignored, values


def test_what_was_changed_by_hand_is_noted_and_forgotten():
    common.board()
    records.save(records.load())
    before = _read()
    records.mark(180, ("/main.py",))
    assert records.load()["changed"] == "180 /main.py"
    records.mark(60, ("/lib/a b.py", "/main.py", "/data/" + "x" * 90))
    changed = "60 /lib/a?b.py /main.py .." + "x" * 26
    assert records.load()["changed"] == changed
    records.mark(60, ("/new.py",))
    assert records.load()["changed"] == "60 /main.py .." + "x" * 26 + " /new.py"
    records.unmark()
    # And then it is as it was, for a guard that does not know of it.
    assert records.load()["changed"] is None
    assert _read() == before


def test_a_series_of_changes_by_hand_costs_one_page():
    files = dict(common.OLD)
    files.update({"/main.py": b"1", "/lib/x.py": b"2", "/lib/y.py": b"3"})
    flash = common.board(files)
    saved = []
    real = records.save

    def save(record):
        before = flash.operations, flash.erases
        real(record)
        saved.append((flash.operations - before[0], flash.erases - before[1]))

    records.save = save
    try:
        world.ask("PUT", "/fs/lib/x.py", b"4")
        world.ask("MOVE", "/fs/lib/y.py", x_destination="/fs/lib/z.py")
        world.ask("PUT", "/fs/main.py", b"5")
        world.ask("DELETE", "/fs/lib/z.py")
    finally:
        records.save = real
    assert saved == [(1, 0)], saved
    assert records.load()["changed"] == "180 /lib/x.py"
    changed = world._the_service().changed
    assert changed == ["/lib/x.py", "/main.py", "/lib/z.py"], changed
    world.power_on(flash)
    assert world.ota_boot._by_hand and world.ota_boot._trial_s == 180


def test_the_longest_record_has_room_for_a_mark():
    common.board()
    record = records.load()
    for name, kind in records._FIELDS:
        if kind is str and name != "state":
            long = {"id": "0" * 64, "plan": "0" * 16, "old": "0" * 8, "signer": "0" * 16}
            record[name] = long.get(name, "9" * 40)
    record["reason"] = "r" * 100
    record["last"] = [999, "9" * 40, "reverted", "r" * 100]
    record["changed"] = None
    records.save(record)
    records.mark(86400, ["/" + name * 60 for name in "abc"])
    assert records.ignored is None
    assert records.load()["changed"].startswith("86400 ..aaaa")


def test_a_huge_record_is_not_read():
    common.board()
    raw = json.dumps(["idle"] + ["x" * 60] * 2000).encode()
    _write(b"1 %08x " % crc32(raw) + raw)
    assert records.load()["state"] == "idle"
    assert records.ignored


def test_a_directory_in_its_place():
    flash = common.board()
    records.remove("/.ota/state")
    os.mkdir("/.ota/state")
    assert world.power_on(flash)  # said in ignored
    assert common.live() == common.OLD
    common.installed(flash)  # and the next update puts it right
    assert common.live() == common.changed()
    records.load()
    assert records.ignored is None


def test_odd_things_in_its_place_are_cleared_away():
    common.board()
    record = _full()
    records.remove("/.ota/state")
    os.mkdir("/.ota/state")
    os.mkdir("/.ota/state/x")
    records.save(record)
    assert records.load() == record
    records.clear("/.ota")
    with open("/.ota", "w") as file:
        file.write("mine")
    assert records.load()["version"] is None
    assert records.ignored is None
    records.save(record)
    assert records.load() == record


def test_the_longest_values_fit():
    record = _full()
    record["id"], record["signer"] = "f" * 64, "9" * 16
    for name in ("version", "previous", "next", "floor", "next_floor"):
        record[name] = "9" * 40
    record["reason"] = records.plain("why " * 100)
    record["last"] = [10**6, "9" * 40, "confirmed", None]
    records.save(record)
    assert len(_raw()) <= 512
    assert records.load() == record
    assert len(record["reason"]) > 20


def test_reasons_are_plain():
    assert records.plain('a"b\\c\nd\u00e9\x1b[31m') == "a?b?c?d??[31m"
    assert records.plain(None) is None


def test_writing_it_costs_a_page():
    flash = common.board()
    record = records.load()
    records.save(record)
    erases, pages = flash.erases, flash.pages
    for number in range(64):
        record["tries"] = number
        records.save(record)
    assert flash.pages - pages <= 64 + 12, flash.pages - pages
    assert flash.erases - erases <= 6, flash.erases - erases


def test_history_is_bounded_and_newest_first():
    common.board()
    record = records.load()
    for number in range(30):
        records.settle(record, "1.%d" % number, "confirmed", "reason %d" % number)
        records.save(record)
    log = records.history()
    assert record["last"][:3] == [30, "1.29", "confirmed"]
    assert [entry[0] for entry in log] == [29, 28, 27, 26, 25, 24, 23]
    assert os.stat("/.ota/history")[6] <= 512
    for name in ("long " * 20, None):
        records.settle(record, "9" * 40, "reverted", name)
    assert os.stat("/.ota/history")[6] <= 512
    records.settle(record, "2", "reverted", None)
    assert [entry[0] for entry in records.history()][:2] == [32, 31]


def test_history_is_not_doubled_by_a_cut_between_the_two_writes():
    common.board()
    record = records.load()
    records.settle(record, "1.1", "confirmed", None)
    records.save(record)
    again = records.load()
    records.settle(record, "1.2", "confirmed", None)  # cut before it is saved
    records.settle(again, "1.2", "confirmed", None)
    records.save(again)
    assert [entry[0] for entry in records.history()] == [1]


def test_a_damaged_history_is_none():
    common.board()
    for raw in (b"", b"[", b"[[1]]", b"{}", b"7", b'["x", [1,2,3,4]]', b"\xff" * 600):
        with open("/.ota/history", "wb") as file:
            file.write(raw)
        assert len(records.history()) <= 1
