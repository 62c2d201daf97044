"""A flash that is full, before an upload and in the middle of one."""

import pytest
from wire import Wire, ask, digest, put, read, refused, request

FREE_BLOCKS = 30


@pytest.fixture
def full(make_pico):
    """A board with 30 blocks free: /filler takes the rest."""
    pico = make_pico("hungry")
    put(pico, "/file.bin", b"old" * 1000)
    free = ask(pico, "GET", "/fs/").json["free"]
    put(pico, "/filler", bytes((free - FREE_BLOCKS - 2) * 4096))
    return pico


def test_what_does_not_fit_is_refused_before_its_body_is_read(full):
    before = full.flash_operations
    free = ask(full, "GET", "/fs/").json["free"] * 4096
    with Wire(full) as wire:
        # Not a byte of the body is sent.
        wire.send(request(full, "PUT", "/fs/file.bin", content_length=str(free)))
        reason = refused(wire.answer(), 507, "no_space")
    assert reason["need"] > free
    assert reason["free"] == free
    assert full.flash_operations == before
    assert read(full, "/file.bin") == b"old" * 1000


def test_everything_that_needs_room_says_so_and_removing_still_works(full):
    # Small files until nothing goes any more.
    count = 0
    while True:
        answer = ask(full, "PUT", f"/fs/small/{count:03d}.bin", b"x" * 3000)
        if answer.status != 201:
            break
        count += 1
    refused(answer, 507, "no_space")
    assert count > 10
    before = full.flash_operations
    refused(ask(full, "PUT", "/fs/new-folder/", b""), 507, "no_space")
    refused(ask(full, "PUT", "/fs/file.bin", b"y" * 3000), 507, "no_space")
    moved = ask(full, "MOVE", "/fs/file.bin", x_destination="/fs/small/file.bin")
    refused(moved, 507, "no_space")
    assert full.flash_operations == before
    assert read(full, "/file.bin") == b"old" * 1000
    # Within one folder a file can be renamed at any time.
    assert ask(full, "MOVE", "/fs/small/000.bin", x_destination="/fs/small/x").status == 201
    assert ask(full, "DELETE", "/fs/filler").status == 204
    put(full, "/file.bin", b"new")
    assert ask(full, "DELETE", "/fs/small", x_ota_recursive="yes").status == 204


@pytest.mark.parametrize("at", [1, 20_000, 40_000])
@pytest.mark.parametrize("existing", [True, False])
def test_a_flash_that_fills_up_in_the_middle_changes_nothing(full, at, existing):
    path = f"/at-{at}"
    body = b"n" * 40_000
    if existing:
        # The announced digest is wrong, so that the flash is not filled yet.
        put(full, path, b"old" * 1000) if at > 3000 else put(full, path, b"")
        ask(full, "DELETE", "/fs/eaten")
    old = read(full, path)
    answer = ask(full, "PUT", "/fs" + path, body, x_content_sha256=digest(body))
    if at == len(body) and answer.status in (201, 204):
        # All of it was on the flash before the application took the rest.
        assert read(full, path) == body
        return
    reason = refused(answer, 507, "no_space")
    assert reason["free"] < 3 * 4096
    assert read(full, path) == old
    # Nothing is left behind: what the application gives back is enough for the same upload.
    assert ask(full, "DELETE", "/fs/eaten").status == 204
    put(full, "/elsewhere.bin", body)


def test_a_refused_upload_of_500_kb_leaves_the_connection_usable(full):
    with Wire(full) as wire:
        wire.send(request(full, "PUT", "/fs/file.bin", bytes(500_000)))
        refused(wire.answer(), 507, "no_space")
        wire.send(request(full, "GET", "/fs/file.bin"))
        assert wire.answer().body == b"old" * 1000
