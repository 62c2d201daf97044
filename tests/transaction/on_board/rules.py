"""The rules for what may stand in a description; none of them looks at the live files."""

import os
import sys

import world
from common import (
    BOARD,
    OLD,
    SIGNATURE,
    accept_signatures,
    board,
    describe,
    files_of,
    live,
    plan,
    refused,
    row,
    status,
    take,
    untouched,
)

from ota import commit, conditions, paths, record
from ota.errors import Refused

SHA = "0123456789abcdef" * 4


def _refused(status, word, text):
    error = refused(status, word, take, text)
    untouched()
    return error


def _taken(text, signature=None):
    body = take(text, signature)
    world.abort()
    untouched()
    return body


# --- versions, boards, floor --------------------------------------------------------------------


def test_versions():
    board()
    rows = files_of("/x")
    for good in ("1", "2.0.0", "1.2.3-rc.1+build.5", "v" * 40, "2026-01-02", "a~b", "!", "01.2.3"):
        assert _taken(describe(rows, version=good))["version"] == good
    for bad in ("", "v" * 41, "a b", 'a"b', "a\\b", "\u00e4", "\x7f", "\t", "a\nb"):
        _refused(400, "bad_description", describe(rows, version=bad))
    text = describe(rows)
    _refused(400, "bad_description", text.replace(b'version = "2.0";\n', b""))
    _refused(400, "bad_description", text.replace(b'"2.0";', b"2.0;"))


def test_a_push_may_leave_out_boards_and_floor():
    board()
    conditions.board_name = lambda: "RPI_PICO_W"
    rows = files_of("/x")
    _taken(describe(rows))
    _taken(describe(rows, boards=[BOARD]))
    _taken(describe(rows, version="2.0.0", more=['floor = "1.0.0";']))
    other = BOARD.replace("PICO", "PICO2")
    _taken(describe(rows, boards=[other, BOARD]))
    # Where it names boards, it means them.
    _refused(422, "wrong_board", describe(rows, boards=[other]))
    _refused(422, "wrong_board", describe(rows, boards=[BOARD.replace("1.0", "1.1")]))
    # A floor is one of versions that can be compared, and not above its own.
    for version, floor in (
        ("2.0.0", "2.0.1"),
        ("word", "1.0.0"),
        ("2.0.0", "1.0"),
        ("2.0", "2.0"),
    ):
        more = ['floor = "%s";' % floor]
        _refused(400, "bad_description", describe(rows, version=version, more=more))


def test_a_signed_one_names_boards_and_floor():
    board()
    accept_signatures()
    rows, floor = files_of("/x"), ['floor = "1.0.0";']
    whole = describe(rows, version="2.0.0", more=floor, boards=[BOARD])
    assert _taken(whole, SIGNATURE)["signer"]
    for text, code, word in (
        (describe(rows, version="2.0.0", boards=[BOARD]), 400, "bad_description"),
        (describe(rows, version="2.0.0", more=floor), 422, "wrong_board"),
        (describe(rows, version="2.0", more=floor, boards=[BOARD]), 400, "bad_description"),
        (describe(rows, version="word", boards=[BOARD]), 400, "bad_description"),
    ):
        refused(code, word, take, text, SIGNATURE)
        untouched()
        # Without a signature it is a push, but for a floor that can be compared with nothing.
        if word == "bad_description" and floor[0].encode() not in text:
            assert _taken(text)["signer"] is None
    world.service.require_signed = True
    refused(403, "unsigned", take, whole)
    untouched()


# --- files --------------------------------------------------------------------------------------


