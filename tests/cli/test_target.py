import socket

import pytest

from pico_ota import target
from pico_ota.errors import UnreachableError, UsageError
from pico_ota.target import Target, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pico-kitchen", Target("pico-kitchen", 8080)),
        ("pico-kitchen.local", Target("pico-kitchen.local", 8080)),
        ("192.168.1.7:80", Target("192.168.1.7", 80)),
        (" http://pico.local:8081/ ", Target("pico.local", 8081)),
        ("[fe80::1]:8081", Target("fe80::1", 8081)),
        ("[fe80::1]", Target("fe80::1", 8080)),
        ("fe80::1", Target("fe80::1", 8080)),
    ],
)
def test_what_names_a_device(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        ":8080",
        "pico:",
        "pico:0",
        "pico:65536",
        "pico:http",
        "pico:٨٠",
        "a b",
        "user@pico",
        "pico/fs",
        "[::1",
        "[::1]8080",
        "https://pico",
        "pico\\x",
    ],
)
def test_what_names_none_is_a_usage_error_that_says_so(text):
    with pytest.raises(UsageError, match=r"expected|https"):
        parse(text)


def test_the_host_header_of_an_ipv6_address_has_brackets():
    assert str(Target("fe80::1", 81)) == "[fe80::1]:81"
    assert Target("pico", 81).url == "http://pico:81"


def test_a_bare_name_is_tried_as_local_too_and_ipv4_first(monkeypatch):
    asked = []

    def lookup(name, port, family, kind):
        asked.append((name, family))
        if name == "pico.local" and family == socket.AF_INET:
            return [(family, kind, 0, "", ("192.0.2.7", port))]
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert target.resolve(Target("pico")) == "192.0.2.7"
    assert asked[0] == ("pico", socket.AF_INET)
    assert asked[-1] == ("pico.local", socket.AF_INET)


def test_an_unknown_name_says_which_ones_were_tried(monkeypatch):
    def lookup(*_):
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(UnreachableError, match=r"'pico' or 'pico\.local'"):
        target.resolve(Target("pico"))
    with pytest.raises(UnreachableError, match=r"for 'pico\.example'\. "):
        target.resolve(Target("pico.example"))
