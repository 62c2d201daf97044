"""ota/wifi_help.py: what the constructor of the service accepts; tests/wifi has the rest."""

from harness import raises

from ota import wifi_help


def test_good_credentials_pass():
    wifi_help.check_credentials("admin", "otapico")
    wifi_help.check_credentials("a", "with:colon and ümlaut")
    wifi_help.check_credentials("a", "x" * 128)


def test_an_empty_password_is_refused_with_the_reason():
    assert "anybody" in str(raises(ValueError, wifi_help.check_credentials, "admin", ""))


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
        raises(ValueError, wifi_help.check_credentials, user, password)


def check(port=8080, min_version=None, user="admin", password="otapico", rescue_ap=False):
    wifi_help.check_service(user, password, port, min_version, rescue_ap, 0)


def test_ports():
    for number in (1, 80, 8080, 65535):
        check(number)
    for number in (0, -1, 65536, "80", None, 80.0):
        raises(ValueError, check, number)


def test_an_access_point_needs_a_password_that_wpa2_takes():
    check(password="otapico")
    check(password="8 chars.", rescue_ap=True)
    check(password="x" * 63, rescue_ap=True)
    for password in ("otapico", "x" * 64, "sha256:" + "0" * 64, "\u00fc" * 8):
        said = str(raises(ValueError, check, 8080, None, "admin", password, True))
        assert said.startswith("rescue_ap"), said


def test_the_lowest_version_is_a_version():
    check(min_version="1.4.0-rc.1")
    raises(ValueError, check, 8080, "1.4")
    raises(ValueError, check, 8080, None, "a:b")


def test_wifi_objects_of_both_spellings():
    class Manager:
        def is_connected(self):
            return "manager"

    class Wlan:
        def isconnected(self):
            return "wlan"

    assert wifi_help.connected_function(Manager())() == "manager"
    assert wifi_help.connected_function(Wlan())() == "wlan"
    for other in (None, object(), "wifi", Manager):
        if other is not Manager:
            raises(ValueError, wifi_help.connected_function, other)
