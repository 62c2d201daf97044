"""Where the update server is, and who asks it: the same for every fleet verb."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import CredentialsError, UsageError
from . import folder

SERVER = "PICO_OTA_FLEET"
DATA = "PICO_OTA_FLEET_DATA"
USER = "PICO_OTA_FLEET_USER"
PASSWORD = "PICO_OTA_FLEET_PASSWORD"


@dataclass(frozen=True)
class Access:
    """How to reach and enter a server.

    Attributes:
        url: without a slash at its end.
        hawkbit: whether it speaks hawkBit's management API, not gooseBit's.
        user: the name to log in with.
        password: and the password.
    """

    url: str
    hawkbit: bool
    user: str
    password: str


def access(server: str | None, data: Path | None) -> Access:
    """What the options, the environment and the server's folder say together.

    Raises:
        UsageError: no server is named, or not in a readable way.
        CredentialsError: nobody says with which password to log in.
    """
    server = server or os.environ.get(SERVER)
    named = data or (Path(os.environ[DATA]) if os.environ.get(DATA) else None)
    user, password = os.environ.get(USER), os.environ.get(PASSWORD)
    admin = folder.admin(named) if named is not None and (data or not password) else None
    if admin is not None:
        server = server or admin.url
        user, password = admin.name, admin.password
    if not server:
        raise UsageError(
            f"which server? Give --server URL or set {SERVER}; on the server's own machine --data "
            "DIR is enough."
        )
    url, hawkbit = _address(server)
    if not password:
        raise CredentialsError(
            f"with which password? Set {USER} and {PASSWORD}, or give the server's folder with "
            f"--data DIR ({DATA})."
        )
    return Access(url, hawkbit, user or folder.USER, password)


def _address(text: str) -> tuple[str, bool]:
    hawkbit = text.startswith("hawkbit+")
    url = text.removeprefix("hawkbit+").rstrip("/")
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine or parts.query or parts.fragment:
        raise UsageError(
            f"--server {text}: expected http://HOST:PORT for gooseBit, or hawkbit+http://HOST:PORT"
            " for hawkBit."
        )
    if parts.username or parts.password:
        raise UsageError(
            f"--server: name and password do not belong into the address; set {USER} and "
            f"{PASSWORD}."
        )
    return url, hawkbit
