"""ota/access.py"""

import hashlib
import os
import time
from binascii import b2a_base64, hexlify

from harness import disk, fill, mount, raises, read, refused, write

from ota import access, api, digest
from ota.access import Access
from ota.body import Body
from ota.errors import Refused
from ota.request import Head

GOOD = "Basic YWRtaW46b3RhcGljbw=="  # admin:otapico


class Service:
    """Stands for the OTAUpdateService."""

    auth = ("admin", "otapico")
    allowed_hosts = ()
    basic = True
    login = None
    uptime_ms = 0
    port = 8080
    name = "Pico-1"

    class wifi_service:
        ip = "192.168.1.7"


def guarding(**changed):
    """Return the Access of a service with these attributes *changed*."""
    service = Service()
    for name in changed:
        setattr(service, name, changed[name])
    service.access = Access(service)
    return service.access


def change(guard, secret):
    api.keep_password(guard._service, secret)


def is_password(guard, word):
    return guard.secret == access.secret_of(guard._service.auth[0], word)


class Clock:
    """Stands for the module time in ota/access.py."""

    now = 1000

    @staticmethod
    def ticks_ms():
        return Clock.now

    ticks_diff = staticmethod(time.ticks_diff)


def head(method="GET", path="/fs/", **headers):
    made = Head(method, path, 1)
    made.headers = {"host": "192.168.1.7:8080", "authorization": GOOD}
    for name in headers:
        made.headers[name.replace("_", "-")] = headers[name]
        if headers[name] is None:
            del made.headers[name.replace("_", "-")]
    return made


def basic(user, password):
    return "Basic " + b2a_base64(("%s:%s" % (user, password)).encode()).decode().strip()


def test_credentials_are_compared_whole():
    guard = guarding()
    guard.check(head(), "1")
    good = guard.secret
    for at in range(64):
        for bit in range(7):
            flipped = bytearray(good.encode())
            flipped[at] ^= 1 << bit
            guard.secret = flipped.decode()
            refused(401, "unauthorized", guard.check, head(), "%d %d" % (at, bit))
            guard._failures.clear()
    guard.secret = good
    guard.check(head(), "1")


def test_credentials_in_other_scripts_work():
    assert guarding(auth=("ü", "日本")).secret != guarding(auth=("u", "日本")).secret


def test_hosts():
    guard = guarding(allowed_hosts=("Forwarded.example:80",))
    for host in (
        "192.168.1.7:8080",
        "pico-1:8080",
        "PICO-1.LOCAL:8080",
        "localhost:8080",
        "127.0.0.1:8080",
        "forwarded.example:80",
    ):
        guard.check(head(host=host), "1")
    for host in ("192.168.1.7", "192.168.1.8:8080", "pico-1:80", "forwarded.example", "x:8080"):
        refused(421, "wrong_host", guard.check, head(host=host), "1")
    for host in ("", None):
        refused(400, "bad_host", guard.check, head(host=host), "1")


def test_a_name_that_the_router_gives_is_allowed_with_the_port_or_any():
    guard = guarding(allowed_hosts=("pico.fritz.box", "pico.lan", "pico.home.arpa:8080"))
    for host in ("pico.fritz.box:8080", "pico.fritz.box", "PICO.lan:8080", "pico.home.arpa:8080"):
        guard.check(head(host=host), "1")
    for host in ("pico.fritz.box:80", "pico.home.arpa", "a.pico.lan:8080", "fritz.box:8080"):
        refused(421, "wrong_host", guard.check, head(host=host), "1")


def test_behind_a_tls_proxy_the_page_is_https():
    guard = guarding(allowed_hosts=("pico.example.org",))
    for host in ("pico.example.org", "192.168.1.7:8080"):  # as the proxy passes it on, or not
        guard.check(head("PUT", host=host, origin="https://pico.example.org"), "1")
    for origin in (
        "https://evil",
        "null",
        "https://pico.example.org.evil",
        "https://pico.example.org:444",
        "https://192.168.1.7:8080",
        "http://pico.example.org",
    ):
        other = head("PUT", host="192.168.1.7:8080", origin=origin)
        refused(403, "wrong_origin", guard.check, other, "1")


