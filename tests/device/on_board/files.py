"""ota/files.py: what a single file goes through"""

import asyncio
import hashlib
import json
import os
from binascii import hexlify

from harness import disk, fill, mount, raises, read, refused, tree, write

from ota import changes, files, flash, reading
from ota.body import Body
from ota.errors import Refused

OLD, NEW = b"old" * 2000, b"new" * 2500


def sha(data):
    return hexlify(hashlib.sha256(data).digest()).decode()


class Service:
    """What a change needs of the service."""

    buffer = bytearray(1024)

    def __init__(self):
        self.changed = []


def by_hand(service, path):
    """Stand for the function in ota/changes.py, and see what is there when it is called."""
    service.changed.append((path, read(path)))


changes.by_hand = by_hand


class Request:
    """The head of a PUT, and its whole body."""

    def __init__(self, data, expected):
        self.source = self
        self._data = memoryview(data)
        self._expected = expected

    def announced(self):
        return self._expected

    def take(self, view):
        count = min(len(view), len(self._data))
        view[:count] = self._data[:count]
        self._data = self._data[count:]
        return count

    async def readinto(self, view):
        return self.take(view)


def replace(path, data, expected=None):
    """What the route of a PUT does."""
    body = Body(Request(data, expected))
    body.hash()
    incoming = files._Incoming(path)
    try:
        asyncio.run(body.pump(incoming.write, Service.buffer))
        incoming.publish(Service())
        return body.sha256
    finally:
        incoming.close()


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
    incoming = files._Incoming("/f")
    incoming.write(memoryview(NEW))
    service = Service()
    incoming.publish(service)
    assert service.changed == [("/f", None)]  # noted before it is done
    incoming.close()
    incoming.close()
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
            incoming = files._Incoming(path)
            try:
                incoming.write(memoryview(bytes(size)))
                fill()
                before = tree()
                del before["/.ota/~incoming"]
                try:
                    incoming.publish(Service())
                except (Refused, OSError) as error:
                    assert isinstance(error, Refused) or error.errno == 28
                    incoming.close()
                    assert tree() == before
            finally:
                incoming.close()
            assert read("/.ota/~incoming") is None
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
        files._Incoming("/x").close()  # what the next start removes, see ota/trial.py
        found = tree()
        content = found.pop("/dir/f")
        assert content in (OLD, NEW), (cut, content and content[:10])
        assert found == {"/dir/g": b"neighbour", "/main.py": b"main"}, (cut, found.keys())
        seen[content] += 1
    assert seen[OLD] > 3
    assert seen[NEW] >= 1


def test_space_is_checked_with_a_reserve():
    free, _, block = flash.space()
    flash.check_space(free - 4 * block, "/f")
    refused(507, "no_space", flash.check_space, free, "/f")
    refused(507, "no_space", flash.check_space, free - 4 * block, "/new/f")
    refused(507, "no_space", flash.check_space, free + 1, "/f")
    error = refused(507, "no_space", flash.check_space, 999999999, "/f")
    assert error.extra["need"] > 999999999
    assert error.extra["free"] == free
    fill()
    refused(507, "no_space", flash.check_space, 0, "/f")


def test_what_passes_the_check_can_be_written():
    os.mkdir("/.ota")
    for path in ("/f", "/new/f", "/much/deeper/new/folder/f"):
        fill(30)
        size = flash.space()[0]
        while True:
            try:
                flash.check_space(size, path)
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
    refused(409, "is_directory", files._check_target, "/d")
    refused(409, "not_directory", files._check_target, "/d/f/g")
    refused(409, "not_directory", files._check_target, "/d/f/g/h/i")
    files._check_target("/d/f")
    files._check_target("/d/g")
    files._check_target("/x/y/z")


def test_a_tree_is_removed_whole_without_recursion():
    for n in range(25):
        write("/t" + "/a" * n + "/f%d" % n, b"x" * n)
        write("/t/w%02d/f" % n, b"")
    write("/keep", b"k")
    turns = []

    async def other():
        while True:
            turns.append(1)
            await asyncio.sleep_ms(0)

    async def both():
        task = asyncio.create_task(other())
        await files._remove_tree("/t")
        task.cancel()

    asyncio.run(both())
    assert len(turns) > 50
    assert tree() == {"/keep": b"k"}


def test_a_copy_is_whole_or_not_there():
    write("/a", OLD)
    asyncio.run(files._copy("/a", "/d/e/b", Service()))
    assert tree() == {"/a": OLD, "/d/e/b": OLD}
    fill(1)
    before = tree()
    refused(507, "no_space", files._copy, "/a", "/x/c", Service())
    assert tree() == before
    assert "x" not in os.listdir("/")


# --- out -----------------------------------------------------------------------------------------


def test_files_on_their_way_out_hear_of_a_change():
    class Reader:
        stale = False

        def __init__(self, path):
            self.path = path

    here = Service()
    for changed, heard in (
        ("/a/b", ["/a/b"]),
        ("/a", ["/a/b", "/a/c/d"]),
        ("/a/", []),
        ("/ab", ["/ab"]),
        ("/x", []),
    ):
        here.readers = [Reader(path) for path in ("/a/b", "/a/c/d", "/ab")]
        files._replaced(here, changed)
        assert [reader.path for reader in here.readers if reader.stale] == heard, changed


def test_a_file_that_is_replaced_meanwhile_is_not_sent_any_further():
    write("/f", OLD)
    readers = []
    reader = reading._Reader(readers, "/f")
    view = memoryview(bytearray(1000))
    assert asyncio.run(reader.digest()) == sha(OLD)
    assert reader.readinto(view) == 1000
    assert bytes(view) == OLD[:1000]
    assert reader.left == len(OLD) - 1000
    assert readers == [reader]
    readers[0].stale = True
    raises(OSError, reader.readinto, view)
    for _ in range(2):
        reader.close()
    assert readers == []


def test_what_is_appended_meanwhile_is_not_sent():
    write("/f", b"12345")
    reader = reading._Reader([], "/f")
    with open("/f", "ab") as target:
        target.write(b"678")
    view = memoryview(bytearray(100))
    assert reader.readinto(view) == 5
    assert reader.readinto(view) == 0
    reader.close()


def listing(folder):
    return json.loads(b"".join(reading._listing(folder)))


def test_a_listing_comes_in_small_pieces():
    for n in range(60):
        write('/d/file %02d "ü".txt' % n, b"x" * n)
    write("/d/sub/x", b"")
    pieces = list(reading._listing("/d"))
    assert max([len(piece) for piece in pieces]) < 700
    rows = json.loads(b"".join(pieces))["files"]
    assert len(rows) == 61
    assert rows[3] == {
        "name": 'file 03 "ü".txt',
        "directory": False,
        "file_size": 3,
        "modified_ns": 0,
        "protected": False,
    }
    assert rows[-1]["directory"] is True


def test_a_listing_hides_what_is_private_and_marks_what_is_ours():
    for path in ("/.ota/state", "/boot.py", "/ota/x", "/main.py", "/ota_boot.py"):
        write(path, b"")
    marks = {row["name"]: row["protected"] for row in listing("/")["files"]}
    marks.pop("device")
    marks.pop("scripts")
    assert marks == {"boot.py": True, "main.py": False, "ota": True, "ota_boot.py": True}
    assert listing("/ota")["files"][0]["protected"] is True
    assert "files.py" in [row["name"] for row in listing("/scripts")["files"]]  # mounted there
