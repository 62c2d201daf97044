"""The rules for what may be in a manifest; none of them looks at the flash."""

import sys

from common import refused

from ota import manifest, mpy, start

SHA = "0123456789abcdef" * 4
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_versions():
    for good in ("1", "2.0.0", "1.2.3-rc.1+build.5", "v" * 40, "2026-01-02", "a~b"):
        assert manifest.check_version(good) == good
    for bad in ("", "v" * 41, "a b", 'a"b', "a\\b", "a\n", "\u00e4", "\x7f", None, 3, ["1"], b"1"):
        refused(400, "bad_version", manifest.check_version, bad)


def test_files():
    assert manifest.check_file("/lib/x.py", 5, SHA.upper()) == (5, SHA)
    assert manifest.check_file("/x", 0, EMPTY) == (0, EMPTY)
    for size in (-1, 16777217, "5", 5.0, None, True, [5]):
        refused(400, "bad_size", manifest.check_file, "/x", size, SHA)
    for sha in (
        "",
        SHA[:63],
        SHA + "0",
        "g" * 64,
        "+" + SHA[1:],
        " " + SHA[1:],
        None,
        5,
        b"0" * 64,
    ):
        refused(400, "bad_digest", manifest.check_file, "/x", 5, sha)
    refused(400, "bad_digest", manifest.check_file, "/x", 0, SHA)


def test_paths():
    for path in (
        "",
        "x.py",
        "/",
        "//x",
        "/x/",
        "/a/../b",
        "/./a",
        "/a\\b",
        "/a\nb",
        "/a\x00",
        "/" + "x" * 256,
        "/" + "\u20ac" * 90,
        "/a" * 17,
        None,
        5,
    ):
        refused(400, "bad_path", manifest.check_path, path)
    for path in ("/.ota", "/.ota/state", "/.ota/new/000"):
        refused(403, "protected", manifest.check_path, path)
    assert manifest.check_path("/.otaku") == "/.otaku"
    assert manifest.check_path("/lib/\u00e4 b.py")


def test_what_micropython_would_not_run():
    for path in ("/main.mpy", "/boot.mpy"):
        error = refused(400, "bad_path", manifest.check_file, path, 5, SHA)
        assert ".py" in error.message
    assert manifest.check_file("/lib/main.mpy", 5, SHA)


def test_a_folder_that_would_shadow_the_guard():
    refused(403, "protected", manifest.check_file, "/ota_boot/__init__.py", 5, SHA)
    assert manifest.check_file("/ota_boots/x.py", 5, SHA)


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
        assert start.guard_first(text.split("\n")), text
    for text in bad:
        assert not start.guard_first(text.split("\n")), text


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
        problem = mpy.mpy_problem(head, pico, 31)
        assert problem is None if words is None else words in problem, (head, problem)
    # A Pico 2 W (armv7emsp, 7) runs what is made for smaller Thumb cores, not the reverse.
    assert mpy.mpy_problem(b"M\x06\x13\x1f", 0x1F06, 31) is None
    assert mpy.mpy_problem(b"M\x06\x23\x1f", 0x1F06, 31)
    assert mpy.mpy_problem(b"M\x06\x2f\x1f", 0x1F06, 31)  # rv32imc


def test_the_firmware_here_agrees():
    # What is refused is what MicroPython itself refuses to import.
    import os

    from common import board

    board()
    own = sys.implementation._mpy
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
        assert loads == (mpy.mpy_problem(head, own, 63) is None), head
    sys.path.pop(0)
    os.remove("/lib/t0.mpy")
