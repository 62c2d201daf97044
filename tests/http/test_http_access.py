"""Who is let in: host, origin, custom header, credentials, wrong tries."""

import re
import time
from base64 import b64encode

import pytest
from wire import Wire, address_of, ask, basic, refused, request

WRITES = [
    ("PUT", "/fs/x.txt"),
    ("PUT", "/fs/dir/"),
    ("DELETE", "/fs/main.py"),
    ("MOVE", "/fs/main.py"),
    ("POST", "/api/v1/reboot"),
    ("PUT", "/api/v1/password"),
]
READS = [
    ("GET", "/"),
    ("GET", "/fs/"),
    ("GET", "/fs/main.py"),
    ("HEAD", "/fs/main.py"),
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/log"),
    ("GET", "/nothing"),
    ("POST", "/api/v1/info"),
]


def b64(text):
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


CHALLENGE = re.compile(
    r'(x?)Digest realm="pico-ota", qop="auth,auth-int", algorithm=SHA-256, nonce="[0-9a-f]{48}", '
    r'charset=UTF-8, (x?)Basic realm="pico-ota"'
)


def host_of(board):
    host, port = address_of(board)
    return f"{host}:{port}"


# --- credentials ------------------------------------------------------------------------------

BAD_CREDENTIALS = {
    "none": None,
    "nothing_in_it": "",
    "scheme_only": "Basic",
    "empty_basic": "Basic ",
    "empty_user_and_password": "Basic " + b64(":"),
    "empty_password": "Basic " + b64("admin:"),
    "prefix_of_the_token": basic()[:-4],
    "prefix_of_the_password": "Basic " + b64("admin:otapic"),
    "longer_token": basic() + "AAAA",
    "longer_password": "Basic " + b64("admin:otapicoo"),
    "wrong_case_of_the_password": "Basic " + b64("admin:OTAPICO"),
    "wrong_case_of_the_user": "Basic " + b64("Admin:otapico"),
    "wrong_case_of_the_token": "Basic " + b64("admin:otapico").swapcase(),
    "no_colon": "Basic " + b64("adminotapico"),
    "no_base64": "Basic !!!not-base64!!!",
    "plain_text": "Basic admin:otapico",
    "not_utf8": "Basic " + b64(b"\xff\xfe:\xff"),
    "nul_inside": "Basic " + b64("admin\0:otapico"),
    "another_scheme": "Bearer " + b64("admin:otapico"),
    "two_values_in_one": basic() + ", " + basic(),
    "space_inside": basic()[:10] + " " + basic()[10:],
    "very_long": "Basic " + "A" * 900,
}


@pytest.mark.parametrize("name", BAD_CREDENTIALS)
def test_bad_credentials_are_answered_401_with_a_challenge(board, name):
    answer = ask(board, "GET", "/fs/", authorization=BAD_CREDENTIALS[name], x_requested_with=None)
    refused(answer, 401, "unauthorized")
    assert CHALLENGE.fullmatch(answer.headers["www-authenticate"])


@pytest.mark.parametrize("name", BAD_CREDENTIALS)
def test_a_body_with_bad_credentials_leaves_the_flash_untouched(board, name):
    before = board.flash_operations
    answer = ask(board, "PUT", "/fs/x.txt", b"x" * 9000, authorization=BAD_CREDENTIALS[name])
    refused(answer, 401, "unauthorized")
    assert board.flash_operations == before


def test_authorization_twice_is_refused_even_with_the_right_value_twice(board):
    refused(ask(board, "GET", "/fs/", authorization=[basic(), basic()]), 400, "bad_header")


@pytest.mark.parametrize("value", [b"Basic \xff\xfe", "Basic ü", b"Basic \0", b"Basic \x7f"])
def test_authorization_that_is_no_plain_text_is_refused(board, value):
    refused(ask(board, "GET", "/fs/", authorization=value), 400, "bad_header")


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
def test_the_scheme_is_not_case_sensitive(board, scheme):
    assert ask(board, "GET", "/fs/", authorization=scheme + basic()[5:]).status == 200


