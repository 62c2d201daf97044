"""ota/access.py"""

import time

from harness import raises, refused

from ota import access
from ota.access import Access, challenge, credentials_digest, same
from ota.errors import Refused
from ota.head import Head

GOOD = "Basic YWRtaW46b3RhcGljbw=="  # admin:otapico


class Device:
    class service:
        port = 8080

    digest = credentials_digest("admin", "otapico")

    @staticmethod
    def host_names():
        return ("192.168.1.7", "Pico-1", "Pico-1.local")


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


def test_digests_are_compared_whole():
    a = credentials_digest("admin", "otapico")
    assert same(a, credentials_digest("admin", "otapico"))
    assert not same(a, credentials_digest("admin", "otapicO"))
    assert not same(a, a[:-1])
    assert not same(a, b"")
    assert not same(b"", a)
    assert not same(a, a + b"x")


def test_credentials_in_other_scripts_work():
    assert credentials_digest("ü", "日本") != credentials_digest("u", "日本")


def test_hosts():
    guard = Access(Device, ["forwarded.example:80"], {})
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


def test_a_board_without_a_name_or_an_address_answers_to_none():
    class Nameless(Device):
        @staticmethod
        def host_names():
            return (None, None, None)

    guard = Access(Nameless, (), {})
    guard.check(head(host="localhost:8080"), "1")
    for host in ("None:8080", "none:8080", ".local:8080", ":8080"):
        refused(421, "wrong_host", guard.check, head(host=host), "1")


def test_on_port_80_the_host_may_come_without_a_port():
    class Web(Device):
        class service:
            port = 80

    guard = Access(Web, (), {})
    guard.check(head(host="192.168.1.7"), "1")
    guard.check(head(host="192.168.1.7:80"), "1")
    refused(421, "wrong_host", guard.check, head(host="192.168.1.7:8080"), "1")
    guard.check(head("PUT", host="pico-1", origin="http://pico-1", x_requested_with=""), "1")


def test_mounted_the_port_is_the_applications():
    class Mounted(Device):
        class service:
            port = None

    guard = Access(Mounted, (), {})
    guard.check(head(host="192.168.1.7:5000"), "1")
    guard.check(head(host="192.168.1.7"), "1")
    refused(421, "wrong_host", guard.check, head(host="evil.example:5000"), "1")


def test_the_open_path_is_open_for_reading_only():
    guard = Access(Device, (), {})
    guard.check(head(path="/api/v1/info", authorization=None), "1")
    refused(421, "wrong_host", guard.check, head(path="/api/v1/info", host="evil"), "1")
    for method, path in (
        ("POST", "/api/v1/info"),
        ("GET", "/api/v1/info/"),
        ("GET", "/api/v1/INFO"),
        ("GET", "/api/v1/status"),
    ):
        raises(Refused, guard.check, head(method, path, authorization=None), "1")


def test_changes_carry_the_custom_header():
    guard = Access(Device, (), {})
    for method in ("PUT", "POST", "DELETE", "MOVE", "?"):
        refused(403, "missing_header", guard.check, head(method), "1")
        guard.check(head(method, x_requested_with=""), "1")
    guard.check(head("HEAD"), "1")


def test_waits_grow_and_end():
    access.time = Clock
    guard = Access(Device, (), {})
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
    guard = Access(Device, (), {})
    for _ in range(10):
        refused(401, "unauthorized", guard.check, head(authorization="Basic x"), "attacker")
    refused(429, "too_many_tries", guard.check, head(), "attacker")
    guard.check(head(), "owner")


def test_many_addresses_cost_little_memory_and_the_worst_is_remembered():
    access.time = Clock
    guard = Access(Device, (), {})
    for _ in range(12):
        Clock.now += 5000
        refused(401, "unauthorized", guard.check, head(authorization="Basic x"), "worst")
    for n in range(500):
        raises(Refused, guard.check, head(authorization="Basic x"), "address %d" % n)
    assert len(guard._failures) <= 8
    refused(429, "too_many_tries", guard.check, head(), "worst")


def test_no_try_no_count():
    access.time = Clock
    guard = Access(Device, (), {})
    for _ in range(50):
        refused(401, "unauthorized", guard.check, head(authorization=None), "a")
        refused(401, "unauthorized", guard.check, head(authorization="Bearer x"), "a")
    guard.check(head(), "a")


def test_the_challenge_depends_on_who_asks():
    assert challenge(head()) == 'Basic realm="pico-ota"'
    assert challenge(None) == 'Basic realm="pico-ota"'
    assert challenge(head(x_requested_with="x")) == 'xBasic realm="pico-ota"'
