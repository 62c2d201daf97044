"""An update session against a transport that keeps the books of a device, and breaks at will."""

import hashlib
import json
import re

import httpx
import pytest

from pico_ota import sync
from pico_ota.errors import RefusedError, UnreachableError
from pico_ota.remote import Remote
from pico_ota.target import Target
from pico_ota.update import PIECE, UpdateSession

SESSION = "5e55"


class Books(httpx.BaseTransport):
    """As much of a device as a session touches: what was begun and what has arrived."""

    def __init__(self):
        self.manifest = None
        self.arrived = {}
        self.state = "idle"
        self.faults = []  # called before each request; may raise
        self.holding = 0  # looks for which a broken upload still seems to be under way
        self.lose = []  # paths whose next answer gets lost
        self.requests = []

    def handle_request(self, request):
        path = request.url.path
        self.requests.append((request.method, path))
        for fault in self.faults:
            fault(request, self)
        body = b"".join(request.stream)
        answer = self.answer(request, path, body)
        if path in self.lose:
            self.lose.remove(path)
            raise httpx.ReadError("answer lost")
        return answer

    def answer(self, request, path, body):
        if path == "/api/v1/status":
            upload = {"path": "/big.bin"} if self.holding > 0 else None
            self.holding -= 1
            return httpx.Response(200, json={"state": self.state, "upload": upload})
        if path == "/api/v1/update" and request.method == "POST":
            self.manifest, self.state = json.loads(body), "staging"
            need = [file["path"] for file in self.manifest["files"]]
            return httpx.Response(201, json={"id": SESSION, "need": need, "bytes": 1})
        if request.headers.get("X-OTA-Session") != SESSION:
            return httpx.Response(409, json={"error": "stale_session", "message": "Other."})
        if path == "/api/v1/update" and request.method == "DELETE":
            self.state, self.arrived = "idle", {}
            return httpx.Response(204)
        if path == "/api/v1/update":
            rows = [
                {"path": row["path"], "received": len(self.arrived.get(row["path"], b""))}
                for row in self.manifest["files"]
            ]
            return httpx.Response(200, json={"id": SESSION, "files": rows})
        if path == "/api/v1/update/commit":
            self.state = "committed"
            return httpx.Response(202, json={"state": "committed", "boot_id": "b"})
        return self.piece(request, path.removeprefix("/api/v1/update/files"), body)

    def piece(self, request, path, body):
        rows = {file["path"]: file for file in self.manifest["files"]}
        size = rows[path]["size"]
        have = self.arrived.get(path, b"")
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", request.headers.get("Content-Range", ""))
        start = int(found[1]) if found else 0
        if found and start != len(have):
            error = {"error": "wrong_offset", "message": "There is more.", "received": len(have)}
            return httpx.Response(409, json=error)
        if found:
            assert int(found[2]) == start + len(body) - 1
            assert int(found[3]) == size
        have = self.arrived[path] = have[:start] + body
        if len(have) < size:
            return httpx.Response(202, json={"received": len(have), "size": size})
        if hashlib.sha256(have).hexdigest() != rows[path]["sha256"]:
            del self.arrived[path]
            return httpx.Response(422, json={"error": "digest_mismatch", "message": "Damaged."})
        return httpx.Response(201, json={})


@pytest.fixture
def files(here):
    (here / "small.py").write_bytes(b"x = 1\n")
    (here / "big.bin").write_bytes(bytes(i * 7 % 251 for i in range(3 * PIECE + 1000)))
    (here / "empty").write_bytes(b"")
    return {file.path: file for file in sync.scan([here])}


@pytest.fixture
def books():
    return Books()


@pytest.fixture
def update(books, files):
    remote = Remote(Target("p"), password=lambda: "x", transport=books, sleep=lambda s: None)
    session = UpdateSession(remote, sync.manifest(files.values(), [], "1"))
    session.begin()
    return session


def test_each_file_arrives_whole(update, books, files):
    for file in files.values():
        update.send(file)
    assert books.arrived == {path: file.read() for path, file in files.items()}


def test_only_large_files_go_in_pieces(update, books, files):
    update.send(files["/small.py"])
    update.send(files["/empty"])
    assert len(books.requests) == 3
    update.send(files["/big.bin"])
    assert len(books.requests) == 3 + 4


def test_a_break_costs_one_piece_not_the_file(update, books, files):
    broken = []

    def break_once(request, books):
        if "bytes 131072-" in request.headers.get("Content-Range", "") and not broken:
            broken.append(1)
            raise httpx.ReadError("cut")

    books.faults.append(break_once)
    update.send(files["/big.bin"])
    assert books.arrived["/big.bin"] == files["/big.bin"].read()
    assert [method for method, _ in books.requests].count("PUT") == 5