def test_files():
    board()
    _taken(describe([row(1, "/lib/x.py")]))
    _taken(describe([row(1, "/x", b"")], total=0))
    for other in (
        {"size": -1},
        {"size": 16777217},
        {"size": '"5"'},
        {"size": "5.0"},
        {"size": ""},
        {"size": "05"},
        {"size": "+5"},
        {"size": "true"},
        {"size": 6},  # does not add up
        {"size": 0},  # nothing has this digest
        {"sha256": ""},
        {"sha256": SHA[:63]},
        {"sha256": SHA + "0"},
        {"sha256": SHA.upper()},
        {"sha256": "g" * 64},
        {"sha256": "+" + SHA[1:]},
        {"sha256": " " + SHA[1:]},
        {"chksum": "000000ff"},
        {"chksum": "0FF"},
        {"chksum": "0x0000FF"},
        {"chksum": ""},
    ):
        total = other["size"] if other.get("size") == 0 else None
        _refused(400, "bad_description", describe([row(1, "/x", **other)], total=total))
    _taken(describe([row(1, "/x", sha256=SHA)]))


def test_what_a_file_is_called_in_the_archive_follows_from_its_path():
    board()
    for path, name in (
        ("/main.py", "0001-main.py"),
        ("/lib/a b\u00e4\U0001f600~.py", "0001-a_b___.py"),
        ("/" + "x" * 30 + "y" * 48, "0001-" + "y" * 48),
        ("/" + "\u00e4" * 50 + "z", "0001-" + "_" * 47 + "z"),
        ("/.hidden", "0001-.hidden"),
        ("/a/-", "0001--"),
    ):
        assert world.entry_name(1, path) == name
        _taken(describe([row(1, path)]))
        stem = name[5:]
        for bad in (
            "0002-" + stem,
            "1-" + stem,
            "001-" + stem,
            "0001_" + stem,
            stem,
            "0001-" + stem[1:],
            "0001-" + stem + "x",
            "0001-" + path[1:] + "?",
            "",
        ):
            _refused(400, "bad_description", describe([row(1, path, filename=bad)]))
    swapped = [row(2, "/a"), row(1, "/b")]
    _refused(400, "bad_description", describe(swapped))


def test_paths():
    board()
    for path in (
        "",
        "x.py",
        "/",
        "//x",
        "/x/",
        "/a/../b",
        "/./a",
        "/a\\b",
        "/a\x00",
        "/a\x1f",
        "/a\x7f",
        "/" + "x" * 255,
        "/" + "\u20ac" * 85,
        "/a" * 17,
    ):
        # A line that is too long is no line of a description at all.
        word = "bad_path" if 0 < len(path.encode()) < 200 else None
        _refused_as(word, describe(deletes=[path]))
        _refused_as(word, describe([row(1, path)]))
    for path in ("/a\nb", '/a"b', "/\xff"):
        raw = describe(deletes=[path]) if path[1] != "\xff" else b""
        raw = raw or describe(deletes=["/?"]).replace(b"?", b"\xff")
        _refused_as(None, raw)
    for path in ("/.ota", "/.ota/state", "/.ota/new/000", "/.r", "/.r/x"):
        _refused(403, "protected", describe([row(1, path)]))
        _refused(403, "protected", describe(deletes=[path]))
    for path in ("/.otaku", "/lib/\u00e4 b.py", "/" + "x" * 254, "/a" * 16):
        _taken(describe([row(1, path)]))
        _taken(describe(deletes=[path]))


def _refused_as(word, text):
    try:
        _refused(400, word or "bad_description", text)
    except AssertionError:
        if word:
            raise
        _refused(400, "bad_path", text)


def test_what_micropython_would_not_run():
    board()
    for path in ("/main.mpy", "/boot.mpy"):
        error = _refused(400, "bad_path", describe([row(1, path)]))
        assert ".py" in error.message
    _taken(describe([row(1, "/lib/main.mpy")]))


def test_a_folder_in_place_of_what_the_board_starts_with():
    board()
    for top in (
        "ota_boot",
        "ota_boot.py",
        "ota_boot.mpy",
        "boot.py",
        "service_ota",
        "manager_wifi",
    ):
        for path in ("/%s/__init__.py" % top, "/%s/x" % top):
            _refused(403, "protected", describe([row(1, path)]))
    for path in ("/ota_boots/x.py", "/boot/x.py", "/main/x.py", "/x/ota_boot/x.py"):
        _taken(describe([row(1, path)]))


