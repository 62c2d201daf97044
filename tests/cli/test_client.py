"""The HTTP client against a transport that plays the device, its faults included."""

import hashlib
import re
from base64 import b64encode

import httpx
import pytest

from pico_ota.client import BACK_OFF_S, Client
from pico_ota.errors import AnswerError, CredentialsError, RefusedError, UnreachableError
from pico_ota.remote import Remote, chunks
from pico_ota.target import Target


class Network(httpx.BaseTransport):
    """Answers with what it was given, in turn; an exception is raised instead."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def handle_request(self, request):
        body = b"".join(request.stream)
        self.requests.append((request, body))
        usual = 201 if request.method in ("PUT", "DELETE", "MOVE") else 200
        answer = self.answers.pop(0) if self.answers else httpx.Response(usual, json={})
        if isinstance(answer, Exception):
            raise answer
        return answer


def client_of(*answers, kind=Client, **options):
    network = Network(*answers)
    pauses = []
    client = kind(
        Target("pico", 8080),
        "admin",
        lambda: "secret",
        transport=network,
        sleep=pauses.append,
        **options,
    )
    return client, network, pauses


def refusal(status, word="no", headers=None, **more):
    body = {"error": word, "message": f"Not so: {word}.", **more}
    return httpx.Response(status, json=body, headers=headers)


def challenge(scheme="Digest", stale=False):
    value = f'{scheme} realm="pico-ota", qop="auth,auth-int", algorithm=SHA-256, nonce="7a"'
    headers = [("WWW-Authenticate", value + ", stale=true" * stale), ("WWW-Authenticate", "Basic")]
    return httpx.Response(401, json={}, headers=headers)


def signed(request, body, pair=("admin", "secret")):
    """Assert that the request proves the password for just itself; return the fields."""
    text = request.headers["Authorization"]
    assert text.startswith("Digest ")
    fields = {
        name: plain or quoted
        for name, quoted, plain in re.findall(r'([a-z*]+)=(?:"(.*?)"|([^,]+))', text)
    }
    assert (fields["qop"], fields["nonce"]) == ("auth-int", "7a")
    assert fields["uri"] == request.url.raw_path.decode()

    def sha(data):
        return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()

    if body:
        assert request.headers["X-Content-SHA256"] == sha(body)
    about = sha(f"{request.method}:{fields['uri']}:{sha(body)}")
    first = sha(f"{pair[0]}:pico-ota:{pair[1]}")
    proof = f"{first}:7a:{fields['nc']}:{fields['cnonce']}:auth-int:{about}"
    assert fields["response"] == sha(proof)
    return fields


BROKEN = httpx.ReadError("cut")


def test_a_request_carries_what_the_contract_asks_for():
    client, network, _ = client_of(challenge())
    client.request("POST", "/api/v1/confirm")
    assert "Authorization" not in network.requests[0][0].headers
    request, _ = network.requests[1]
    assert request.headers["Host"] == "pico:8080"
    assert request.headers["X-Requested-With"]
    signed(request, b"")


def test_reading_needs_no_extra_header_and_nothing_is_sent_needlessly():
    # A push is dozens of requests: the bytes of each count on the air.
    client, network, _ = client_of(challenge())
    client.request("GET", "/fs/")
    client.request("GET", "/fs/")
    for request, _ in network.requests[1:]:
        assert {name.lower() for name in request.headers} == {"host", "authorization"}


def test_every_request_is_signed_with_its_body_and_a_count_of_its_own():
    client, network, _ = client_of(challenge("xDigest"))
    client.request("GET", "/fs/a%20b?since=1")
    client.request("PUT", "/x", json={"a": 1})
    data = bytes(9000)
    sha256 = hashlib.sha256(data).hexdigest()
    client.request("PUT", "/y", body=lambda: chunks(data), length=len(data), sha256=sha256)
    counts = [signed(request, body)["nc"] for request, body in network.requests[1:]]
    assert counts == ["00000001", "00000002", "00000003"]
    own = {signed(request, body)["cnonce"] for request, body in network.requests[1:]}
    assert len(own) == 3


def test_a_used_up_nonce_is_renewed_and_the_body_made_anew():
    client, network, _ = client_of(challenge(), httpx.Response(200), challenge(stale=True))
    client.request("GET", "/")
    client.request("PUT", "/x", json={"a": 1})
    assert [body for _, body in network.requests[2:]] == [b'{"a":1}'] * 2
    assert signed(*network.requests[3])["nc"] == "00000001"


def test_a_device_that_always_wants_another_nonce_is_given_up():
    client, network, _ = client_of(*[challenge(stale=True) for _ in range(20)])
    with pytest.raises(CredentialsError):
        client.request("GET", "/")
    assert len(network.requests) <= 4


def test_a_long_body_waits_for_the_nonce():
    client, network, _ = client_of(challenge())
    data = bytes(100_000)
    options = {"body": lambda: chunks(data), "length": len(data), "sha256": "0" * 64}
    client.request("PUT", "/fs/x", **options)
    sizes = [(request.method, len(body)) for request, body in network.requests]
    assert sizes == [("GET", 0), ("PUT", 100_000)]
    client.request("PUT", "/fs/x", **options)
    assert len(network.requests) == 3  # the same nonce goes on


WEAK = [
    'Basic realm="pico-ota"',
    'Digest realm="pico-ota", qop="auth,auth-int", algorithm=MD5, nonce="1"',
    'Digest realm="pico-ota", qop="auth,auth-int", nonce="1"',
    'Digest realm="elsewhere", qop="auth,auth-int", algorithm=SHA-256, nonce="1"',
    'Digest realm="pico-ota", qop="auth", algorithm=SHA-256, nonce="1"',
    'Digest realm="pico-ota", algorithm=SHA-256, nonce="1"',
    'Digest realm="pico-ota", qop="auth,auth-int", algorithm=SHA-256, nonce=""',
    'Digest realm="pico-ota", qop="auth,auth-int", algorithm=SHA-256, nonce="a\r"',
    "Negotiate",
    "Digest",
]


@pytest.mark.parametrize("offer", WEAK)
def test_nothing_weaker_is_answered(offer):
    # Whoever is in between may offer what it likes: the password does not go there in clear.
    answer = httpx.Response(401, json={}, headers={"WWW-Authenticate": offer})
    client, network, _ = client_of(answer)
    with pytest.raises(CredentialsError, match="--basic"):
        client.request("GET", "/")
    assert len(network.requests) == 1
    assert "Authorization" not in network.requests[0][0].headers


def test_basic_is_sent_when_it_is_asked_for():
    client, network, _ = client_of(basic=True)
    client.request("GET", "/")
    expected = "Basic " + b64encode(b"admin:secret").decode()
    assert network.requests[0][0].headers["Authorization"] == expected


def test_user_names_and_passwords_are_utf_8():
    network = Network()
    client = Client(Target("p"), "jörg", lambda: "gehéim:x", basic=True, transport=network)
    client.request("GET", "/")
    sent = network.requests[0][0].headers["Authorization"]
    assert sent == "Basic " + b64encode("jörg:gehéim:x".encode()).decode()
    network = Network(challenge())
    client = Client(Target("p"), "jörg", lambda: "gehéim:x", transport=network)
    client.request("GET", "/")
    fields = signed(*network.requests[1], pair=("jörg", "gehéim:x"))
    assert fields["username*"] == "UTF-8''j%C3%B6rg"


def test_the_password_is_asked_for_once_and_not_for_open_documents():
    asked = []
    network = Network(httpx.Response(200, json={}), challenge(), httpx.Response(200, json={}))
    client = Client(Target("p"), "a", lambda: asked.append(1) or "x", transport=network)
    client.json("GET", "/api/v1/info", auth=False)
    assert not asked
    client.json("GET", "/api/v1/status")
    client.json("GET", "/api/v1/status")
    assert asked == [1]
    assert "Authorization" not in network.requests[0][0].headers


def test_a_device_behind_a_forwarded_port_is_asked_by_name(monkeypatch):
    monkeypatch.setattr(Client, "_resolve", lambda self: "192.0.2.7")
    client, network, _ = client_of(refusal(421, "wrong_host"))
    client.request("GET", "/fs/")
    client.request("GET", "/fs/")
    hosts = [(request.url.host, request.headers["Host"]) for request, _ in network.requests]
    assert hosts == [
        ("192.0.2.7", "192.0.2.7:8080"),
        ("192.0.2.7", "pico:8080"),
        ("192.0.2.7", "pico:8080"),
    ]
    client, _, _ = client_of(refusal(421, "wrong_host"), refusal(421, "wrong_host"))
    with pytest.raises(RefusedError, match="wrong_host"):
        client.request("GET", "/fs/")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "MOVE"])
def test_a_server_that_says_200_to_everything_has_not_done_it(method):
    client, _, _ = client_of(httpx.Response(200, content=b"<h1>Welcome</h1>"))
    with pytest.raises(AnswerError, match="that is not pico-ota"):
        client.request(method, "/fs/x")
    client, _, _ = client_of(httpx.Response(404, content=b"<h1>Not here</h1>"), kind=Remote)
    with pytest.raises(AnswerError, match="that is not pico-ota"):
        client.is_folder("/x")
    client, _, _ = client_of(httpx.Response(200, content=b"<h1>Welcome</h1>"), kind=Remote)
    with pytest.raises(AnswerError, match="that is not pico-ota"):
        client.content("/x")


def test_json_bodies_are_compact():
    client, network, _ = client_of()
    client.request("POST", "/x", json={"a": 1, "ü": [2]})
    request, body = network.requests[0]
    assert body == '{"a":1,"ü":[2]}'.encode()
    assert request.headers["Content-Length"] == str(len(body))
    assert request.headers["Content-Type"] == "application/json"


def test_streamed_bodies_have_a_length_and_are_made_anew_for_each_try():
    client, network, _ = client_of(httpx.Response(200), BROKEN, httpx.Response(201))
    client.request("GET", "/")
    data = bytes(range(256)) * 40
    client.request("PUT", "/fs/x", body=lambda: chunks(data), length=len(data))
    assert [body for _, body in network.requests[1:]] == [data, data]
    request, _ = network.requests[2]
    assert request.headers["Content-Length"] == str(len(data))
    assert "Transfer-Encoding" not in request.headers


def test_changing_without_a_body_says_so():
    # Without it the device answers 411.
    client, network, _ = client_of()
    client.request("POST", "/api/v1/confirm")
    assert network.requests[0][0].headers["Content-Length"] == "0"


def test_before_the_first_answer_there_is_one_more_try_and_no_more():
    client, network, pauses = client_of(*[httpx.ConnectError("refused")] * 9)
    with pytest.raises(UnreachableError, match="pico:8080 does not answer"):
        client.request("GET", "/")
    assert len(network.requests) == 2
    assert pauses == [BACK_OFF_S[0]]


def test_a_connection_that_breaks_later_is_tried_again_with_growing_pauses():
    told = []
    client, _network, pauses = client_of(
        httpx.Response(200),
        *[BROKEN] * len(BACK_OFF_S),
        httpx.Response(200, json={"ok": True}),
        on_retry=lambda reason, pause: told.append((reason, pause)),
    )
    client.request("GET", "/")
    assert client.json("GET", "/") == {"ok": True}
    assert tuple(pauses) == BACK_OFF_S
    assert [reason for reason, _ in told] == ["cut"] * len(BACK_OFF_S)


def test_tries_end():
    client, network, _ = client_of(httpx.Response(200), *[BROKEN] * 99, retries=3)
    client.request("GET", "/")
    with pytest.raises(UnreachableError, match="broke and did not come back"):
        client.request("GET", "/")
    assert len(network.requests) == 1 + 1 + 3


def test_what_must_not_happen_twice_is_sent_once():
    client, network, _ = client_of(httpx.Response(200), BROKEN)
    client.request("GET", "/")
    with pytest.raises(UnreachableError):
        client.request("POST", "/api/v1/reboot", retry=False)
    assert len(network.requests) == 2


def test_busy_waits_as_long_as_the_device_asks_but_not_for_ever():
    busy = {"Retry-After": "3"}
    client, _, pauses = client_of(
        refusal(503, "busy", busy), refusal(503, "busy", {"Retry-After": "9999"})
    )
    client.request("GET", "/")
    assert pauses == [3.0, 10.0]


def test_a_device_that_holds_on_to_our_broken_connection_is_given_time():
    busy = refusal(409, "busy", {"Retry-After": "2"})
    client, network, pauses = client_of(busy, httpx.Response(201))
    assert client.request("PUT", "/api/v1/update/files/x").status_code == 201
    assert pauses == [2.0]
    client, network, pauses = client_of(refusal(409, "wrong_state"))
    with pytest.raises(RefusedError):
        client.request("POST", "/api/v1/confirm")
    assert len(network.requests) == 1


def test_busy_for_too_long_is_a_refusal():
    client, _, pauses = client_of(*[refusal(503, "no_memory") for _ in range(9)], retries=2)
    with pytest.raises(RefusedError, match="no_memory"):
        client.request("GET", "/")
    assert len(pauses) == 2


def test_a_wrong_password_is_a_matter_of_credentials_and_is_not_repeated():
    client, network, _ = client_of(refusal(401, "unauthorized"))
    with pytest.raises(CredentialsError, match="PICO_OTA_PASSWORD") as caught:
        client.request("GET", "/")
    assert caught.value.exit_status == 4
    assert len(network.requests) == 1
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_no_success(status):
    # A portal of some Wi-Fi, say: what was to be sent has not arrived anywhere.
    answer = httpx.Response(status, headers={"Location": "http://portal.example/login"})
    client, network, _ = client_of(answer)
    with pytest.raises(AnswerError, match=r"redirect to http://portal\.example/login"):
        client.request("PUT", "/fs/main.py")
    assert len(network.requests) == 1


def test_a_redirect_to_nowhere_is_none_either():
    client, _, _ = client_of(httpx.Response(302))
    with pytest.raises(AnswerError, match="redirect to nowhere"):
        client.request("DELETE", "/fs/main.py")


def test_too_many_wrong_ones_say_how_long_to_wait():
    client, network, _ = client_of(refusal(429, "too_many_tries", {"Retry-After": "30"}))
    with pytest.raises(CredentialsError, match="waits for 30 s"):
        client.request("GET", "/")
    assert len(network.requests) == 1


def test_a_refusal_keeps_status_word_and_details():
    client, _, _ = client_of(refusal(507, "no_space", need=9000, free=100))
    with pytest.raises(RefusedError, match="Not so: no_space") as caught:
        client.request("PUT", "/fs/x")
    error = caught.value
    assert (error.status, error.word, error.exit_status) == (507, "no_space", 1)
    assert error.details == {"need": 9000, "free": 100}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, html="<h1>Not found</h1>"),
        httpx.Response(500),
        httpx.Response(400, json=["no"]),
        httpx.Response(400, json={"error": 1, "message": None}),
    ],
)
def test_something_else_that_refuses_is_not_taken_for_a_device(answer):
    client, _, _ = client_of(answer)
    with pytest.raises(AnswerError, match="not pico-ota"):
        client.request("GET", "/")


@pytest.mark.parametrize("answer", [b"<html>", b"[1]", b"", b"\xff"])
def test_an_answer_that_is_no_object_is_refused(answer):
    client, _, _ = client_of(httpx.Response(200, content=answer))
    with pytest.raises(AnswerError, match="not a JSON"):
        client.json("GET", "/api/v1/status")


def test_a_break_in_the_middle_of_an_answer_is_unreachable():
    class Torn(httpx.SyncByteStream):
        def __iter__(self):
            yield b'{"vers'
            raise httpx.RemoteProtocolError("closed")

    client, _, _ = client_of(httpx.Response(200, stream=Torn()))
    with pytest.raises(UnreachableError, match="mid-answer"):
        client.request("GET", "/")


def test_another_service_or_contract_is_told_apart():
    other = {"service": "something", "api": 1}
    newer = {"service": "pico-ota", "api": 2}
    client, _, _ = client_of(
        httpx.Response(200, json=other), httpx.Response(200, json=newer), kind=Remote
    )
    with pytest.raises(AnswerError, match="another service"):
        client.info()
    with pytest.raises(AnswerError, match="Update the older"):
        client.info()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b"])
def test_a_name_that_leads_elsewhere_is_never_taken_from_a_listing(name):
    # It would become a path on this computer in `cp -r : backup/`.
    row = {"name": name, "directory": False, "file_size": 1}
    listing = {"files": [row], "total": 1, "free": 1, "block_size": 1}
    client, _, _ = client_of(httpx.Response(200, json=listing), kind=Remote)
    with pytest.raises(AnswerError, match="no file name"):
        client.listing("/")


@pytest.mark.parametrize("name", ["..\\x", "a\0", "a\x1b[2J", "a\x9b2J", "a\nb"])
def test_a_name_that_cannot_be_asked_for_is_left_out_and_told(name):
    rows = [{"name": n, "directory": False, "file_size": 1} for n in (name, "good", "no\xa0break")]
    listing = {"files": rows, "total": 1, "free": 1, "block_size": 1}
    client, _, _ = client_of(httpx.Response(200, json=listing), kind=Remote)
    told = []
    client.on_odd = told.append
    entries, _ = client.listing("/")
    assert [entry.name for entry in entries] == ["good", "no\xa0break"]
    assert len(told) == 1
    assert told[0].isprintable()


def test_paths_are_percent_encoded_once():
    client, network, _ = client_of(kind=Remote)
    client.write("/lib/ä b%41?#.py", b"x", "0" * 64)
    assert network.requests[0][0].url.raw_path == b"/fs/lib/%C3%A4%20b%2541%3F%23.py"


def test_progress_hears_of_each_piece():
    heard = []

    class Ear:
        def at(self, sent):
            heard.append(sent)

    assert b"".join(chunks(b"x" * 9000, Ear(), start=100)) == b"x" * 9000
    assert heard == [4196, 8292, 9100]