def test_a_device_that_holds_on_to_a_broken_connection_is_waited_for(update, books, files):
    # Sending before it lets go would cost a piece each time.
    def break_once(request, books):
        if "bytes 131072-" in request.headers.get("Content-Range", ""):
            books.holding = 5
            books.faults.clear()
            raise httpx.ReadError("cut")

    books.faults.append(break_once)
    update.send(files["/big.bin"])
    assert [method for method, _ in books.requests].count("PUT") == 5
    assert [path for _, path in books.requests].count("/api/v1/status") == 6


def test_it_goes_on_where_the_device_says(update, books, files):
    # The device kept half a piece of what came before the break.
    def cut_in_the_middle(request, books):
        if "bytes 65536-" in request.headers.get("Content-Range", ""):
            books.arrived["/big.bin"] += b"".join(request.stream)[:1000]
            books.faults.clear()
            raise httpx.ReadError("cut")

    books.faults.append(cut_in_the_middle)
    update.send(files["/big.bin"])
    assert books.arrived["/big.bin"] == files["/big.bin"].read()


def test_a_lost_answer_to_the_last_piece_is_no_failure(update, books, files):
    def lose_last(request, books):
        if "bytes 196608-" in request.headers.get("Content-Range", ""):
            books.lose.append(request.url.path)
            books.faults.clear()

    books.faults.append(lose_last)
    update.send(files["/big.bin"])
    assert books.arrived["/big.bin"] == files["/big.bin"].read()


def test_a_file_that_arrives_damaged_is_sent_once_more(update, books, files):
    def damage(request, books):
        if "bytes 65536-" in request.headers.get("Content-Range", ""):
            books.arrived["/big.bin"] = b"?" + books.arrived["/big.bin"][1:]
            books.faults.clear()

    books.faults.append(damage)
    update.send(files["/big.bin"])
    assert books.arrived["/big.bin"] == files["/big.bin"].read()


def test_a_file_that_arrives_damaged_again_is_given_up(update, books, files):
    def damage(request, books):
        if "bytes 65536-" in request.headers.get("Content-Range", ""):
            books.arrived["/big.bin"] = b"?" + books.arrived["/big.bin"][1:]

    books.faults.append(damage)
    with pytest.raises(RefusedError, match="Damaged"):
        update.send(files["/big.bin"])


def test_an_offset_that_never_fits_ends(update, books, files):
    def stubborn(request, books):
        if request.method == "PUT":
            books.arrived["/big.bin"] = b"x" * 5

    books.faults.append(stubborn)
    with pytest.raises(RefusedError, match="There is more"):
        update.send(files["/big.bin"])


def test_a_device_that_lost_what_it_had_gets_it_again(update, books, files):
    def forget(request, books):
        if "bytes 131072-" in request.headers.get("Content-Range", ""):
            books.arrived.clear()
            books.faults.clear()

    books.faults.append(forget)
    update.send(files["/big.bin"])
    assert books.arrived["/big.bin"] == files["/big.bin"].read()


def test_another_session_is_not_written_into(update, files):
    update.id = "0000"
    with pytest.raises(RefusedError, match="Other"):
        update.send(files["/small.py"])


def test_a_commit_whose_answer_gets_lost_is_done_all_the_same(update, books):
    books.lose.append("/api/v1/update/commit")
    assert update.commit() == {}
    assert books.state == "committed"
    assert [path for _, path in books.requests].count("/api/v1/update/commit") == 1


def test_a_commit_that_never_got_there_is_asked_for_again(update, books):
    def never_arrives(request, books):
        if request.url.path.endswith("/commit"):
            books.faults.clear()
            raise httpx.WriteError("cut")

    books.faults.append(never_arrives)
    assert update.commit()["boot_id"] == "b"
    assert books.state == "committed"


def test_a_device_that_is_gone_ends_the_session(update, books, files):
    def gone(request, books):
        raise httpx.ConnectError("gone")

    books.faults.append(gone)
    with pytest.raises(UnreachableError, match="goes on where it was"):
        update.send(files["/small.py"])


def test_breaks_that_bring_nothing_further_end(update, books, files):
    def always(request, books):
        if request.method == "PUT":
            raise httpx.ReadError("cut")

    books.faults.append(always)
    with pytest.raises(UnreachableError):
        update.send(files["/small.py"])
    assert [method for method, _ in books.requests].count("PUT") == 1 + update.remote.retries


def test_abort_drops_all(update, books, files):
    update.send(files["/small.py"])
    update.abort()
    assert (books.state, books.arrived) == ("idle", {})