def test_an_empty_user_name_stands_for_the_one_there_is():
    guard = guarding(auth=("admin", "o:ta"))
    guard.check(head(authorization=basic("", "o:ta")), "1")
    for pair in (("", "ota"), ("", ""), ("", ":o:ta"), ("x", "o:ta"), (":", "o:ta")):
        refused(401, "unauthorized", guard.check, head(authorization=basic(*pair)), "1")
    refused(401, "unauthorized", guard.check, head(authorization="Basic O"), "1")


def test_a_board_without_a_name_or_an_address_answers_to_none():
    guard = guarding(name=None, wifi_service=None)
    guard.check(head(host="localhost:8080"), "1")
    for host in ("None:8080", "none:8080", ".local:8080", ":8080"):
        refused(421, "wrong_host", guard.check, head(host=host), "1")


def test_on_port_80_the_host_may_come_without_a_port():
    guard = guarding(port=80)
    guard.check(head(host="192.168.1.7"), "1")
    guard.check(head(host="192.168.1.7:80"), "1")
    refused(421, "wrong_host", guard.check, head(host="192.168.1.7:8080"), "1")
    guard.check(head("PUT", host="pico-1", origin="http://pico-1"), "1")


def test_mounted_the_port_is_the_applications():
    guard = guarding(port=None)
    guard.check(head(host="192.168.1.7:5000"), "1")
    guard.check(head(host="192.168.1.7"), "1")
    refused(421, "wrong_host", guard.check, head(host="evil.example:5000"), "1")


def test_the_open_path_is_open_for_reading_only():
    guard = guarding()
    guard.check(head(path="/api/v1/info", authorization=None), "1")
    refused(421, "wrong_host", guard.check, head(path="/api/v1/info", host="evil"), "1")
    for method, path in (
        ("POST", "/api/v1/info"),
        ("GET", "/api/v1/info/"),
        ("GET", "/api/v1/INFO"),
        ("GET", "/api/v1/status"),
    ):
        raises(Refused, guard.check, head(method, path, authorization=None), "1")


def test_what_a_form_of_another_site_could_send_carries_the_custom_header():
    guard = guarding()
    refused(403, "missing_header", guard.check, head("POST"), "1")
    guard.check(head("POST", x_requested_with=""), "1")
    # A browser asks before it sends one of these to another site, and nothing says yes.
    for method in ("GET", "HEAD", "PUT", "DELETE", "MOVE"):
        guard.check(head(method), "1")


def test_no_other_site_may_ask_for_anything():
    guard = guarding()
    for method in ("GET", "PUT", "POST", "DELETE", "MOVE"):
        guard.check(head(method, origin="http://192.168.1.7:8080", x_requested_with=""), "1")
        for origin in ("http://evil.example", "null", "http://192.168.1.7", "http://pico-1:8080"):
            other = head(method, origin=origin, x_requested_with="")
            refused(403, "wrong_origin", guard.check, other, "1")


def test_waits_grow_and_end():
    access.time = Clock
    guard = guarding()
    for _ in range(10):
        refused(401, "unauthorized", guard.check, head(authorization="Basic x"), "a")
    waits = []
    for _ in range(12):
        # Even the right password waits: else trying would cost nothing.
        error = refused(429, "too_many_tries", guard.check, head(), "a")
        waits.append(error.extra["retry_after"])
        Clock.now += waits[-1] * 1000 - 1
        refused(429, "too_many_tries", guard.check, head(), "a")
        Clock.now += 1
        refused(401, "unauthorized", guard.check, head(authorization="Basic x"), "a")
    assert waits[:6] == [1, 2, 4, 8, 16, 32]
    assert waits[6:] == [60] * 6
    Clock.now += 60000
    guard.check(head(), "a")
    # And all is forgotten.
    for _ in range(10):
        refused(401, "unauthorized", guard.check, head(authorization="Basic x"), "a")


def test_one_address_does_not_lock_out_another():
    access.time = Clock
    guard = guarding()
    for _ in range(10):
        refused(401, "unauthorized", guard.check, head(authorization="Basic x"), "attacker")
    refused(429, "too_many_tries", guard.check, head(), "attacker")
    guard.check(head(), "owner")


