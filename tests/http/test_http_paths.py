"""Paths: what cannot be named, and what belongs to the updater."""

import pytest
from wire import ask, put, read, refused

from pico_ota.sim.image import write_files

BAD = {
    "parent": "/fs/../main.py",
    "parent_inside": "/fs/lib/../main.py",
    "parent_at_the_end": "/fs/lib/..",
    "parent_encoded": "/fs/%2e%2e/main.py",
    "parent_half_encoded": "/fs/.%2E/main.py",
    "parent_with_encoded_slash": "/fs/lib%2F..%2Fmain.py",
    "dot": "/fs/./main.py",
    "dot_encoded": "/fs/%2e/main.py",
    "empty": "/fs//main.py",
    "empty_inside": "/fs/lib//x",
    "empty_by_encoding": "/fs/lib/%2fx",
    "backslash": "/fs/lib\\x",
    "backslash_parent": "/fs/..%5cmain.py",
    "nul": "/fs/main.py%00.txt",
    "newline": "/fs/x%0ay",
    "return": "/fs/x%0dy",
    "escape": "/fs/x%1by",
    "delete": "/fs/x%7fy",
    "not_utf8": "/fs/%ff%fe",
    "cut_off_utf8": "/fs/x%c3",
    "overlong_slash": "/fs/%c0%afmain.py",
    "overlong_dot": "/fs/%c0%ae%c0%ae/main.py",
    "surrogate": "/fs/%ed%a0%80",
    "beyond_unicode": "/fs/%f5%80%80%80",
    "half_an_escape": "/fs/x%4",
    "empty_escape": "/fs/x%",
    "no_hex": "/fs/x%zz",
    "signed_hex": "/fs/x%+1",
    "name_too_long": "/fs/" + "n" * 256,
    "path_too_long": "/fs/" + "/".join(["n" * 60] * 5),
    "path_too_long_encoded": "/fs/" + "%41" * 256,
    "characters_too_long_in_bytes": "/fs/" + "%C3%BC" * 128,
    "too_deep": "/fs/" + "/".join("abcdefghijklmnopq"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_path_is_refused_on_every_verb(board, name):
    before = board.flash_operations
    target = BAD[name]
    for method, body in (("GET", None), ("PUT", b"x"), ("DELETE", None)):
        refused(ask(board, method, target, body), 400, "bad_path")
    refused(ask(board, "MOVE", target, x_destination="/fs/x.txt"), 400, "bad_path")
    refused(ask(board, "MOVE", "/fs/main.py", x_destination=target), 400, "bad_path")
    assert board.flash_operations == before


def test_a_path_is_decoded_exactly_once(board, folder):
    # Decoded twice, %252e%252e would be the parent folder.
    put(board, folder + "/%252e%252e", b"x")
    assert [f["name"] for f in ask(board, "GET", f"/fs{folder}/").json["files"]] == ["%2e%2e"]
    assert read(board, "/%252e%252e%252fmain.py") is None


def test_encoding_a_path_does_not_get_around_the_protection(board):
    refused(ask(board, "PUT", "/fs/%62oot.py", b"x"), 403, "protected")
    refused(ask(board, "GET", "/fs/%2eota/state"), 403, "protected")
    refused(ask(board, "PUT", "/fs/ota%2fserver.mpy", b"x"), 403, "protected")


def test_the_longest_and_the_deepest_path_are_accepted(board, folder):
    deep = folder + "/" + "/".join("abcdefghijklmn"[: 16 - folder.count("/")])
    put(board, deep, b"deep")
    assert read(board, deep) == b"deep"
    name = folder + "/" + "n" * (254 - len(folder))
    put(board, name, b"long")
    assert read(board, name) == b"long"


# --- what belongs to the updater --------------------------------------------------------------

PRIVATE = [
    "/.ota",
    "/.ota/",
    "/.ota/state",
    "/.ota/password",
    "/.ota/new/x",
    "/.ota/~incoming",
    # Where the modules of the updater are imported from.
    "/.r",
    "/.r/",
    "/.r/server.mpy",
]

UPDATER = [
    "/boot.py",
    "/ota_boot.mpy",
    "/ota_boot.py",
    "/service_ota.mpy",
    "/service_ota.py",
    "/manager_wifi.mpy",
    "/manager_wifi.py",
    "/ota/modules.pack",
    "/ota/server.mpy",
    "/ota/new.py",
    "/ota/page.html.gz",
    "/ota/deeper/x.py",
    # MicroPython prefers a folder to a module of the same name.
    "/ota_boot/__init__.py",
    "/service_ota/x",
    "/manager_wifi/x",
    # Without a single file it is one too: the import then succeeds and has nothing in it.
    "/ota_boot/",
    "/service_ota/",
    "/manager_wifi/",
]


@pytest.mark.parametrize("protected", [None, "yes"])
@pytest.mark.parametrize("path", PRIVATE)
def test_the_private_folder_is_closed_on_every_verb(board, path, protected):
    before = board.flash_operations
    for method, body, options in (
        ("GET", None, {}),
        ("HEAD", None, {}),
        ("PUT", b"x", {}),
        ("DELETE", None, {}),
        ("DELETE", None, {"x_ota_recursive": "yes"}),
        ("MOVE", None, {"x_destination": "/fs/x"}),
    ):
        answer = ask(board, method, "/fs" + path, body, x_ota_protected=protected, **options)
        assert answer.status == 403, (method, answer)
    into = ask(board, "MOVE", "/fs/main.py", x_destination="/fs" + path, x_ota_protected=protected)
    refused(into, 403, "protected")
    assert board.flash_operations == before


@pytest.mark.parametrize("value", [None, "", "no", "1", "true", "YES"])
@pytest.mark.parametrize("path", UPDATER)
def test_files_of_the_updater_are_closed_on_every_changing_verb(board, path, value):
    before = board.flash_operations
    for method, body, options in (
        ("PUT", b"x", {}),
        ("DELETE", None, {}),
        ("DELETE", None, {"x_ota_recursive": "yes"}),
        ("MOVE", None, {"x_destination": "/fs/x"}),
    ):
        answer = ask(board, method, "/fs" + path, body, x_ota_protected=value, **options)
        refused(answer, 403, "protected")
    into = ask(board, "MOVE", "/fs/main.py", x_destination="/fs" + path, x_ota_protected=value)
    refused(into, 403, "protected")
    assert board.flash_operations == before


@pytest.mark.parametrize("path", ["/ota", "/ota/", "/"])
def test_a_folder_that_holds_the_updater_is_neither_moved_nor_deleted(board, path):
    before = board.flash_operations
    for method, options in (
        ("DELETE", {"x_ota_recursive": "yes"}),
        ("MOVE", {"x_destination": "/fs/elsewhere"}),
        ("MOVE", {"x_destination": "/fs/t/elsewhere"}),
    ):
        refused(ask(board, method, "/fs" + path, **options), 403, "protected")
    assert board.flash_operations == before


def test_files_of_the_updater_may_be_read(board):
    assert ask(board, "GET", "/fs/boot.py").status == 200
    assert ask(board, "GET", "/fs/ota/modules.pack").status == 200
    assert [f["name"] for f in ask(board, "GET", "/fs/ota/").json["files"]]


def test_a_listing_says_what_is_protected(board, folder):
    put(board, folder + "/x", b"x")
    rows = {f["name"]: f["protected"] for f in ask(board, "GET", "/fs/").json["files"]}
    assert rows["boot.py"] is rows["ota"] is rows["service_ota.mpy"] is True
    assert rows["main.py"] is rows["t"] is False


def test_the_updater_is_replaced_when_the_request_says_so(board):
    old = read(board, "/ota/page.html.gz")
    put(board, "/ota/page.html.gz", b"new", x_ota_protected="yes")
    assert read(board, "/ota/page.html.gz") == b"new"
    put(board, "/ota/page.html.gz", old, x_ota_protected="yes")


YES = {"x_ota_protected": "yes"}
#: What would be imported, or looked for, in place of what the board starts with.
SHADOWS = [
    *(
        "/boot.py/x",
        "/boot.py/",
        "/ota_boot/",
        "/ota_boot/__init__.py",
        "/ota_boot.py/",
        "/ota_boot.py",
    ),
    *(
        "/ota_boot.mpy/x",
        "/service_ota/",
        "/service_ota/x",
        "/service_ota.py",
        "/service_ota.py/x",
    ),
    *("/manager_wifi/", "/manager_wifi.py", "/manager_wifi/__init__.mpy", "/main.py/x"),
    *("/ota/__init__.py", "/ota/__init__/x", "/ota_boot", "/service_ota", "/manager_wifi.pyc"),
]


@pytest.mark.parametrize("options", [{}, YES])
@pytest.mark.parametrize("path", SHADOWS)
def test_nothing_is_made_that_would_be_found_in_place_of_the_updater(board, folder, path, options):
    put(board, folder + "/x.py", b"x = 1\n")
    before = board.flash_operations
    for source in (folder, folder + "/x.py"):
        into = ask(board, "MOVE", "/fs" + source, x_destination="/fs" + path, **options)
        assert into.status in (403, 409, 412), into
    answer = ask(board, "PUT", "/fs" + path, None if path.endswith("/") else b"x = 1\n", **options)
    assert answer.status in (403, 409), answer
    assert board.flash_operations == before


def test_a_folder_is_not_made_in_place_of_a_missing_program(make_pico):
    pico = make_pico()
    put(pico, "/t/x", b"x")
    assert ask(pico, "DELETE", "/fs/main.py").status == 204
    before = pico.flash_operations
    for path in ("/main.py/", "/main.py/x"):
        refused(
            ask(pico, "PUT", "/fs" + path, None if path[-1] == "/" else b"x"), 409, "not_directory"
        )
    refused(ask(pico, "MOVE", "/fs/t", x_destination="/fs/main.py"), 409, "not_directory")
    assert pico.flash_operations == before
    assert ask(pico, "MOVE", "/fs/t/x", x_destination="/fs/main.py").status == 201


@pytest.mark.parametrize(
    "path", ["/boot.py", "/ota_boot.mpy", "/service_ota.mpy", "/manager_wifi.mpy", "/ota",
             "/ota/__init__.mpy", "/ota/modules.pack"]
)  # fmt: skip
def test_what_the_board_starts_with_is_neither_moved_nor_deleted(board, path):
    before = board.flash_operations
    refused(ask(board, "DELETE", "/fs" + path, x_ota_recursive="yes", **YES), 403, "protected")
    refused(ask(board, "MOVE", "/fs" + path, x_destination="/fs/t/x", **YES), 403, "protected")
    assert board.flash_operations == before


@pytest.mark.parametrize(
    "path",
    ["/ota/modules.pack", "/service_ota.mpy", "/manager_wifi.mpy", "/ota/__init__.mpy",
     "/ota/extra.mpy", "/ota/extra.py", "/ota/deeper/x.py", "/ota/keys.json"],
)  # fmt: skip
def test_code_and_keys_of_the_updater_are_for_updates_only(board, folder, path):
    # One that does not work would take both the service and rescue mode with it.
    put(board, folder + "/x", b"x")
    before = board.flash_operations
    for method, body, options in (
        ("PUT", b"x = 1\n", {}),
        ("DELETE", None, {}),
        ("MOVE", None, {"x_destination": f"/fs{folder}/y"}),
    ):
        refused(ask(board, method, "/fs" + path, body, **options, **YES), 403, "protected")
    into = ask(board, "MOVE", f"/fs{folder}/x", x_destination="/fs" + path, **YES)
    assert "only an update" in refused(into, 403, "protected")["message"]
    assert board.flash_operations == before


def test_a_folder_that_hides_a_module_of_the_updater_is_not_made(make_pico):
    pico = make_pico(start=False)
    write_files(pico.image, {"/ota/extra.mpy": b"x"})
    pico.start()
    pico.wait_listening(20)
    for path in ("/ota/extra/", "/ota/extra/x"):
        answer = ask(pico, "PUT", "/fs" + path, None if path[-1] == "/" else b"x", **YES)
        refused(answer, 403, "protected")


@pytest.mark.parametrize(
    "path", ["/ota.py", "/ota.mpy", "/lib/ota.py", "/lib/ota/x.py", "/lib/service_ota.py"]
)
def test_what_would_never_be_found_is_said(board, folder, path):
    put(board, folder + "/x.py", b"x = 1\n")
    before = board.flash_operations
    for answer in (
        ask(board, "PUT", "/fs" + path, b"x = 1\n"),
        ask(board, "MOVE", f"/fs{folder}/x.py", x_destination="/fs" + path),
    ):
        refused(answer, 409, "hidden")
        assert path in answer.json["message"]
    assert board.flash_operations == before


GUARDED = b"import ota_boot\n\nota_boot.run()\nprint('mine')\n"


@pytest.mark.parametrize("path", ["/boot.py", "/ota_boot.mpy"])
def test_what_undoes_updates_is_neither_moved_nor_deleted_whatever_the_request_says(board, path):
    before = board.flash_operations
    yes = YES
    refused(ask(board, "DELETE", "/fs" + path, **yes), 403, "protected")
    refused(ask(board, "MOVE", "/fs" + path, x_destination="/fs/x", **yes), 403, "protected")
    into = ask(board, "MOVE", "/fs/main.py", x_destination="/fs" + path, **yes)
    refused(into, 403, "protected")
    for path in ("/ota_boot.mpy", "/ota_boot.py"):
        refused(ask(board, "PUT", "/fs" + path, b"x = 1\n", **yes), 403, "protected")
    assert board.flash_operations == before


def test_a_boot_file_is_replaced_by_one_that_starts_the_guard_first(board):
    old = read(board, "/boot.py")
    for content, word in (
        (b"print(1)\n", "boot_without_guard"),
        (GUARDED + b"def\n", "boot_syntax"),
    ):
        answer = ask(board, "PUT", "/fs/boot.py", content, x_ota_protected="yes")
        refused(answer, 422, word)
        assert read(board, "/boot.py") == old
    put(board, "/boot.py", GUARDED, x_ota_protected="yes")
    assert read(board, "/boot.py") == GUARDED
    put(board, "/boot.py", old, x_ota_protected="yes")


def test_even_then_the_way_in_is_not_deleted_with_all_else(make_pico):
    pico = make_pico()
    answer = ask(pico, "DELETE", "/fs/", x_ota_recursive="yes", x_ota_protected="yes")
    assert 400 <= answer.status < 500, answer
    assert ask(pico, "GET", "/fs/main.py").status == 200
    assert ask(pico, "GET", "/fs/ota_boot.mpy").status == 200


@pytest.mark.parametrize(
    "path", ["/boot.pyx", "/otaku.py", "/lib/microdot.py", "/x/boot.py", "/ota.txt", "/otas/x"]
)
def test_names_that_only_look_alike_are_the_applications(board, path):
    put(board, path, b"x")
    assert ask(board, "DELETE", "/fs" + path).status == 204
    folder = path.rsplit("/", 1)[0]
    if folder:
        assert ask(board, "DELETE", "/fs" + folder).status == 204
