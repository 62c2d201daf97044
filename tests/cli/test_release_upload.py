"""Sending a release through faults that a transport plays."""

import httpx
import pytest

from pico_ota.errors import RefusedError, UnreachableError
from pico_ota.release_upload import ReleaseUpload
from pico_ota.remote import Remote
from pico_ota.target import Target

DATA = bytes(range(256)) * 100
OURS = "d" * 64
INFO = {"service": "pico-ota", "api": 1, "boot_id": "before"}
CUT = httpx.ReadError("cut")


class Device(httpx.BaseTransport):
    """Answers by path; what `puts` and `commits` hold comes in turn."""

    def __init__(self, puts, received=(), state="idle", commits=(), theirs=OURS, boot_id="before"):
        self.puts = list(puts)
        self.received = list(received)
        self.commits = list(commits)
        self.status = {"state": state, "version": "2", "boot_id": boot_id}
        self.theirs = theirs
        self.seen = []
        self.holding = 0

    def handle_request(self, request):
        body = b"".join(request.stream)
        path = request.url.path
        self.seen.append((request.method, path, request.headers.get("Content-Range"), len(body)))
        if path == "/api/v1/info":
            return httpx.Response(200, json=INFO)
        if path == "/api/v1/status":
            self.holding -= 1
            upload = {"path": "release"} if self.holding >= 0 else None
            return httpx.Response(200, json=self.status | {"upload": upload})
        if path == "/api/v1/update":
            return httpx.Response(204 if request.method == "DELETE" else 200, json={"id": "s"})
        if path == "/api/v1/update/commit":
            return given(self.commits)
        if request.method == "GET":
            if not self.received:
                return refusal(404, "no_release")
            answer = {"received": self.received.pop(0), "sha256": self.theirs}
            return httpx.Response(200, json=answer)
        return given(self.puts)

    @property
    def sent(self):
        return [
            (content_range, size)
            for method, path, content_range, size in self.seen
            if method == "PUT"
        ]


def given(answers):
    answer = answers.pop(0)
    if isinstance(answer, Exception):
        raise answer
    return answer


def refusal(status, word, **more):
    return httpx.Response(status, json={"error": word, "message": word, **more})


def taken():
    return httpx.Response(202, json={"state": "committed", "boot_id": "before"})


def upload_to(device, **options):
    pauses = []
    remote = Remote(
        Target("p"), password=lambda: "x", transport=device, sleep=pauses.append, **options
    )
    return ReleaseUpload(remote, DATA, OURS), pauses


def test_all_at_once():
    device = Device([taken()])
    upload, _ = upload_to(device)
    assert upload.send("2")["state"] == "committed"
    assert device.sent == [(None, len(DATA))]
    assert upload.bytes_sent == len(DATA)


def test_it_goes_on_with_what_is_there_from_before():
    device = Device([taken()], received=[10_000])
    upload, _ = upload_to(device)
    upload.send("2")
    assert device.sent == [("bytes 10000-25599/25600", 15_600)]


def test_what_is_there_of_another_release_is_no_help():
    device = Device([taken()], received=[10_000], theirs="e" * 64)
    upload, _ = upload_to(device)
    upload.send("2")
    assert device.sent == [(None, len(DATA))]


def test_after_a_break_it_asks_how_far_it_came():
    device = Device([CUT, taken()], received=[0, 7_000])
    upload, pauses = upload_to(device)
    upload.send("2")
    assert device.sent[1] == ("bytes 7000-25599/25600", 18_600)
    assert pauses == [0.25]


@pytest.mark.parametrize("state", ["committed", "trial", "reverting"])
def test_a_lost_last_answer_is_no_failure(state):
    device = Device([CUT], state=state)
    upload, _ = upload_to(device)
    assert upload.send("2") == {}


def test_a_lost_last_answer_when_it_is_settled_already():
    upload, _ = upload_to(Device([CUT], boot_id="after"))
    assert upload.send("2") == {}


def test_the_same_version_from_before_is_not_taken_for_this_one():
    device = Device([CUT, taken()])
    upload, _ = upload_to(device)
    assert upload.send("2")["state"] == "committed"
    assert len(device.sent) == 2


def test_a_broken_connection_that_the_device_has_not_noticed_yet():
    device = Device([CUT, refusal(409, "busy", retry_after=2), taken()])
    upload, pauses = upload_to(device)
    upload.send("2")
    assert pauses == [0.25, 2.0]


def test_a_broken_upload_that_seems_to_go_on_is_waited_for():
    device = Device([CUT, taken()], received=[0, 7_000])
    device.holding = 3
    upload, pauses = upload_to(device)
    upload.send("2")
    assert pauses == [0.25, 0.5, 0.5, 0.5]
    assert len(device.sent) == 2


def test_another_update_in_the_way_is_said_at_once():
    device = Device([refusal(409, "busy", state="trial")])
    upload, pauses = upload_to(device)
    with pytest.raises(RefusedError):
        upload.send("2")
    assert pauses == []


def test_another_offset_than_expected():
    device = Device([refusal(409, "wrong_offset", received=5), taken()], received=[9, 5])
    upload, _ = upload_to(device)
    upload.send("2")
    assert [content_range for content_range, _ in device.sent] == [
        "bytes 9-25599/25600",
        "bytes 5-25599/25600",
    ]


def test_breaks_without_end_end():
    device = Device([CUT] * 9)
    upload, _ = upload_to(device, retries=3)
    with pytest.raises(UnreachableError):
        upload.send("2")
    assert len(device.sent) == 4


def test_a_refusal_is_not_repeated():
    device = Device([refusal(403, "bad_signature")])
    upload, _ = upload_to(device)
    with pytest.raises(RefusedError, match="bad_signature"):
        upload.send("2")


def test_an_application_that_is_busy_is_waited_for():
    delay = refusal(503, "delayed_by_application", retry_after=30)
    device = Device([delay], commits=[delay, taken()])
    upload, pauses = upload_to(device)
    told = []
    assert upload.send("2", told=told.append)["state"] == "committed"
    assert pauses == [30.0, 30.0]
    assert told == ["delayed_by_application"] * 2


def test_abort_drops_our_release_and_no_other():
    device = Device([], received=[100])
    upload, _ = upload_to(device)
    upload.abort()
    assert ("DELETE", "/api/v1/update", None, 0) in device.seen
    device = Device([], received=[100], theirs="e" * 64)
    upload, _ = upload_to(device)
    upload.abort()
    assert "DELETE" not in [method for method, *_ in device.seen]