def test_many_addresses_cost_little_memory_and_none_is_forgotten_for_them():
    access.time = Clock
    guard = guarding()
    for _ in range(12):
        Clock.now += 5000
        refused(401, "unauthorized", guard.check, head(authorization="Basic x"), "first")
    for n in range(500):
        raises(Refused, guard.check, head(authorization="Basic x"), "address %d" % n)
    assert len(guard._failures) <= 9
    refused(429, "too_many_tries", guard.check, head(), "first")


def test_addresses_beyond_the_table_wait_together():
    access.time = Clock
    guard = guarding()
    answers = []
    for n in range(200):
        error = raises(Refused, guard.check, head(authorization="Basic x"), "%d" % (n % 20))
        answers.append(error.status)
    # Ten of each of the eight that have a row, and ten of all others together.
    assert answers.count(401) <= 90
    refused(429, "too_many_tries", guard.check, head(), "one more")


def test_no_try_no_count():
    access.time = Clock
    guard = guarding()
    for _ in range(50):
        refused(401, "unauthorized", guard.check, head(authorization=None), "a")
        refused(401, "unauthorized", guard.check, head(authorization="Bearer x"), "a")
    guard.check(head(), "a")


def test_the_challenge_depends_on_the_client():
    guard = guarding()
    for given, x in (
        ({}, ""),
        ({"x_requested_with": "curl"}, ""),
        ({"x_requested_with": "pico-ota"}, "x"),
        ({"x_requested_with": "XMLHttpRequest"}, "x"),
    ):
        for authorization in (None, "Basic x", "Digest x"):
            error = raises(Refused, guard.check, head(authorization=authorization, **given), "1")
            digest, basic = error.headers
            assert basic == ("WWW-Authenticate", x + 'Basic realm="pico-ota"')
            assert digest[1].startswith(
                x + 'Digest realm="pico-ota", qop="auth,auth-int", algorithm=SHA-256, nonce="'
            )
            assert "stale" not in digest[1]
        guard._failures.clear()


def test_without_basic_only_digest_is_offered_and_taken():
    guard = guarding(basic=False)
    for authorization in (None, "Basic x", GOOD):
        error = raises(Refused, guard.check, head(authorization=authorization), "1")
        assert [value.split(" ")[0] for _, value in error.headers] == ["Digest"]
    assert not guard._failures  # nothing was compared, so nothing could be guessed
    guard.check(signed(guard), "1")


def test_what_is_kept_of_a_password_is_no_password():
    kept = guarding().secret
    other = guarding(auth=("admin", "sha256:" + kept))
    assert other.secret == kept
    other.check(head(), "1")
    for word in (kept, "sha256:" + kept):
        refused(401, "unauthorized", other.check, head(authorization=basic("admin", word)), "1")


# --- Digest -------------------------------------------------------------------------------------


def sha(text):
    return hexlify(hashlib.sha256(text.encode()).digest()).decode()


def offered(guard, name="nonce"):
    """Return the nonce of a challenge, or another of its fields."""
    error = raises(Refused, guard.check, head(authorization=None), "offered")
    return digest._fields(error.headers[0][1].partition(" ")[2])[name]


def signed(guard, nonce=None, count=1, qop="auth", body=None, **changed):
    """Return a request that logs in by Digest, with these fields *changed* after signing."""
    made = head(changed.pop("method", "GET"), changed.pop("target", "/fs/a%20b?since=1,nc=2"))
    fields = {
        "username": "admin",
        "realm": "pico-ota",
        "nonce": nonce or offered(guard),
        "uri": changed.pop("signed_uri", made.target),
        "algorithm": "SHA-256",
        "qop": qop,
        "nc": "%08x" % count,
        "cnonce": "0a4f113b",
    }
    about = changed.pop("signed_method", made.method) + ":" + fields["uri"]
    if qop == "auth-int":
        about += ":" + (body or sha(""))
    first = sha("admin:pico-ota:" + changed.pop("password", "otapico"))
    fields["response"] = sha(
        ":".join([first, fields["nonce"], fields["nc"], fields["cnonce"], qop, sha(about)])
    )
    scheme = changed.pop("scheme", "Digest")
    if body:
        made.headers["x-content-sha256"] = body
        made.length = 5
    for name in changed:
        fields[name] = changed[name]
    parts = ['%s="%s"' % pair for pair in fields.items() if pair[1] is not None]
    made.headers["authorization"] = "%s %s" % (scheme, ", ".join(parts))
    return made


