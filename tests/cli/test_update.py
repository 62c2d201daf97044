"""An update session against a transport that keeps the books of a device, and breaks at will."""

import hashlib
import re

import httpx
import pytest

from pico_ota import sync
from pico_ota.errors import RefusedError, UnreachableError
from pico_ota.release import archive
from pico_ota.release.builder import describe
from pico_ota.release.description import Parser
from pico_ota.remote import Remote
from pico_ota.target import Target
from pico_ota.update import UpdateSession

PLACE = "/api/v1/update"


class Books(httpx.BaseTransport):
    """As much of a device as a session touches: what was begun and what has arrived."""

    def __init__(self):
        self.head = None
        self.id = None
        self.listed = {}
        self.arrived = {}
        self.state = "idle"
        self.faults = []  # called before each request; may raise
        self.holding = 0  # looks for which a broken upload still seems to be under way
        self.lose = []  # (method, path) whose next answer gets lost
        self.delays = 0  # commits that the application puts off
        self.requests = []

    def handle_request(self, request):
        path = request.url.path
        self.requests.append((request.method, path))
        for fault in self.faults:
            fault(request, self)
        body = b"".join(request.stream)
        answer = self.answer(request, path, body)
        if (request.method, path) in self.lose:
            self.lose.remove((request.method, path))
            raise httpx.ReadError("answer lost")
        return answer

    def answer(self, request, path, body):
        if path == "/api/v1/status":
            upload = {"path": "/big.bin"} if self.holding > 0 else None
            self.holding -= 1
            return httpx.Response(200, json={"state": self.state, "upload": upload})
        if path == PLACE and request.method == "POST":
            return self.begin(body)
        if request.headers.get("X-OTA-Session", self.id) != self.id:
            return refusal(409, "stale_session")
        if path == PLACE and self.state != "staging":
            return refusal(404, "no_update")
        if path == PLACE and request.method == "DELETE":
            self.state, self.arrived = "idle", {}
            return httpx.Response(204)
        if path == PLACE:
            rows = [{"path": p, "received": len(self.arrived.get(p, b""))} for p in self.listed]
            return httpx.Response(200, json={"id": self.id, "files": rows})
        if path == f"{PLACE}/commit":
            if self.delays:
                self.delays -= 1
                return refusal(503, "delayed_by_application", retry_after=30)
            self.state = "committed"
            return httpx.Response(202, json={"state": "committed", "boot_id": "b"})
        return self.put(request, path.removeprefix(f"{PLACE}/files"), body)

    def begin(self, body):
        # What comes ends right behind the head's last entry.
        end = archive.pack([])[:124]
        whole = body + end + bytes(-len(body + end) % 512)
        self.head = [(entry.head.name, entry.data) for entry in archive.unpack(whole)]
        text = self.head[0][1]
        found = hashlib.sha256(text).hexdigest()
        if self.state == "staging" and found != self.id:
            return refusal(409, "busy", id=self.id)
        self.id, self.state = found, "staging"
        self.listed = {file.path: file for file in Parser(text).finish().files}
        left = {p: f.size - len(self.arrived.get(p, b"")) for p, f in self.listed.items()}
        need = [p for p, size in left.items() if size or not self.listed[p].size]
        answer = {"id": self.id, "signer": None, "need": need, "bytes": sum(left.values())}
        return httpx.Response(201, json=answer)

    def put(self, request, path, body):
        wanted = self.listed[path]
        have = self.arrived.get(path, b"")
        spread = request.headers.get("Content-Range")
        start = 0
        if spread:
            start, last, size = map(int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", spread).groups())
            assert (last, size) == (start + len(body) - 1, wanted.size)
            if start != len(have):
                return refusal(409, "wrong_offset", received=len(have))
        have = self.arrived[path] = have[:start] + body
        if len(have) < wanted.size:
            return httpx.Response(202, json={"received": len(have), "size": wanted.size})
        if hashlib.sha256(have).hexdigest() != wanted.sha256:
            del self.arrived[path]
            return refusal(422, "digest_mismatch")
        return httpx.Response(201, json={})

    @property
    def puts(self):
        return [method for method, _ in self.requests].count("PUT")


def refusal(status, word, **more):
    return httpx.Response(status, json={"error": word, "message": f"{word}.", **more})


class Break:
    """Lets *count* bytes of the next body of *path* arrive and then the connection break."""

    def __init__(self, path, *counts):
        self.path = f"{PLACE}/files{path}"
        self.counts = list(counts)

    def __call__(self, request, books):
        if request.url.path == self.path and self.counts:
            path = self.path.removeprefix(f"{PLACE}/files")
            have = books.arrived.get(path, b"") if "Content-Range" in request.headers else b""
            books.arrived[path] = have + b"".join(request.stream)[: self.counts.pop(0)]
            raise httpx.ReadError("cut")


@pytest.fixture
def files(here):
    (here / "small.py").write_bytes(b"x = 1\n")
    (here / "big.bin").write_bytes(bytes(i * 7 % 251 for i in range(200_000)))
    (here / "empty").write_bytes(b"")
    return {file.path: file for file in sync.scan([here])}


@pytest.fixture
def description(files):
    return describe(files.values(), "1")


@pytest.fixture
def books():
    return Books()


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def connect(books, description, pauses):
    def connect(described=description, **options):
        remote = Remote(
            Target("p"), password=lambda: "x", transport=books, sleep=pauses.append, **options
        )
        return UpdateSession(remote, described)

    return connect


@pytest.fixture
def update(connect):
    session = connect()
    session.begin()
    return session


@pytest.fixture
def send(update, files):
    """Send the file at a path: `send("/big.bin")`."""
    listed = {file.path: file for file in update.description.files}
    return lambda path: update.send(listed[path], files[path].read())


def test_the_head_is_the_description_and_the_signature(books, connect, description):
    session = connect()
    assert session.begin() == ["/big.bin", "/empty", "/small.py"]
    assert books.head == [("sw-description", description.render())]
    assert session.id == books.id == hashlib.sha256(description.render()).hexdigest()
    signed = UpdateSession(session.remote, description, b"signature")
    signed.begin()
    assert books.head[1:] == [("sw-description.sig", b"signature")]
    assert signed.id == session.id


def test_each_file_arrives_whole_in_one_request(send, books, files):
    for path in files:
        send(path)
    assert books.arrived == {path: file.read() for path, file in files.items()}
    assert books.puts == 3
    assert len(books.requests) == 1 + 3


def test_a_break_costs_what_had_not_arrived(send, update, books, files):
    books.faults.append(Break("/big.bin", 150_000))
    send("/big.bin")
    assert books.arrived["/big.bin"] == files["/big.bin"].read()
    assert books.puts == 2
    assert update.bytes_sent == 50_000


def test_a_device_that_holds_on_to_a_broken_connection_is_waited_for(send, books):
    # What it has can only be told once it has let go.
    books.faults.append(Break("/big.bin", 1000))
    books.holding = 5
    send("/big.bin")
    assert books.puts == 2
    assert [path for _, path in books.requests].count("/api/v1/status") == 6


def test_breaks_that_bring_it_further_do_not_count(send, update, books, files):
    breaks = Break("/big.bin", *[1000] * 30)
    books.faults.append(breaks)
    send("/big.bin")
    assert books.arrived["/big.bin"] == files["/big.bin"].read()
    assert books.puts == 31 > update.remote.retries


def test_the_same_description_goes_on_within_a_file(connect, books, files, description):
    first = connect(retries=0)
    first.begin()
    books.faults.append(Break("/big.bin", 150_000))
    listed = {file.path: file for file in description.files}
    with pytest.raises(UnreachableError):
        first.send(listed["/big.bin"], files["/big.bin"].read())
    again = connect()
    assert "/big.bin" in again.begin()
    again.send(listed["/big.bin"], files["/big.bin"].read())
    assert again.bytes_sent == 50_000
    assert books.arrived["/big.bin"] == files["/big.bin"].read()


def test_a_lost_answer_is_no_failure(send, books, files):
    books.lose.append(("PUT", f"{PLACE}/files/big.bin"))
    send("/big.bin")
    assert books.arrived["/big.bin"] == files["/big.bin"].read()
    assert books.puts == 1


def test_a_file_that_arrives_damaged_is_sent_once_more(send, books, files):
    def damage(request, books):
        if request.method == "PUT":
            books.arrived["/big.bin"] = b"?" * 150_000
            books.faults.clear()
            raise httpx.ReadError("cut")

    books.faults.append(damage)
    send("/big.bin")
    assert books.arrived["/big.bin"] == files["/big.bin"].read()
    assert books.puts == 3


def test_a_file_that_arrives_damaged_again_is_given_up(send, books, files):
    books.listed["/big.bin"] = books.listed["/small.py"]
    with pytest.raises(RefusedError, match="digest_mismatch"):
        send("/big.bin")
    assert books.puts == 2


def test_an_offset_that_never_fits_ends(send, books):
    def stubborn(request, books):
        if request.method == "PUT":
            if "Content-Range" not in request.headers:
                books.arrived["/big.bin"] = b"x" * 5
                raise httpx.ReadError("cut")
            books.arrived["/big.bin"] = b"x" * (len(books.arrived["/big.bin"]) + 1)

    books.faults.append(stubborn)
    with pytest.raises(RefusedError, match="wrong_offset"):
        send("/big.bin")


def test_a_device_that_lost_what_it_had_gets_it_again(send, books, files):
    broken = Break("/big.bin", 1000)

    def forget(request, books):
        if "Content-Range" in request.headers:
            books.arrived.clear()
            books.faults.clear()

    books.faults += [broken, forget]
    send("/big.bin")
    assert books.arrived["/big.bin"] == files["/big.bin"].read()


def test_another_session_is_not_written_into(send, books):
    books.id = "0" * 64
    with pytest.raises(RefusedError, match="stale_session"):
        send("/small.py")


def test_another_update_in_the_way_is_said_at_once(connect, books, pauses, files):
    connect(describe(files.values(), "other")).begin()
    with pytest.raises(RefusedError, match="busy"):
        connect().begin()
    assert pauses == []


def test_a_commit_whose_answer_gets_lost_is_done_all_the_same(update, books):
    books.lose.append(("POST", f"{PLACE}/commit"))
    assert update.commit() == {}
    assert books.state == "committed"
    assert [path for _, path in books.requests].count(f"{PLACE}/commit") == 1


def test_a_commit_that_never_got_there_is_asked_for_again(update, books):
    def never_arrives(request, books):
        if request.url.path.endswith("/commit"):
            books.faults.clear()
            raise httpx.WriteError("cut")

    books.faults.append(never_arrives)
    assert update.commit()["boot_id"] == "b"
    assert books.state == "committed"


def test_a_commit_that_never_gets_there_ends(update, books):
    def never_arrives(request, books):
        if request.url.path.endswith("/commit"):
            raise httpx.WriteError("cut")

    books.faults.append(never_arrives)
    with pytest.raises(UnreachableError):
        update.commit()
    commits = [path for _, path in books.requests].count(f"{PLACE}/commit")
    assert commits == 1 + update.remote.retries


def test_an_application_that_is_busy_is_waited_for(update, books, pauses):
    books.delays = 2
    told = []
    assert update.commit(delayed=told.append)["state"] == "committed"
    assert pauses == [30.0, 30.0]
    assert told == ["delayed_by_application."] * 2


def test_an_application_that_is_always_busy_is_not_waited_for_for_ever(update, books, pauses):
    books.delays = 1000
    with pytest.raises(RefusedError, match="delayed_by_application"):
        update.commit()
    assert sum(pauses) == 600


def test_a_device_that_is_gone_ends_the_session(send, books):
    def gone(request, books):
        raise httpx.ConnectError("gone")

    books.faults.append(gone)
    with pytest.raises(UnreachableError, match="goes on where it was"):
        send("/small.py")


def test_breaks_that_bring_nothing_further_end(send, update, books):
    def always(request, books):
        if request.method == "PUT":
            raise httpx.ReadError("cut")

    books.faults.append(always)
    with pytest.raises(UnreachableError):
        send("/small.py")
    assert books.puts == 1 + update.remote.retries


def test_abort_drops_all(send, update, books):
    send("/small.py")
    update.abort()
    assert (books.state, books.arrived) == ("idle", {})


def test_abort_drops_what_was_begun_without_an_answer(connect, books):
    books.lose.append(("POST", PLACE))
    session = connect(retries=0)
    with pytest.raises(UnreachableError):
        session.begin()
    assert (session.begun, books.state) == (False, "staging")
    session.abort()
    assert books.state == "idle"


def test_abort_leaves_the_update_of_somebody_else(connect, books, files):
    connect(describe(files.values(), "other")).begin()
    connect().abort()
    assert books.state == "staging"
    assert "DELETE" not in [method for method, _ in books.requests]


def test_abort_where_nothing_is(connect, books):
    connect().abort()
    assert "DELETE" not in [method for method, _ in books.requests]
