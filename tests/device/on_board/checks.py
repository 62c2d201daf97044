"""ota/checks.py"""

from harness import raises

from ota import checks


def test_good_credentials_pass():
    checks.credentials("admin", "otapico")
    checks.credentials("a", "with:colon and ümlaut")
    checks.credentials("a", "x" * 128)


def test_an_empty_password_is_refused_with_the_reason():
    assert "anybody" in str(raises(ValueError, checks.credentials, "admin", ""))


def test_other_bad_credentials_are_refused():
    for user, password in (
        ("", "x"),
        ("a:b", "x"),
        (None, "x"),
        (b"admin", "x"),
        ("admin", None),
        ("admin", b"x"),
        ("admin", 5),
        ("admin", "x" * 129),
    ):
        raises(ValueError, checks.credentials, user, password)


def test_ports():
    for number in (1, 80, 8080, 65535):
        checks.port(number)
    for number in (0, -1, 65536, "80", None, 80.0):
        raises(ValueError, checks.port, number)


def test_wifi_objects_of_both_spellings():
    class Manager:
        def is_connected(self):
            return "manager"

    class Wlan:
        def isconnected(self):
            return "wlan"

    assert checks.connected_function(Manager())() == "manager"
    assert checks.connected_function(Wlan())() == "wlan"
    for other in (None, object(), "wifi", Manager):
        if other is not Manager:
            raises(ValueError, checks.connected_function, other)
