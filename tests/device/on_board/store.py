"""ota/store.py"""

import asyncio
import hashlib
import os
from binascii import hexlify

from harness import disk, fill, mount, read, refused, tree, write

from ota import flash, store
from ota.errors import Refused

OLD, NEW = b"old" * 2000, b"new" * 2500


def sha(data):
    return hexlify(hashlib.sha256(data).digest()).decode()


def replace(path, data, expected=None):
    """What the route of a PUT does."""
    incoming = store.Incoming(path)
    try:
        for at in range(0, len(data), 4096):
            incoming.write(memoryview(data)[at : at + 4096])
        return incoming.publish(expected)
    finally:
        incoming.drop()


def test_a_file_is_created_with_its_parents():
    assert replace("/a/b/c", NEW) == sha(NEW)
    assert tree() == {"/a/b/c": NEW}


def test_a_file_is_replaced():
    write("/f", OLD)
    assert replace("/f", NEW, sha(NEW)) == sha(NEW)
    assert tree() == {"/f": NEW}


def test_an_empty_file_replaces_too():
    write("/f", OLD)
    replace("/f", b"")
    assert tree() == {"/f": b""}


def test_another_digest_leaves_everything_as_it_was():
    os.mkdir("/.ota")
    write("/f", OLD)
    free = flash.space()
    error = refused(422, "digest_mismatch", replace, "/f", NEW, sha(OLD))
    assert (error.extra["expected"], error.extra["found"]) == (sha(OLD), sha(NEW))
    assert tree() == {"/f": OLD}
    assert flash.space() == free


def test_parents_are_not_made_for_a_file_that_does_not_come():
    refused(422, "digest_mismatch", replace, "/a/b/c", NEW, sha(OLD))
    assert tree() == {}
    assert "a" not in os.listdir("/")


def test_dropping_twice_and_after_publishing_is_harmless():
    incoming = store.Incoming("/f")
    incoming.write(memoryview(NEW))
    incoming.publish(None)
    incoming.drop()
    incoming.drop()
    assert tree() == {"/f": NEW}


def test_a_flash_that_fills_up_underway_leaves_everything_as_it_was():
    os.mkdir("/.ota")
    write("/f", OLD)
    for leave in range(8):
        fill(leave)
        before = tree()
        big = bytes(4096 * 10)
        error = refused(507, "no_space", replace, "/f", big)
        assert error.extra["free"] <= 8 * 4096
        assert tree() == before, leave
        os.remove("/filler")
    replace("/f", NEW)
    assert tree() == {"/f": NEW}


def test_a_flash_that_fills_up_before_the_last_step_leaves_everything_as_it_was():
    os.mkdir("/.ota")
    # The rest of the file is written at close, its parents are made after that.
    write("/f", OLD)
    for size in (600, 5000):
        for path in ("/f", "/new/folder/f"):
            incoming = store.Incoming(path)
            try:
                incoming.write(memoryview(bytes(size)))
                fill()
                before = tree()
                del before["/.ota/incoming"]
                try:
                    incoming.publish(None)
                except (Refused, OSError) as error:
                    assert isinstance(error, Refused) or error.errno == 28
                    incoming.drop()
                    assert tree() == before
            finally:
                incoming.drop()
            assert read("/.ota/incoming") is None
            os.remove("/filler")
            write("/f", OLD)


def test_power_cuts_leave_the_old_file_or_the_new_one():
    write("/dir/f", OLD)
    write("/dir/g", b"neighbour")
    write("/main.py", b"main")
    before = disk.operations
    replace("/dir/f", NEW)
    count = disk.operations - before
    assert count > 5
    seen = {OLD: 0, NEW: 0}
    for cut in range(1, count + 2):
        write("/dir/f", OLD)
        mount()
        disk.cut_at = disk.operations + cut
        try:
            replace("/dir/f", NEW)
        except OSError:
            pass
        disk.cut_at = -1
        mount()
        store.Incoming("/x").drop()  # what the next start removes, see ota/startup.py
        found = tree()
        content = found.pop("/dir/f")
        assert content in (OLD, NEW), (cut, content and content[:10])
        assert found == {"/dir/g": b"neighbour", "/main.py": b"main"}, (cut, found.keys())
        seen[content] += 1
    assert seen[OLD] > 3
    assert seen[NEW] >= 1


def test_space_is_checked_with_a_reserve():
    free, _, block = flash.space()
    store.check_space(free - 4 * block, "/f")
    refused(507, "no_space", store.check_space, free, "/f")
    refused(507, "no_space", store.check_space, free - 4 * block, "/new/f")
    refused(507, "no_space", store.check_space, free + 1, "/f")
    error = refused(507, "no_space", store.check_space, 999999999, "/f")
    assert error.extra["need"] > 999999999
    assert error.extra["free"] == free
    fill()
    refused(507, "no_space", store.check_space, 0, "/f")


def test_what_passes_the_check_can_be_written():
    os.mkdir("/.ota")
    for path in ("/f", "/new/f", "/much/deeper/new/folder/f"):
        fill(30)
        size = flash.space()[0]
        while True:
            try:
                store.check_space(size, path)
                break
            except Refused:
                size -= 512
        assert size > 60000
        replace(path, bytes(size))
        assert os.stat(path)[6] == size
        os.remove(path)
        os.remove("/filler")


def test_a_folder_is_no_target_and_a_file_no_parent():
    write("/d/f", b"x")
    refused(409, "is_directory", store.check_target, "/d")
    refused(409, "not_directory", store.check_target, "/d/f/g")
    refused(409, "not_directory", store.check_target, "/d/f/g/h/i")
    store.check_target("/d/f")
    store.check_target("/d/g")
    store.check_target("/x/y/z")


def test_a_tree_is_removed_whole_without_recursion():
    for n in range(25):
        write("/t" + "/a" * n + "/f%d" % n, b"x" * n)
        write("/t/w%02d/f" % n, b"")
    write("/keep", b"k")
    steps = 0
    for _ in store.remove_tree("/t"):
        steps += 1
    assert steps > 50
    assert tree() == {"/keep": b"k"}


def test_a_copy_is_whole_or_not_there():
    write("/a", OLD)
    asyncio.run(store.copy("/a", "/d/e/b", bytearray(1024)))
    assert tree() == {"/a": OLD, "/d/e/b": OLD}
    fill(1)
    before = tree()
    refused(507, "no_space", store.copy, "/a", "/x/c", bytearray(1024))
    assert tree() == before
    assert "x" not in os.listdir("/")