def test_a_wrong_user_and_a_wrong_password_get_the_same_answer(board):
    user = ask(board, "GET", "/fs/", authorization=basic("root"))
    password = ask(board, "GET", "/fs/", authorization=basic(password="wrong"))
    assert (user.status, user.body) == (password.status, password.body)


def test_a_script_gets_a_scheme_that_no_browser_knows(board):
    for value, x in (("curl", ""), ("pico-ota", "x"), ("XMLHttpRequest", "x")):
        answer = ask(board, "GET", "/fs/", authorization=None, x_requested_with=value)
        assert answer.status == 401
        found = CHALLENGE.fullmatch(answer.headers["www-authenticate"])
        assert found, answer
        assert found.groups() == (x, x)


@pytest.mark.parametrize(("method", "target"), READS + WRITES)
def test_everything_but_info_asks_for_credentials(board, method, target):
    before = board.flash_operations
    body = b"{}" if method in ("PUT", "POST") else None
    answer = ask(board, method, target, body, authorization=None)
    assert answer.status == 401, answer
    assert board.flash_operations == before


def test_info_is_open_and_tells_nothing_more_than_it_must(board):
    answer = ask(board, "GET", "/api/v1/info", authorization=None, x_requested_with=None)
    assert answer.status == 200
    assert set(answer.json) == {
        "api", "service", "release", "name", "auth", "realm", "boot_id",
    }  # fmt: skip


def test_wrong_passwords_cost_growing_delays_and_the_right_one_works_again(make_pico):
    pico = make_pico()

    def attempt(password):
        return ask(pico, "GET", "/fs/", authorization=basic(password=password))

    for _ in range(9):
        refused(attempt("wrong"), 401, "unauthorized")
    # The right one in between starts the count anew.
    assert attempt("otapico").status == 200
    for _ in range(10):
        refused(attempt("wrong"), 401, "unauthorized")

    waits = []
    for _ in range(2):
        answer = attempt("wrong")
        reason = refused(answer, 429, "too_many_tries")
        wait = int(answer.headers["retry-after"])
        assert reason["retry_after"] == wait
        waits.append(wait)
        time.sleep(wait)
        # Not before the time that was announced, and not much later.
        refused(attempt("wrong"), 401, "unauthorized")
    assert 0 < waits[0] < waits[1], waits

    time.sleep(int(attempt("otapico").headers["retry-after"]))
    assert attempt("otapico").status == 200
    refused(attempt("wrong"), 401, "unauthorized")


def test_requests_without_credentials_are_no_wrong_tries(board):
    for _ in range(15):
        assert ask(board, "GET", "/", authorization=None).status == 401
    assert ask(board, "GET", "/fs/").status == 200


# --- the custom header ------------------------------------------------------------------------


FORMS = [("POST", "/api/v1/reboot"), ("POST", "/api/v1/update"), ("POST", "/api/v1/rollback")]


@pytest.mark.parametrize(("method", "target"), FORMS)
def test_what_a_form_could_send_is_refused_without_the_custom_header(board, method, target):
    before = board.flash_operations
    answer = ask(board, method, target, b"{}", x_requested_with=None)
    refused(answer, 403, "missing_header")
    assert board.flash_operations == before


def test_what_no_form_can_send_needs_no_custom_header(board, folder):
    # As `curl -T` does it: a browser asks before it sends one of these to another site.
    plain = {"x_requested_with": None}
    path = f"/fs{folder}/x.txt"
    assert ask(board, "PUT", path, b"x", **plain).status == 201
    assert ask(board, "MOVE", path, x_destination=path + "y", **plain).status == 201
    assert ask(board, "DELETE", path + "y", **plain).status == 204


def test_the_custom_header_may_have_any_value(board):
    for value in ("", "1", "XMLHttpRequest", "a" * 200):
        answer = ask(board, "POST", "/api/v1/reboot", b'{"mode": "?"}', x_requested_with=value)
        refused(answer, 400, "bad_mode")


def test_reading_needs_no_custom_header(board):
    assert ask(board, "GET", "/fs/", x_requested_with=None).status == 200


