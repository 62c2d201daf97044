"""ota/access.py"""

import os
import time
from binascii import b2a_base64

from harness import disk, fill, mount, raises, read, refused, write

from ota import access
from ota.access import Access
from ota.errors import Refused
from ota.request import Head

GOOD = "Basic YWRtaW46b3RhcGljbw=="  # admin:otapico


class Service:
    """Stands for the OTAUpdateService."""

    auth = ("admin", "otapico")
    allowed_hosts = ()
    port = 8080
    name = "Pico-1"

    class wifi_service:
        ip = "192.168.1.7"


def guarding(**changed):
    """Return the Access of a service with these attributes *changed*."""
    service = Service()
    for name in changed:
        setattr(service, name, changed[name])
    return Access(service)


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
    good = guard.digest
    for at in range(32):
        for bit in range(8):
            flipped = bytearray(good)
            flipped[at] ^= 1 << bit
            guard.digest = bytes(flipped)
            refused(401, "unauthorized", guard.check, head(), "%d %d" % (at, bit))
            guard._failures.clear()
    guard.digest = good
    guard.check(head(), "1")


def test_credentials_in_other_scripts_work():
    assert guarding(auth=("ü", "日本")).digest != guarding(auth=("u", "日本")).digest


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
    for given, scheme in (({}, "Basic"), ({"x_requested_with": "x"}, "xBasic")):
        for authorization in (None, "Basic x"):
            error = raises(Refused, guard.check, head(authorization=authorization, **given), "1")
            assert error.headers == (("WWW-Authenticate", scheme + ' realm="pico-ota"'),)


# --- the password that was set over the air ------------------------------------------------------


def test_what_was_set_holds_after_a_restart():
    guard = guarding()
    assert guard.is_password("otapico")
    guard.change("another")
    mount()
    for now in (guard, guarding()):
        assert now.is_password("another")
        assert not now.is_password("otapico")
    guarding().change("a third")
    assert guarding().is_password("a third")


def test_new_code_with_other_credentials_wins():
    guarding().change("another")
    assert guarding(auth=("admin", "of the code")).is_password("of the code")
    assert guarding(auth=("else", "otapico")).is_password("otapico")
    assert guarding().is_password("another")


def test_a_damaged_file_reads_as_none():
    guarding().change("another")
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
        assert guarding().is_password("otapico"), damaged


def test_a_power_cut_leaves_the_old_or_the_new_password():
    guard = guarding()
    guard.change("old")
    mount()
    before = disk.operations
    guard.change("new")
    count = disk.operations - before
    assert count >= 1
    seen = []
    for cut in range(1, count + 2):
        guard.change("old")
        disk.cut_at = disk.operations + cut
        try:
            guard.change("new")
        except OSError:
            pass
        disk.cut_at = -1
        mount()
        seen.append([word for word in ("old", "new") if guarding().is_password(word)])
        assert len(seen[-1]) == 1, (cut, seen[-1])
    assert seen[0] == ["old"]
    assert seen[-1] == ["new"]


def test_on_a_full_flash_it_works_or_says_so():
    guard = guarding()
    guard.change("old")
    fill()
    try:
        guard.change("new")
        expected = "new"
    except OSError:
        expected = "old"
    assert guard.is_password(expected)
    assert guarding().is_password(expected)


def test_a_password_that_could_not_be_saved_is_not_asked_for():
    guard = guarding()
    write("/.ota/password/is a folder", b"")
    raises(OSError, guard.change, "another")
    assert guard.is_password("otapico")
    os.remove("/.ota/password/is a folder")
    os.rmdir("/.ota/password")
    guard.change("another")
    assert guard.is_password("another")


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
