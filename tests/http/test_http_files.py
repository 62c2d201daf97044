"""Files and folders: what each verb does, and what it answers."""

import json
import os

import pytest
from wire import Wire, address_of, ask, digest, put, read, refused, request, until

SIZES = [0, 1, 511, 512, 513, 4095, 4096, 4097, 20_000, 100_001]


@pytest.fixture
def path(folder):
    """A path for one file."""
    return folder + "/file.bin"


# --- PUT and GET ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_what_is_put_is_what_is_got(board, path, size):
    data = os.urandom(size)
    answer = ask(board, "PUT", "/fs" + path, data)
    assert answer.status == 201
    assert answer.headers["etag"] == f'"{digest(data)}"'
    got = ask(board, "GET", "/fs" + path)
    assert got.status == 200
    assert got.body == data
    assert got.headers["etag"] == f'"{digest(data)}"'
    assert got.headers["content-length"] == str(size)


@pytest.mark.parametrize(("old", "new"), [(100, 5000), (5000, 100), (5000, 5000), (9000, 0)])
def test_replacing_answers_204_and_leaves_nothing_of_the_old_content(board, path, old, new):
    put(board, path, os.urandom(old))
    data = os.urandom(new)
    answer = ask(board, "PUT", "/fs" + path, data)
    assert answer.status == 204
    assert answer.headers["etag"] == f'"{digest(data)}"'
    assert read(board, path) == data


def test_parents_are_made_as_needed(board, folder):
    put(board, folder + "/a/b/c/d.txt", b"deep")
    assert read(board, folder + "/a/b/c/d.txt") == b"deep"


def test_a_body_that_comes_byte_by_byte_is_written_as_one(board, path):
    data = os.urandom(300)
    with Wire(board) as wire:
        for byte in request(board, "PUT", "/fs" + path, data):
            wire.send(bytes([byte]))
        assert wire.answer().status == 201
    assert read(board, path) == data