def test_what_would_never_be_found_beside_the_updater():
    board()
    for path in ("/ota.py", "/ota.mpy", "/lib/ota.py", "/lib/ota/x.py", "/lib/service_ota.mpy",
                 "/lib/manager_wifi.py", "/lib/ota_boot/__init__.py"):  # fmt: skip
        error = _refused(409, "hidden", describe([row(1, path)]))
        assert path in error.message, error.message
        _taken(describe(deletes=[path]))
    for path in ("/ota.txt", "/OTA.py", "/lib/otax.py", "/lib/ota.txt", "/x/ota.py"):
        _taken(describe([row(1, path)]))


def test_boot_py_is_not_deleted():
    board()
    _refused(403, "protected", describe(deletes=["/boot.py"]))
    assert live() == OLD


# --- the lists ----------------------------------------------------------------------------------


def test_lists_are_sorted_and_nothing_stands_there_twice():
    board()
    for paths_ in (("/b", "/a"), ("/a", "/a"), ("/lib/x", "/lib-x"), ("/\u00e4", "/z")):
        _refused(400, "bad_description", describe(files_of(*paths_)))
        _refused(400, "bad_description", describe(deletes=paths_))
    # By the bytes of their UTF-8, whatever these mean.
    for paths_ in (
        ("/A", "/a"),
        ("/lib-x", "/lib/x"),
        ("/z", "/\u00e4"),
        ("/\uffff", "/\U0001f600"),
    ):
        _taken(describe(files_of(*paths_)))
        _taken(describe(deletes=paths_))


def test_what_is_deleted_and_brought():
    board()
    for deletes in (("/b",), ("/a", "/b"), ("/b", "/c"), ("/a", "/b", "/c")):
        for files in (("/b",), ("/a0", "/b"), ("/b", "/c0"), ("/a0", "/b", "/c0")):
            _refused(400, "duplicate", describe(files_of(*files), deletes))


def test_files_and_deletions_are_merged_in_the_order_of_their_paths():
    files = dict(OLD)
    files.update({"/b.txt": b"b", "/d.txt": b"d", "/z.txt": b"z"})
    board(files)
    take(describe(files_of("/a.txt", "/c.txt", "/e.txt"), ("/b.txt", "/d.txt", "/dd", "/z.txt")))
    kinds, order = plan()
    assert order == ["/a.txt", "/b.txt", "/c.txt", "/d.txt", "/dd", "/e.txt", "/z.txt"]
    assert [kinds[path] for path in order] == ["A", "D", "A", "D", "-", "A", "D"]


def test_a_path_is_a_file_or_a_folder_whatever_stands_between():
    board()
    for paths_ in (
        ("/a", "/a/b"),
        ("/a", "/a-b", "/a/b"),
        ("/a", "/a b/c", "/a!", "/a-b", "/a.b/c", "/a/b/c/d"),
        ("/d/a", "/d/a+", "/d/a/b"),
        ("/lib/x", "/lib/x-", "/lib/x-/y"),
    ):
        error = _refused(409, "not_directory", describe(files_of(*paths_)))
        assert "is a file" in error.message
    for paths_ in (
        ("/a", "/a-b", "/a-b2/c", "/ab/c"),
        ("/a-", "/a/b", "/ab"),
        ("/a.b", "/a/b", "/a/b2", "/ab"),
    ):
        _taken(describe(files_of(*paths_)))