def test_a_preflight_is_refused_and_no_answer_opens_the_door_to_other_sites(board):
    preflight = ask(
        board, "OPTIONS", "/fs/x.txt",
        origin="http://evil.example",
        access_control_request_method="PUT",
    )  # fmt: skip
    assert preflight.status in (403, 405), preflight
    for answer in (preflight, ask(board, "GET", "/fs/"), ask(board, "GET", "/api/v1/info")):
        assert not [name for name in answer.headers if name.startswith("access-control")]


# --- Origin -----------------------------------------------------------------------------------


def test_the_own_origin_is_let_in(board, folder):
    answer = ask(board, "PUT", f"/fs{folder}/x", b"x", origin="http://" + host_of(board))
    assert answer.status == 201
    assert ask(board, "GET", "/fs/", origin="http://" + host_of(board)).status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "https://{host}",
        "http://{host}.evil.example",
        "http://{host}0",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:{port}",
        "{host}",
        "//{host}",
        "http://{host}/",
        "http://{host} http://evil.example",
        "http://evil.example#{host}",
        "http://admin@{host}",
    ],
)
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_any_other_origin_is_refused(board, origin, method):
    host = host_of(board)
    before = board.flash_operations
    value = origin.format(host=host, port=host.split(":")[1])
    answer = ask(board, method, "/fs/x.txt", b"x" if method == "PUT" else None, origin=value)
    refused(answer, 403, "wrong_origin")
    assert board.flash_operations == before


def test_two_origins_are_refused(board):
    own = "http://" + host_of(board)
    refused(ask(board, "GET", "/fs/", origin=[own, own]), 400, "bad_header")


# --- Host -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:{port}",
        "localhost:{port}",
        "LocalHost:{port}",
        "pico-test:{port}",
        "pico-test.local:{port}",
        "PICO-TEST.local:{port}",
    ],
)
def test_the_device_answers_to_its_address_and_names(board, host):
    port = address_of(board)[1]
    assert ask(board, "GET", "/fs/", host=host.format(port=port)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:{other}",
        "127.0.0.1:0{port}",
        "127.0.0.1:{port}0",
        "127.0.0.1:",
        "localhost:80",
        "pico-test:80",
        "pico-test.local.evil.example:{port}",
        "evil.example.pico-test.local:{port}",
        "xpico-test:{port}",
        "pico-test.:{port}",
        ".local:{port}",
        "None:{port}",
        "127.0.0.2:{port}",
        "admin@127.0.0.1:{port}",
        "127.0.0.1:{port}, evil.example",
        "[::1]:{port}",
        ":{port}",
    ],
)
@pytest.mark.parametrize("target", ["/fs/", "/api/v1/info", "/"])
def test_any_other_host_is_refused_on_open_paths_too(board, host, target):
    port = address_of(board)[1]
    value = host.format(port=port, other=port - 1)
    refused(ask(board, "GET", target, host=value), 421, "wrong_host")


@pytest.mark.parametrize("host", [None, ""])
def test_a_missing_host_is_refused(board, host):
    refused(ask(board, "GET", "/fs/", host=host), 400, "bad_host")


def test_two_hosts_are_refused(board):
    host = host_of(board)
    answer = ask(board, "GET", "/fs/", host=[host, host])
    assert answer.status == 400, answer
    assert answer.json["error"] in ("bad_host", "bad_header")


def test_a_rebound_name_is_refused_even_when_origin_and_host_agree(board):
    port = address_of(board)[1]
    before = board.flash_operations
    answer = ask(
        board, "PUT", "/fs/x.txt", b"x",
        host=f"evil.example:{port}", origin=f"http://evil.example:{port}",
    )  # fmt: skip
    refused(answer, 421, "wrong_host")
    assert board.flash_operations == before


def test_a_refusal_before_the_body_is_read_does_not_start_a_second_request(board):
    # The bytes of a refused body must never be taken for a request.
    inner = request(board, "DELETE", "/fs/main.py")
    with Wire(board) as wire:
        wire.send(request(board, "PUT", "/fs/x.txt", inner, authorization=None))
        assert wire.answer().status == 401
        wire.send(request(board, "GET", "/fs/main.py"))
        assert wire.answer().status == 200