def test_head_tells_the_same_as_get_without_the_body(board, path):
    put(board, path, b"x" * 3000)
    get = ask(board, "GET", "/fs" + path)
    with Wire(board) as wire:
        wire.send(request(board, "HEAD", "/fs" + path))
        head = wire.answer("HEAD")
        # The next answer begins where a body would have been.
        wire.send(request(board, "GET", "/fs" + path))
        assert wire.answer().body == b"x" * 3000
    assert head.status == 200
    for name in ("etag", "content-length", "content-type", "content-disposition"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("target", ["/", "/fs/", "/api/v1/status", "/api/v1/info", "/api/v1/log"])
def test_head_has_no_body_anywhere(board, target):
    with Wire(board) as wire:
        wire.send(request(board, "HEAD", target))
        assert wire.answer("HEAD").status == 200
        wire.send(request(board, "GET", "/api/v1/info"))
        assert wire.answer().json["service"] == "pico-ota"


@pytest.mark.parametrize("target", ["/nothing", "/fs/nothing", "/fs/main.py/"])
def test_head_of_a_failure_has_no_body_either(board, target):
    with Wire(board) as wire:
        wire.send(request(board, "HEAD", target))
        assert wire.answer("HEAD").status in (404, 409)
        wire.send(request(board, "GET", "/api/v1/info"))
        assert wire.answer().status == 200


def test_an_uploaded_page_is_never_rendered(board, folder):
    put(board, folder + "/x.html", b"<script>alert(1)</script>")
    answer = ask(board, "GET", f"/fs{folder}/x.html")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_the_page_runs_only_its_own_code_and_is_framed_by_nobody(board):
    answer = ask(board, "GET", "/", x_requested_with=None)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"


# --- conditions -------------------------------------------------------------------------------


def test_an_unchanged_file_is_not_sent_again(board, path):
    put(board, path, b"one")
    same = ask(board, "GET", "/fs" + path, if_none_match=f'"{digest(b"one")}"')
    assert (same.status, same.body) == (304, b"")
    assert ask(board, "GET", "/fs" + path, if_none_match=f'"{digest(b"two")}"').status == 200


def test_if_match_replaces_only_what_the_sender_has_seen(board, path):
    put(board, path, b"one")
    stale = ask(board, "PUT", "/fs" + path, b"three", if_match=f'"{digest(b"two")}"')
    refused(stale, 412, "precondition_failed")
    assert read(board, path) == b"one"
    assert ask(board, "PUT", "/fs" + path, b"two", if_match=f'"{digest(b"one")}"').status == 204
    assert ask(board, "PUT", "/fs" + path, b"three", if_match="*").status == 204
    assert read(board, path) == b"three"


def test_a_tag_may_stand_among_others_weak_or_without_quotes(board, path):
    put(board, path, b"one")
    one = digest(b"one")
    for value in (f'"x", "{one}"', f'W/"{one}"', one, "*"):
        assert ask(board, "GET", "/fs" + path, if_none_match=value).status == 304
        taken = ask(board, "PUT", "/fs" + path, b"two", if_none_match=value)
        refused(taken, 412, "precondition_failed")
        assert ask(board, "PUT", "/fs" + path, b"one", if_match=value).status == 204
    for header in ("if_match", "if_none_match"):
        refused(ask(board, "PUT", "/fs" + path, b"two", **{header: ""}), 400, "bad_header")
    assert read(board, path) == b"one"


def test_if_match_holds_for_deleting_and_renaming_too(board, path):
    put(board, path, b"one")
    other = {"if_match": f'"{digest(b"two")}"'}
    refused(ask(board, "DELETE", "/fs" + path, **other), 412, "precondition_failed")
    move = {"x_destination": f"/fs{path}.new"}
    refused(ask(board, "MOVE", "/fs" + path, **move, **other), 412, "precondition_failed")
    same = {"if_match": f'"{digest(b"one")}"'}
    assert ask(board, "MOVE", "/fs" + path, **move, **same).status == 201
    assert ask(board, "DELETE", f"/fs{path}.new", **same).status == 204


def test_a_piece_of_a_file_is_not_taken_for_the_whole(board, path):
    put(board, path, b"0123456789")
    piece = ask(board, "PUT", "/fs" + path, b"56789", content_range="bytes 5-9/10")
    refused(piece, 400, "bad_range")
    assert read(board, path) == b"0123456789"


def test_a_file_is_not_renamed_to_a_folder(board, path):
    put(board, path, b"one")
    refused(ask(board, "MOVE", "/fs" + path, x_destination=f"/fs{path}.d/"), 409, "not_directory")
    assert read(board, path) == b"one"


def test_if_match_needs_a_file(board, path):
    for value in ("*", f'"{digest(b"")}"'):
        answer = ask(board, "PUT", "/fs" + path, b"one", if_match=value)
        refused(answer, 412, "precondition_failed")
    assert read(board, path) is None


def test_if_none_match_creates_but_does_not_replace(board, path):
    assert ask(board, "PUT", "/fs" + path, b"one", if_none_match="*").status == 201
    refused(ask(board, "PUT", "/fs" + path, b"two", if_none_match="*"), 412, "precondition_failed")
    known = f'"{digest(b"one")}"'
    refused(
        ask(board, "PUT", "/fs" + path, b"two", if_none_match=known), 412, "precondition_failed"
    )
    assert read(board, path) == b"one"
    other = f'"{digest(b"else")}"'
    assert ask(board, "PUT", "/fs" + path, b"two", if_none_match=other).status == 204


def test_a_refused_condition_does_not_touch_the_flash(board, path):
    put(board, path, b"one")
    before = board.flash_operations
    ask(board, "PUT", "/fs" + path, b"x" * 9000, if_none_match="*")
    assert board.flash_operations == before


# --- the announced digest ---------------------------------------------------------------------


@pytest.mark.parametrize("change", [str, str.upper])
def test_a_body_with_the_announced_digest_goes_live(board, path, change):
    data = os.urandom(10_000)
    answer = ask(board, "PUT", "/fs" + path, data, x_content_sha256=change(digest(data)))
    assert answer.status == 201
    assert read(board, path) == data


@pytest.mark.parametrize("size", [0, 100, 10_000])
def test_a_body_with_another_digest_leaves_the_old_file(board, path, size):
    put(board, path, b"old")
    free = ask(board, "GET", "/fs/").json["free"]
    answer = ask(board, "PUT", "/fs" + path, b"x" * size, x_content_sha256=digest(b"else"))
    reason = refused(answer, 422, "digest_mismatch")
    assert reason["expected"] == digest(b"else")
    assert reason["found"] == digest(b"x" * size)
    assert read(board, path) == b"old"
    assert ask(board, "GET", "/fs/").json["free"] == free


def test_a_new_file_with_another_digest_does_not_appear(board, path):
    answer = ask(board, "PUT", "/fs" + path, b"x" * 5000, x_content_sha256=digest(b"else"))
    assert answer.status == 422
    assert read(board, path) is None


@pytest.mark.parametrize("value", ["", "abc", "g" * 64, "a" * 63, "a" * 65, "0x" + "a" * 62])
def test_an_announced_digest_that_is_none_is_refused_before_the_body(board, path, value):
    before = board.flash_operations
    refused(ask(board, "PUT", "/fs" + path, b"x", x_content_sha256=value), 400, "bad_digest")
    assert board.flash_operations == before


# --- folders ----------------------------------------------------------------------------------


def test_a_folder_is_made_with_its_parents(board, folder):
    assert ask(board, "PUT", f"/fs{folder}/a/b/", b"").status == 201
    assert ask(board, "PUT", f"/fs{folder}/a/b/").status == 204
    assert ask(board, "GET", f"/fs{folder}/a/b/").json["files"] == []


def test_a_listing_tells_names_kinds_sizes_and_space(board, folder):
    put(board, folder + "/b.txt", b"12345")
    put(board, folder + "/a/inner.txt", b"")
    listing = ask(board, "GET", f"/fs{folder}/").json
    assert [(f["name"], f["directory"], f["file_size"]) for f in listing["files"]] == [
        ("a", True, 0),
        ("b.txt", False, 5),
    ]
    assert all(isinstance(f["modified_ns"], int) for f in listing["files"])
    assert listing["total"] == 212
    assert 0 < listing["free"] < listing["total"]
    assert listing["block_size"] == 4096
    assert listing["writable"] is True


def test_the_private_folder_is_in_no_listing(board, folder):
    put(board, folder + "/x", b"x")
    names = [f["name"] for f in ask(board, "GET", "/fs/").json["files"]]
    assert not {".ota", ".r"} & set(names)
    assert {"boot.py", "main.py", "ota"} <= set(names)


def test_a_listing_without_the_slash_is_the_same(board, folder):
    put(board, folder + "/x", b"x")
    with_slash = ask(board, "GET", f"/fs{folder}/").json
    assert ask(board, "GET", f"/fs{folder}").json == with_slash


NAMES = [
    "plain.txt",
    "with space.txt",
    'quo"te.txt',
    "ümlaut.txt",
    "日本.txt",
    "%41.txt",
    "a+b&c=d#?.txt",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_that_littlefs_takes_goes_there_and_back(board, folder, name):
    quoted = "".join(f"%{byte:02X}" for byte in name.encode())
    put(board, f"{folder}/{quoted}", name.encode())
    assert [f["name"] for f in ask(board, "GET", f"/fs{folder}/").json["files"]] == [name]
    assert read(board, f"{folder}/{quoted}") == name.encode()
    assert ask(board, "DELETE", f"/fs{folder}/{quoted}").status == 204


def test_a_folder_of_300_entries_is_listed_whole(make_pico):
    from pico_ota.sim.image import write_files

    pico = make_pico(start=False)
    write_files(pico.image, {f"/many/entry-{n:03d}.txt": b"%d" % n for n in range(300)})
    pico.start()
    pico.wait_listening()
    answer = ask(pico, "GET", "/fs/many/")
    names = [f["name"] for f in answer.json["files"]]
    assert names == [f"entry-{n:03d}.txt" for n in range(300)]
    # And for a client of HTTP/1.0, which knows no chunks.
    with Wire(pico) as wire:
        raw = request(pico, "GET", "/fs/many/").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        old = wire.send(raw).answer()
    assert "transfer-encoding" not in old.headers
    assert json.loads(old.body) == answer.json


# --- DELETE -----------------------------------------------------------------------------------


def test_a_file_is_deleted(board, path):
    put(board, path, b"x")
    assert ask(board, "DELETE", "/fs" + path).status == 204
    assert read(board, path) is None
    refused(ask(board, "DELETE", "/fs" + path), 404, "not_found")


def test_an_empty_folder_is_deleted_a_full_one_only_when_asked(board, folder):
    put(board, folder + "/d/e/f.txt", b"x")
    refused(ask(board, "DELETE", f"/fs{folder}/d/", x_ota_recursive="no"), 409, "not_empty")
    assert read(board, folder + "/d/e/f.txt") == b"x"
    assert ask(board, "DELETE", f"/fs{folder}/d/").status == 204
    refused(ask(board, "GET", f"/fs{folder}/d/"), 404, "not_found")
    ask(board, "PUT", f"/fs{folder}/g/", b"")
    assert ask(board, "DELETE", f"/fs{folder}/g/").status == 204


def test_a_deep_and_wide_tree_is_deleted_whole(board, folder):
    for n in range(12):
        put(board, f"{folder}/tree/{'/'.join('abcdefghijkl'[:n])}/f{n}".replace("//", "/"), b"x")
        put(board, f"{folder}/tree/wide{n:02d}/f", b"x")
    assert ask(board, "DELETE", f"/fs{folder}/tree", x_ota_recursive="yes").status == 204
    refused(ask(board, "GET", f"/fs{folder}/tree/"), 404, "not_found")


# --- MOVE -------------------------------------------------------------------------------------


def test_a_file_is_renamed(board, folder):
    put(board, folder + "/a.txt", b"content")
    answer = ask(board, "MOVE", f"/fs{folder}/a.txt", x_destination=f"/fs{folder}/b/c.txt")
    assert answer.status == 201
    assert read(board, folder + "/a.txt") is None
    assert read(board, folder + "/b/c.txt") == b"content"


def test_a_folder_is_renamed_with_all_in_it(board, folder):
    put(board, folder + "/a/b/c.txt", b"content")
    answer = ask(board, "MOVE", f"/fs{folder}/a/", x_destination=f"/fs{folder}/z/")
    assert answer.status == 201
    assert read(board, folder + "/z/b/c.txt") == b"content"


def test_a_move_does_not_overwrite(board, folder):
    put(board, folder + "/a", b"a")
    put(board, folder + "/b", b"b")
    refused(ask(board, "MOVE", f"/fs{folder}/a", x_destination=f"/fs{folder}/b"), 412, "exists")
    refused(ask(board, "MOVE", f"/fs{folder}/a", x_destination=f"/fs{folder}/a"), 412, "exists")
    assert (read(board, folder + "/a"), read(board, folder + "/b")) == (b"a", b"b")


def test_a_move_out_of_the_root_keeps_the_content(board, folder):
    put(board, "/at-the-root.txt", b"content" * 1000)
    answer = ask(board, "MOVE", "/fs/at-the-root.txt", x_destination=f"/fs{folder}/in.txt")
    assert answer.status == 201
    assert read(board, "/at-the-root.txt") is None
    assert read(board, folder + "/in.txt") == b"content" * 1000


def test_a_folder_is_not_moved_into_itself(board, folder):
    put(board, folder + "/a/f", b"x")
    answer = ask(board, "MOVE", f"/fs{folder}/a", x_destination=f"/fs{folder}/a/b/c")
    assert answer.status in (400, 409), answer
    assert answer.json["error"]
    assert read(board, folder + "/a/f") == b"x"


@pytest.mark.parametrize(
    "destination",
    [None, "", "/etc/passwd", "x.txt", "/fs", "http://evil.example/fs/x", "/api/v1/info"],
)
def test_a_destination_that_is_none_is_refused(board, path, destination):
    put(board, path, b"x")
    refused(ask(board, "MOVE", "/fs" + path, x_destination=destination), 400, "bad_path")
    assert read(board, path) == b"x"


def test_moving_what_is_not_there(board, folder):
    answer = ask(board, "MOVE", f"/fs{folder}/no", x_destination=f"/fs{folder}/x")
    refused(answer, 404, "not_found")


# --- a folder where a file is expected, and the reverse ---------------------------------------


def test_a_file_is_not_written_where_a_folder_is(board, folder):
    put(board, folder + "/d/f", b"x")
    refused(ask(board, "PUT", f"/fs{folder}/d", b"y"), 409, "is_directory")
    assert read(board, folder + "/d/f") == b"x"


def test_a_folder_is_not_made_where_a_file_is(board, path):
    put(board, path, b"x")
    refused(ask(board, "PUT", f"/fs{path}/", b""), 409, "not_directory")
    assert read(board, path) == b"x"


@pytest.mark.parametrize("below", ["/below.txt", "/a/b/below.txt", "/dir/"])
def test_nothing_is_written_below_a_file(board, path, below):
    put(board, path, b"x")
    refused(ask(board, "PUT", f"/fs{path}{below}", b"y"), 409, "not_directory")
    assert read(board, path) == b"x"


def test_a_file_is_not_moved_below_a_file(board, folder):
    put(board, folder + "/a", b"a")
    put(board, folder + "/b", b"b")
    answer = ask(board, "MOVE", f"/fs{folder}/a", x_destination=f"/fs{folder}/b/c")
    refused(answer, 409, "not_directory")
    assert (read(board, folder + "/a"), read(board, folder + "/b")) == (b"a", b"b")


def test_a_file_is_not_read_or_deleted_as_a_folder(board, path):
    put(board, path, b"x")
    refused(ask(board, "GET", f"/fs{path}/"), 409, "not_directory")
    refused(ask(board, "DELETE", f"/fs{path}/"), 409, "not_directory")
    assert read(board, path) == b"x"


@pytest.mark.parametrize("target", ["/below", "/below/"])
def test_below_a_file_there_is_nothing_to_read_or_delete(board, path, target):
    put(board, path, b"x")
    for method in ("GET", "DELETE"):
        answer = ask(board, method, f"/fs{path}{target}")
        assert answer.status in (404, 409), answer
        assert answer.json["error"] in ("not_found", "not_directory")
    assert read(board, path) == b"x"


def test_the_root_is_neither_deleted_nor_moved_nor_replaced(board, folder):
    put(board, folder + "/x", b"x")
    for method, options in (
        ("DELETE", {}),
        ("DELETE", {"x_ota_recursive": "yes"}),
        ("MOVE", {"x_destination": f"/fs{folder}/root"}),
        ("MOVE", {"x_destination": "/fs/root"}),
    ):
        answer = ask(board, method, "/fs/", **options)
        assert 400 <= answer.status < 500, (method, options, answer)
        assert answer.json["error"]
    assert ask(board, "PUT", "/fs/", b"").status == 204
    assert read(board, folder + "/x") == b"x"


# --- verbs and places -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("POST", "/fs/x.txt", {"GET", "PUT", "DELETE", "MOVE"}),
        ("PUT", "/", {"GET"}),
        ("DELETE", "/api/v1/status", {"GET"}),
        ("POST", "/api/v1/info", {"GET"}),
        ("GET", "/api/v1/reboot", {"POST"}),
        ("GET", "/api/v1/password", {"PUT"}),
    ],
)
def test_a_wrong_verb_is_told_the_right_ones(board, method, target, allowed):
    answer = ask(board, method, target, b"" if method in ("POST", "PUT") else None)
    refused(answer, 405, "bad_method")
    assert allowed <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "CONNECT", "PROPFIND", "get", "BREW"])
