import io
import sys

import pytest

from pico_ota import credentials
from pico_ota.errors import CredentialsError, UsageError
from pico_ota.target import Target

PICO = Target("pico", 8080)


def ask(_):
    return "asked"


@pytest.fixture
def everywhere(here, monkeypatch):
    """A password in each place, so that the first one wins."""
    (here / "file").write_text("filed\nsecond line\n")
    monkeypatch.setenv("PICO_OTA_PASSWORD", "exported")
    monkeypatch.setattr(credentials, "_from_keyring", {"admin@pico": "kept"}.get)
    return here / "file"


def test_the_order_of_the_places(everywhere, monkeypatch):
    assert credentials.password("admin", PICO, "given", everywhere, ask) == "given"
    assert credentials.password("admin", PICO, None, everywhere, ask) == "filed"
    assert credentials.password("admin", PICO, None, None, ask) == "exported"
    monkeypatch.delenv("PICO_OTA_PASSWORD")
    assert credentials.password("admin", PICO, None, None, ask) == "kept"
    assert credentials.password("other", PICO, None, None, ask) == "asked"


def test_without_any_and_nobody_to_ask_it_says_where_to_put_one():
    with pytest.raises(CredentialsError, match=r"PICO_OTA_PASSWORD.*--password-file"):
        credentials.password("admin", PICO)


def test_an_empty_variable_is_none():
    assert credentials.password("admin", PICO, None, None, ask) == "asked"


def test_a_file_of_one_line_with_or_without_its_end(here):
    (here / "a").write_bytes("pä ss \r\n".encode())
    (here / "b").write_bytes(b"pass")
    assert credentials.read_file(here / "a") == "pä ss "
    assert credentials.read_file(here / "b") == "pass"


def test_a_dash_is_standard_input(monkeypatch, here):
    monkeypatch.setattr(sys, "stdin", io.StringIO("piped\n"))
    assert credentials.read_file(here.__class__("-")) == "piped"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n"])
def test_a_file_without_a_password_is_refused(here, content):
    (here / "a").write_bytes(content)
    with pytest.raises(UsageError, match="password file"):
        credentials.read_file(here / "a")


def test_a_missing_file_is_a_usage_error(here):
    with pytest.raises(UsageError, match="cannot read the password file"):
        credentials.read_file(here / "missing")


def test_a_file_that_others_may_read_is_noticed(here):
    (here / "a").write_text("x")
    (here / "a").chmod(0o600)
    assert not credentials.readable_by_others(here / "a")
    (here / "a").chmod(0o640)
    assert credentials.readable_by_others(here / "a")


def test_the_keyring_is_optional(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert credentials._from_keyring("admin@pico") is None


def test_the_keyring_is_asked_for_user_and_host(monkeypatch):
    monkeypatch.undo()

    class KeyringError(Exception):
        pass

    class Keyring:
        class errors:
            pass

        def get_password(self, service, name):
            if name == "locked@pico":
                raise KeyringError
            return {("pico-ota", "admin@pico"): "kept"}.get((service, name))

    Keyring.errors.KeyringError = KeyringError
    monkeypatch.setitem(sys.modules, "keyring", Keyring())
    assert credentials._from_keyring(credentials.keyring_name("admin", PICO)) == "kept"
    assert credentials._from_keyring("locked@pico") is None


def test_random_passwords_differ_and_can_be_read_aloud():
    some = {credentials.random_password() for _ in range(50)}
    assert len(some) == 50
    for password in some:
        assert len(password) == 19
        assert not set(password) & set("ilo01")
