"""ota/paths.py"""

from harness import refused

from ota import paths
from ota.request import Head


def test_plain_paths_are_returned_as_they_are():
    for path in ("/a", "/main.py", "/a/b/c.txt", "/ümlaut/日本.txt", "/a b", "/...", "/.x", "/a."):
        assert paths.check(path) == path


def test_what_is_no_name_is_refused():
    for path in ("", "a", "a/b", "/", "//", "/a//b", "/a/", "/.", "/..", "/a/./b", "/a/../b"):
        refused(400, "bad_path", paths.check, path)


def test_control_characters_and_backslash_are_refused():
    for code in list(range(32)) + [0x5C, 0x7F]:
        refused(400, "bad_path", paths.check, "/a" + chr(code) + "b")


def test_lengths_are_bounds_in_bytes():
    assert paths.check("/" + "a" * 254)
    refused(400, "bad_path", paths.check, "/" + "a" * 255)
    assert paths.check("/" + "ü" * 127)
    refused(400, "bad_path", paths.check, "/" + "ü" * 128)
    refused(400, "bad_path", paths.check, "/" + "a" * 100000)


def test_depth_is_bounded():
    assert paths.check("/a" * 16)
    refused(400, "bad_path", paths.check, "/a" * 17)


def test_decoding_happens_exactly_once():
    assert paths.decode("a%20b") == "a b"
    assert paths.decode("%2e%2E") == ".."
    assert paths.decode("%252e") == "%2e"
    assert paths.decode("a+b") == "a+b"
    assert paths.decode("%C3%BC%E6%97%A5%F0%9F%98%80") == "ü日😀"
    assert paths.decode("") == ""


def test_bad_escapes_are_refused():
    for raw in ("%", "%4", "a%", "%zz", "%+1", "% 1", "%0x", "%-1", "%%41"):
        refused(400, "bad_path", paths.decode, raw)


def test_bytes_that_are_no_utf8_are_refused():
    for raw in (
        "%ff",
        "%80",
        "%c3",
        "%c3%28",
        "%c0%af",
        "%c1%81",
        "%e0%80%af",
        "%e6%97",
        "%ed%a0%80",
        "%ed%bf%bf",
        "%f0%80%80%af",
        "%f0%9f%98",
        "%f4%90%80%80",
        "%f5%80%80%80",
        "%fe%fe",
    ):
        refused(400, "bad_path", paths.decode, raw)


def test_utf8_agrees_with_the_table_of_the_standard():
    # Every two-byte sequence, and the edges of the longer ones.
    for lead in range(0x80, 0x100):
        for follow in (0x00, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC0):
            good = 0xC2 <= lead <= 0xDF and 0x80 <= follow <= 0xBF
            raw = "%%%02x%%%02x" % (lead, follow)
            if good:
                assert len(paths.decode(raw)) == 1
            else:
                refused(400, "bad_path", paths.decode, raw)


def test_an_overlong_escape_is_refused_before_it_is_decoded():
    refused(400, "bad_path", paths.decode, "%41" * 256)


def test_the_updater_is_known_by_its_files_and_by_folders_of_their_names():
    for path in (
        "/boot.py",
        "/ota_boot.py",
        "/ota_boot.mpy",
        "/ota_boot",
        "/ota_boot/__init__.py",
        "/service_ota.mpy",
        "/service_ota",
        "/manager_wifi.py",
        "/manager_wifi/x",
        "/ota",
        "/ota/server.mpy",
        "/ota/a/b",
    ):
        assert paths.is_updater(path), path


def test_names_that_look_alike_are_not_the_updaters():
    for path in (
        "/",
        "/main.py",
        "/boot.pyx",
        "/boot",
        "/otaku",
        "/ota.txt",
        "/ota_bootx",
        "/ota_boots/x",
        "/lib",
        "/lib/microdot.mpy",
        "/lib/ota/x",
        "/ota.py",
        "/ota boot.py",
        "/x/boot.py",
    ):
        assert not paths.is_updater(path), path


def guard(path, allow):
    head = Head("PUT", "/fs/x", 1)
    if allow:
        head.headers["x-ota-protected"] = "yes"
    paths.guard(path, head)


def test_the_private_folders_are_closed_whatever_the_request_says():
    for path in ("/.ota", "/.ota/state", "/.ota/new/1", "/.r", "/.r/server.mpy"):
        assert paths.is_private(path)
        for allow in (False, True):
            refused(403, "protected", guard, path, allow)
    for path in ("/.otax", "/.otax/y", "/.rx", "/x/.ota", "/"):
        assert not paths.is_private(path)
        guard(path, False)


def test_the_updater_opens_when_the_request_says_so_but_for_its_code():
    refused(403, "protected", guard, "/boot.py", False)
    guard("/boot.py", True)
    guard("/ota/page.html.gz", True)
    for path in (
        "/ota_boot.py",
        "/ota_boot.mpy",
        "/service_ota.mpy",
        "/ota/modules.pack",
        "/ota/__init__.mpy",
        "/ota/errors.py",
        "/ota/keys.json",
    ):
        for allow in (False, True):
            refused(403, "protected", guard, path, allow)