def test_an_unknown_verb_is_refused(board, method):
    answer = ask(board, method, "/fs/x.txt", b"x")
    refused(answer, 405, "bad_method")
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    "target", ["/nothing", "/fs", "/api", "/api/v1/", "/api/v1/infos", "/FS/", "//"]
)
def test_nothing_is_found_elsewhere(board, target):
    refused(ask(board, "GET", target), 404, "not_found")


def test_a_query_does_not_change_what_is_meant(board, path):
    put(board, path, b"x")
    assert ask(board, "GET", f"/fs{path}?v=1&x=%20").body == b"x"
    assert ask(board, "GET", "/api/v1/info?a=b", authorization=None).status == 200


def test_a_newer_file_of_the_same_name_in_another_case_is_another_file(board, folder):
    put(board, folder + "/a.txt", b"small")
    put(board, folder + "/A.TXT", b"LARGE")
    assert read(board, folder + "/a.txt") == b"small"


def test_every_upload_is_in_the_log(board, path):
    put(board, path, b"12345")
    assert until(lambda: f"{path} written, 5 bytes" in board.console())
    assert address_of(board)[0] == "127.0.0.1"


# --- what is refused ----------------------------------------------------------------------------


def test_what_is_refused_does_not_count_as_changed(calm_board):
    board = calm_board

    def changed():
        return ask(board, "GET", "/api/v1/status").json["changed"]

    before = board.flash_operations
    refused(ask(board, "DELETE", "/fs/"), 403, "protected")
    refused(ask(board, "DELETE", "/fs/ota", x_ota_recursive="no"), 403, "protected")
    # Nothing has changed since the start, so none of them may write the mark either.
    assert (changed(), board.flash_operations) == ([], before)
    put(board, "/t/x.bin", b"x")
    put(board, "/big.bin", b"b" * 600_000)
    kept = changed()
    assert kept == ["/t/x.bin", "/big.bin"]
    before = board.flash_operations
    refused(ask(board, "DELETE", "/fs/t", x_ota_recursive="no"), 409, "not_empty")
    refused(ask(board, "MOVE", "/fs/t", x_destination="/fs/a/b"), 409, "root_folder")
    refused(ask(board, "MOVE", "/fs/big.bin", x_destination="/fs/a/b.bin"), 507, "no_space")
    assert (changed(), board.flash_operations) == (kept, before)
