"""Where the password comes from. It is never printed and never written by this module.

The first of these that is there: ``--password`` (discouraged: others on the machine can read it in
the process list), ``--password-file``, the environment, the keyring (with the optional package
``keyring``; service ``pico-ota``, name ``user@host``), a question when there is a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from .errors import CredentialsError, UsageError
from .target import Target

VARIABLE = "PICO_OTA_PASSWORD"
SERVICE = "pico-ota"
DEFAULT_USER = "admin"


def keyring_name(user: str, target: Target) -> str:
    """The entry of the keyring that belongs to *user* on *target*."""
    return f"{user}@{target.host}"


def password(
    user: str,
    target: Target,
    given: str | None = None,
    file: Path | None = None,
    ask: Callable[[str], str] | None = None,
    environment: bool = True,
) -> str:
    """The password of *user* on *target*.

    Args:
        user: the user name.
        target: the device.
        given: what ``--password`` says.
        file: what ``--password-file`` says; its first line counts.
        ask: asks the person; None where there is none.
        environment: whether that of the environment may go to this device.

    Raises:
        CredentialsError: it is nowhere, and nobody can be asked.
        UsageError: the file cannot be read or is empty.
    """
    if given is not None:
        return given
    if file is not None:
        return read_file(file)
    value = os.environ.get(VARIABLE) if environment else None
    if value:
        return value
    value = _from_keyring(keyring_name(user, target))
    if value:
        return value
    if ask is None and not environment:
        raise CredentialsError(
            f"{VARIABLE} is not sent to {target}: only a project file names that device. Give "
            "--host, set PICO_OTA_HOST, or run this once on a terminal and say yes."
        )
    if ask is None:
        raise CredentialsError(
            f"no password for '{user}' on {target}, and no terminal to ask at. "
            f"Set {VARIABLE}, or give --password-file FILE."
        )
    return ask(f"Password of {user} on {target}: ")


def read_file(path: Path) -> str:
    """The first line of *path*.

    Raises:
        UsageError: it cannot be read, or is empty.
    """
    try:
        if str(path) == "-":
            text = sys.stdin.readline()
        else:
            with open(path, encoding="utf-8-sig") as file:
                text = file.readline(4096)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise UsageError(f"cannot read the password file {path}: {reason}.") from error
    text = text.removeprefix("\ufeff").rstrip("\r\n")
    if not text:
        raise UsageError(f"the password file {path} is empty: its first line is the password.")
    return text


def readable_by_others(path: Path) -> bool:
    """Whether other people of this machine may read *path* (False where nobody can say)."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & 0o044)
    except OSError:
        return False


def prompt() -> Callable[[str], str] | None:
    """A way to ask for a password without showing it, or None without a terminal."""
    if not (sys.stdin and sys.stdin.isatty()):
        return None
    import getpass

    return getpass.getpass


def consent(question: str) -> bool:
    """Whether the person at the terminal says yes; no without a terminal."""
    if not (sys.stdin and sys.stdin.isatty()):
        return False
    import typer

    return typer.confirm(question, err=True)


def _from_keyring(name: str) -> str | None:
    import importlib

    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        return None
    try:
        value = keyring.get_password(SERVICE, name)
        return value if isinstance(value, str) else None
    except (keyring.errors.KeyringError, RuntimeError, OSError):
        # A locked or missing key store is like one without the entry: the next source is tried.
        return None


def random_password(groups: int = 4) -> str:
    """A new password that can be read aloud: four groups of four, 79 bits."""
    import secrets

    letters = "abcdefghjkmnpqrstuvwxyz23456789"  # without the look-alikes i, l, o, 0 and 1
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(groups))