def why(guard, request, address="1"):
    error = raises(Refused, guard.check, request, address)
    assert error.status == 401, error
    return error.args[0].split("/")[1]


def test_digest_lets_in_and_each_count_once():
    guard = guarding()
    nonce = offered(guard)
    for count in (1, 2, 3, 200, 0xFFFFFF):
        guard.check(signed(guard, nonce, count), "1")
        assert why(guard, signed(guard, nonce, count)) == "stale"
    for qop in ("auth", "auth-int"):
        for scheme in ("digest", "xDigest", "DIGEST"):
            guard.check(signed(guard, qop=qop, scheme=scheme), "1")


def test_the_example_of_the_standard():
    # RFC 7616, section 3.9.1, with its realm, user, password and nonces.
    text = (
        'username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", '
        'algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
        'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, '
        'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    secret = sha("Mufasa:http-auth@example.org:Circle of Life")
    request = head(path="/dir/index.html")
    found = digest.Digest(Service())
    # Right but for the nonce, which is not ours.
    error = raises(Refused, found.check, request, text, secret)
    assert error.args[0] == "unauthorized/stale"
    error = raises(
        Refused, found.check, request, text.replace("nc=00000001", "nc=00000002"), secret
    )
    assert error.args[0] == "unauthorized/wrong"


def test_digest_binds_method_address_query_and_body():
    guard = guarding()
    assert why(guard, signed(guard, signed_method="DELETE")) == "wrong"
    for other in ("/fs/a%20b", "/fs/a%20b?since=1,nc=3", "/fs/a b?since=1,nc=2", ""):
        assert why(guard, signed(guard, uri=other)) == "wrong"
        assert why(guard, signed(guard, signed_uri=other)) == "uri"
    good = sha("hello")
    guard.check(signed(guard, method="PUT", qop="auth-int", body=good), "1")
    request = signed(guard, method="PUT", qop="auth-int", body=good)
    request.headers["x-content-sha256"] = sha("other")
    assert why(guard, request) == "wrong"
    # What is said in the address counts more than what anybody can add.
    request = signed(guard, method="PUT", target="/fs/x?sha256=" + good)
    request.length = 5
    request.headers["x-content-sha256"] = sha("other")
    guard.check(request, "1")
    assert Body(request)._expected == good


def test_a_body_that_is_not_announced_cannot_be_signed():
    guard = guarding()
    request = signed(guard, method="PUT", qop="auth-int")
    request.length = 5
    error = raises(Refused, guard.check, request, "1")
    assert error.args[0] == "unauthorized/hash"
    assert 'qop="auth",' in error.headers[0][1]  # the way on, for a client that knows no more
    assert error.headers[0][1].endswith("stale=true")


def test_every_field_counts():
    guard = guarding()
    for name in ("nonce", "uri", "qop", "nc", "cnonce", "response"):
        for value in (None, "", "x", "0", "A" * 900):
            made = signed(guard)
            scheme, _, text = made.headers["authorization"].partition(" ")
            fields = digest._fields(text)
            fields[name] = value
            text = ", ".join(['%s="%s"' % pair for pair in fields.items() if pair[1] is not None])
            made.headers["authorization"] = scheme + " " + text
            assert why(guard, made, name + str(value)) == "wrong"
        guard._failures.clear()
    assert why(guard, signed(guard, password="otapic0")) == "wrong"
    assert why(guard, signed(guard, qop="auth-conf")) == "wrong"
    assert why(guard, signed(guard, qop="")) == "wrong"


def test_a_nonce_that_is_forged_old_or_of_another_start_is_stale():
    guard = guarding()
    nonce = offered(guard)
    for forged in (
        offered(guarding()),
        "",
        "0" * 48,
        nonce[:-1] + "g",
        nonce[:-1],
        nonce + "0",
        "f" + nonce[1:],
        nonce[:8] + "ffffffff" + nonce[16:],
    ):
        request = signed(guard, forged or "x")
        assert why(guard, request) == "stale"
    for count in ("00000000", "-0000001", "zz", "", "ffffffff", "f" * 300):
        made = signed(guard, nonce)
        made.headers["authorization"] = resigned(made.headers["authorization"], count)
        assert why(guard, made) == "stale"
    assert not guard._failures  # whoever sends these knows the password
    guard.check(signed(guard, nonce), "1")
    guard._service.uptime_ms += 300999
    guard.check(signed(guard, nonce, 2), "1")
    guard._service.uptime_ms += 1000
    error = raises(Refused, guard.check, signed(guard, nonce, 3), "1")
    assert error.headers[0][1].endswith(", stale=true")


def resigned(text, count):
    """Return the credentials *text* with another count, signed anew."""
    scheme, _, rest = text.partition(" ")
    fields = digest._fields(rest)
    fields["nc"] = count
    about = sha("GET:" + fields["uri"])
    first = sha("admin:pico-ota:otapico")
    fields["response"] = sha(
        ":".join([first, fields["nonce"], count, fields["cnonce"], fields["qop"], about])
    )
    return scheme + " " + ", ".join(['%s="%s"' % pair for pair in fields.items()])


def test_requests_may_overtake_each_other_a_little():
    guard = guarding()
    nonce = offered(guard)
    for count in (30, 28, 29, 31, 7):
        if count == 7:
            assert why(guard, signed(guard, nonce, count)) == "stale"  # too far behind
        else:
            guard.check(signed(guard, nonce, count), "1")
    for count in range(8, 28):
        guard.check(signed(guard, nonce, count), "1")
    for count in range(1, 32):
        assert why(guard, signed(guard, nonce, count)) == "stale"
    guard.check(signed(guard, nonce, 1000), "1")
    for count in range(977, 1001):
        if count < 1000:
            guard.check(signed(guard, nonce, count), "1")
        assert why(guard, signed(guard, nonce, count)) == "stale"
    assert why(guard, signed(guard, nonce, 976)) == "stale"


def test_many_nonces_take_no_memory_and_none_is_used_twice():
    guard = guarding()
    nonces = [offered(guard) for _ in range(40)]
    first = nonces[0]
    guard.check(signed(guard, first), "1")
    for number, nonce in enumerate(nonces[1:]):
        guard.check(signed(guard, nonce), "1")
        guard.check(signed(guard, first, number + 2), "1")  # one that is in use stays
    for nonce in nonces:
        assert why(guard, signed(guard, nonce)) == "stale"
    assert len(guard._digest._rows) == 8
    # One that was made before others were forgotten, but never used, is not trusted any more.
    early = offered(guard)
    for _ in range(20):
        guard.check(signed(guard), "1")
    assert why(guard, signed(guard, early)) == "stale"


def test_a_forged_nonce_takes_no_row():
    guard = guarding()
    nonce = offered(guard)
    guard.check(signed(guard, nonce), "1")
    for _ in range(50):
        assert why(guard, signed(guard, password="wrong"), "attacker %d" % _) == "wrong"
        guard._failures.clear()
    guard.check(signed(guard, nonce, 2), "1")


def test_a_browser_is_told_to_go_on_by_itself_and_a_script_is_not():
    guard = guarding()
    for scheme, x in (("Digest", ""), ("xDigest", "x")):
        made = signed(guard, "0" * 48, scheme=scheme)
        made.headers["x-requested-with"] = "pico-ota"
        error = raises(Refused, guard.check, made, "1")
        assert error.headers[0][1].startswith(x + "Digest ")
        assert error.headers[0][1].endswith(", stale=true")
    made = signed(guard, password="wrong")
    made.headers["x-requested-with"] = "pico-ota"
    assert raises(Refused, guard.check, made, "1").headers[0][1].startswith("xDigest ")


def test_behind_a_proxy_that_changes_the_path_basic_remains():
    guard = guarding()
    error = raises(Refused, guard.check, signed(guard, signed_uri="/pico/fs/x"), "1")
    assert [value.split(" ")[0] for _, value in error.headers] == ["Basic"]
    error = raises(Refused, guarding(basic=False).check, signed(guard, signed_uri="/x"), "1")
    assert [value.split(" ")[0] for _, value in error.headers] == ["Digest"]


def test_a_wrong_digest_is_a_wrong_try():
    access.time = Clock
    guard = guarding()
    for _ in range(10):
        assert why(guard, signed(guard, password="wrong"), "a") == "wrong"
    refused(429, "too_many_tries", guard.check, signed(guard), "a")


class Number:
    """Stands for the numbers that are compared, and notes what is done with them."""

    steps = []

    def __init__(self, value):
        self._value = value

    @staticmethod
    def from_bytes(data, order):
        Number.steps.append(("take", len(data)))
        return Number(int.from_bytes(data, order))

    def __xor__(self, other):
        Number.steps.append("xor")
        return Number(self._value ^ other._value)

    def __eq__(self, other):
        Number.steps.append("equal")
        return self._value == other


def test_a_comparison_takes_the_same_steps_however_much_is_right():
    access.int = Number
    good = sha("x")
    for right in range(65):
        other = good[:right] + "".join(["x" for _ in range(64 - right)])
        Number.steps.clear()
        assert access.same(good, other) == (right == 64)
        assert Number.steps == [("take", 64), ("take", 64), "xor", "equal"], right
    assert not access.same("a", "\0a")


def test_refusals_of_every_kind_take_the_same_steps():
    # Counted, not timed: a clock would tell of the machine. How long it takes is measured by
    # bench/logins.py.
    access.time = Clock
    guard = guarding()
    offered(guard)
    steps = []

    def counting(function):
        def counted(*texts):
            # SHA-256 takes blocks of 64 bytes, the last with nine of its own.
            steps.append((function.__name__,) + tuple([(len(text) + 72) // 64 for text in texts]))
            return function(*texts)

        return counted

    for name in ("sha256", "same"):
        wrapped = counting(getattr(access, name))
        for module in (access, digest):
            setattr(module, name, wrapped)
    by_basic = {
        "wrong user": lambda n: head(authorization=basic("u%04d" % n, "otapico")),
        "wrong password": lambda n: head(authorization=basic("admin", "pw%05d" % n)),
        "malformed": lambda n: head(authorization="Basic !%d" % n),
    }
    by_digest = {
        "wrong response": lambda n: signed(guard, response=sha(str(n))),
        "wrong nonce": lambda n: signed(guard, nonce=sha(str(n))[:48], password="wrong"),
        "unknown user": lambda n: signed(guard, username="u%04d" % n, password="x%d" % n),
    }
    count = 0
    for kinds, expected in (
        (by_basic, [("sha256", 1), ("same", 2, 2)]),
        (by_digest, [("sha256", 1), ("sha256", 4), ("same", 2, 2)]),
    ):
        for kind in kinds:
            for n in range(334):
                request = kinds[kind](n)
                steps.clear()
                assert why(guard, request) == "wrong"
                # The rest makes the nonce that is offered anew.
                at = [step[0] for step in steps].index("same")
                assert steps[: at + 1] == expected, (kind, n, steps)
                guard._failures.clear()
                count += 1
    assert count > 2000


def test_how_somebody_logged_in_last():
    guard = guarding()
    service = guard._service
    assert service.login is None
    nonce = offered(guard)
    guard.check(signed(guard, nonce), "1")
    assert service.login == "digest"
    guard.check(head(), "1")
    assert service.login == "basic"
    guard.check(signed(guard, nonce, 2), "1")  # the login of before goes on
    assert service.login == "basic"
    guard.check(signed(guard), "1")
    assert service.login == "digest"
    guard.check(head(), "1")
    change(guard, sha("x"))
    assert service.login is None


def test_odd_credentials_are_read_as_none():
    for text in (
        "",
        "x",
        "=",
        '="',
        'a="b',
        'a="b\\"',
        "a=1, a=1",
        'a=1, A="1"',
        "a=1, b",
        ",,,",
        '"' * 500,
        "=" * 500,
        "a=" * 500,
    ):
        found = digest._fields(text)
        assert not {"nonce", "response"} & set(found), text
    assert digest._fields('a="b, c=d", e=f , G="\\"x",h=') == {
        "a": "b, c=d",
        "e": "f",
        "g": '\\"x',
        "h": "",
    }


# --- the password that was set over the air ------------------------------------------------------


def kept(word):
    return access.secret_of("admin", word)


def test_what_was_set_holds_after_a_restart():
    guard = guarding()
    assert is_password(guard, "otapico")
    change(guard, kept("another"))
    mount()
    for now in (guard, guarding()):
        assert is_password(now, "another")
        assert not is_password(now, "otapico")
    change(guarding(), kept("a third"))
    assert is_password(guarding(), "a third")


def test_new_code_with_other_credentials_wins():
    change(guarding(), kept("another"))
    assert is_password(guarding(auth=("admin", "of the code")), "of the code")
    assert is_password(guarding(auth=("else", "otapico")), "otapico")
    assert is_password(guarding(), "another")


def test_a_damaged_file_reads_as_none():
    change(guarding(), kept("another"))
    good = read("/.ota/password")
    for damaged in (
        b"",
        b" ",
        good[:-1],
        good + b"0",
        good.replace(b" ", b"x"),
        good[:70] + b"zz" + good[72:],
        b"\xff" * 129,
        good[:64] + b" " + b" " * 64,
        good[:65] + b"\0" * 64,
        good * 100,
    ):
        write("/.ota/password", damaged)
        assert is_password(guarding(), "otapico"), damaged


def test_a_power_cut_leaves_the_old_or_the_new_password():
    guard = guarding()
    change(guard, kept("old"))
    mount()
    before = disk.operations
    change(guard, kept("new"))
    count = disk.operations - before
    assert count >= 1
    seen = []
    for cut in range(1, count + 2):
        change(guard, kept("old"))
        disk.cut_at = disk.operations + cut
        try:
            change(guard, kept("new"))
        except OSError:
            pass
        disk.cut_at = -1
        mount()
        seen.append([word for word in ("old", "new") if is_password(guarding(), word)])
        assert len(seen[-1]) == 1, (cut, seen[-1])
    assert seen[0] == ["old"]
    assert seen[-1] == ["new"]


def test_on_a_full_flash_it_works_or_says_so():
    guard = guarding()
    change(guard, kept("old"))
    fill()
    try:
        change(guard, kept("new"))
        expected = "new"
    except OSError:
        expected = "old"
    assert is_password(guard, expected)
    assert is_password(guarding(), expected)


def test_a_password_that_could_not_be_saved_is_not_asked_for():
    guard = guarding()
    write("/.ota/password/is a folder", b"")
    raises(OSError, change, guard, kept("another"))
    assert is_password(guard, "otapico")
    os.remove("/.ota/password/is a folder")
    os.rmdir("/.ota/password")
    change(guard, kept("another"))
    assert is_password(guard, "another")


# --- what the device is called, and where it is found -------------------------------------------


def test_the_address_is_that_of_the_wifi_object_or_of_the_radio():
    class Wlan:
        def ifconfig(self):
            return ("10.0.0.2", "", "", "")

    class Off:
        def ifconfig(self):
            return ("0.0.0.0", "", "", "")

    class Method:
        def ip(self):
            return "10.0.0.3"

    class Odd:
        def ip(self, argument):
            return argument

    class Network:
        STA_IF = 0

        @staticmethod
        def WLAN(interface):
            return Wlan()

    assert access.ip(Service.wifi_service) == "192.168.1.7"
    assert access.ip(Wlan()) == "10.0.0.2"
    assert access.ip(Method()) == "10.0.0.3"
    for wifi in (Off(), Odd(), object()):
        assert access.ip(wifi) is None
    access.network = Network
    for wifi in (Off(), Odd(), object()):
        assert access.ip(wifi) == "10.0.0.2"