def test_both_forms_of_a_module_whatever_stands_between():
    board()
    for paths_ in (
        ("/lib/m.mpy", "/lib/m.py"),
        ("/x.mpy", "/x.n", "/x.py"),
        ("/x.mpy", "/x.mpy.py", "/x.n/a.mpy", "/x.n/b.py", "/x.o.mpy", "/x.o.q", "/x.py"),
    ):
        error = _refused(400, "both_forms", describe(files_of(*paths_)))
        assert paths_[0] in error.message and paths_[-1] in error.message
    for paths_ in (
        ("/x.mpy", "/x.mpy.py", "/x.n.py", "/xx.py"),
        ("/m/x.mpy", "/n/x.py"),
        ("/x.mpy", "/x.mpz/x.py", "/x/x.py"),
    ):
        _taken(describe(files_of(*paths_)))


def test_how_many():
    board()
    _refused(400, "empty", describe())
    deletes = ["/x%04d" % number for number in range(1001)]
    _taken(describe(deletes=deletes[:1000]))
    _taken(describe(files_of("/a"), deletes[:999]))
    _refused(413, "too_many", describe(files_of("/a"), deletes[:1000]))
    _refused(400, "bad_description", describe(deletes=deletes))
    text = describe(files_of("/a", "/b"), ["/c", "/d"])
    for name in (b"files", b"deletes"):
        for number in (b"0", b"1", b"3", b"02", b"-2", b"2.0", b"2 ", b"x", b"99999999999"):
            bad = text.replace(name + b" = 2;", name + b" = " + number + b";")
            assert bad != text
            _refused(400, "bad_description", bad)


def test_a_description_cut_or_changed_anywhere_is_none():
    board()
    text = describe(files_of("/a.mpy", "/b.py"), ["/c", "/lib/gone.py"], boards=[BOARD])
    text = text.replace(b"trial", b'mpy = "6.3";\nfloor = "2.0.0";\ntrial').replace(
        b'2.0"', b'2.0.0"'
    )
    conditions.board_name = lambda: "RPI_PICO_W"
    _taken(text)
    for length in range(1, len(text)):
        _refused(400, "bad_description", text[:length])
    for extra in (b" ", b"\n", b"}", b"};\n"):
        _refused(400, "bad_description", text + extra)
    lines = text.split(b"\n")[:-1]
    for at in range(len(lines)):
        _refused_in_some_way(b"\n".join(lines[:at] + lines[at + 1 :]) + b"\n")
        _refused_in_some_way(b"\n".join(lines[:at] + [b" " + lines[at]] + lines[at + 1 :]) + b"\n")
        _refused_in_some_way(b"\n".join(lines[: at + 1] + lines[at:]) + b"\n")
    _refused(400, "bad_description", text.replace(b"\n", b"\r\n"))


def _refused_in_some_way(text):
    try:
        take(text)
    except Refused as error:
        assert error.status in (400, 422), error
        untouched()
        return
    # Without the line of a board, of .mpy files or of a floor it says less.
    world.abort()
    assert b'mpy = "6' not in text or b"floor" not in text or b"RPI" not in text, text


def test_random_bytes_never_raise_anything_but_a_refusal():
    board()
    text = describe(files_of("/a.mpy", "/b\u00e4.py"), ["/c", "/lib/gone.py"])
    value = 12345
    for round in range(400):
        raw = bytearray(text)
        for _ in range(1 + round % 4):
            value = (value * 1103515245 + 12345) & 0x7FFFFFFF
            raw[(value >> 8) % len(raw)] = value & 0xFF
        try:
            take(bytes(raw))
        except Refused:
            pass
        else:
            world.abort()
        untouched()
    assert live() == OLD


def test_a_trial_takes_its_time_from_the_service():
    board()
    for trial, wanted, seconds in (("true", 180, 180), ("true", 60, 60), ("false", 60, 0)):
        world._the_service().trial_deadline_s = wanted
        take(describe(files_of("/x"), trial=trial))
        assert record.load()["trial"] == seconds
        world.abort()
    for bad in ("True", "1", '"true"', ""):
        _refused(400, "bad_description", describe(files_of("/x"), trial=bad))


# --- what the board starts with, and what it can load -------------------------------------------


def test_boot_py_calls_the_guard_first():
    good = (
        "import ota_boot\nota_boot.run()\n",
        "import ota_boot; ota_boot.run()",
        "# mine\n\nimport ota_boot  # the guard\n\n# now\nota_boot.run()  # go\nimport network\n",
        "import ota_boot\nota_boot.run(); import x\n",
        "\timport ota_boot\r\n\tota_boot.run()\r\n",
    )
    bad = (
        "",
        "import ota_boot\n",
        "ota_boot.run()\n",
        "import network\nimport ota_boot\nota_boot.run()\n",
        "import ota_boot\nimport network\nota_boot.run()\n",
        "import ota_boot, network\nota_boot.run()\n",
        "import ota_boots\nota_boot.run()\n",
        "import ota_boot\nota_boot.run\n",
        "import ota_boot\nota_boot.run() if 0 else 0\n",
        "if 0:\n import ota_boot\n ota_boot.run()\n",
        "'import ota_boot'\nota_boot.run()\n",
    )
    for text in good:
        assert commit.guard_first(text.split("\n")), text
    for text in bad:
        assert not commit.guard_first(text.split("\n")), text


def _problem(head, own, bits):
    class System:
        maxsize = (1 << bits) - 1

        class implementation:
            _mpy = own

    paths.sys = System
    try:
        return paths.mpy_problem(head)
    finally:
        paths.sys = sys


def test_mpy_files():
    pico = 0x1306  # RP2040, MicroPython 1.28: format 6.3, armv6m
    for head, words in (
        (b"M\x06\x00\x1f", None),
        (b"M\x06\x13\x1f", None),  # native code for armv6m
        (b"M\x06\x03\x1f", None),
        (b"M\x05\x00\x1f", "format 5.0, this firmware loads 6.3"),
        (b"M\x06\x12\x1f", "format 6.2, this firmware loads 6.3"),
        (b"M\x06\x1f\x1f", "architecture 7, this board has 4"),
        (b"M\x06\x0b\x1f", "architecture 2, this board has 4"),
        (b"M\x06\x00\x3f", "integers of 63 bits, this firmware 31"),
        (b"C\x06\x00\x1f", "no .mpy"),
        (b"M\x06\x00", "no .mpy"),
        (b"", "no .mpy"),
    ):
        problem = _problem(head, pico, 31)
        assert problem is None if words is None else words in problem, (head, problem)
    # A Pico 2 W (armv7emsp, 7) runs what is made for smaller Thumb cores, not the reverse.
    assert _problem(b"M\x06\x13\x1f", 0x1F06, 31) is None
    assert _problem(b"M\x06\x23\x1f", 0x1F06, 31)
    assert _problem(b"M\x06\x2f\x1f", 0x1F06, 31)  # rv32imc


def test_the_firmware_here_agrees():
    # What is refused is what MicroPython itself refuses to import.
    board()
    sys.path.insert(0, "/lib")
    body = (
        b"\x03\x00\x08t.py\x00\x0f\x02X\x00@\x00\x02\x01\x81\x16\x02Qc"  # "X = 1", from mpy-cross
    )
    for number, head in enumerate(
        (b"M\x06\x00\x1f", b"M\x05\x00\x1f", b"M\x06\x1f\x1f", b"X\x06\x00\x1f", b"M\x06\x00\x7f")
    ):
        with open("/lib/t%d.mpy" % number, "wb") as file:
            file.write(head + body)
        try:
            __import__("t%d" % number)
            loads = True
        except ValueError as error:
            loads = "incompatible" not in str(error)
        except Exception:
            loads = True  # the header was accepted
        assert loads == (paths.mpy_problem(head) is None), head
    sys.path.pop(0)
    os.remove("/lib/t0.mpy")
    assert status()["state"] == "idle"
