"""Where an MQTT broker is, from ``mqtt://[USER:PASSWORD@]HOST[:PORT]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ..errors import UsageError

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class Broker:
    """A broker and how to log in there.

    Attributes:
        host: name or address.
        port: of TCP.
        tls: whether the connection is encrypted.
        user: None: nobody.
        password: of the user.
    """

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse(text: str) -> Broker:
    """Read the URL of a broker.

    Raises:
        UsageError: it is none; what was given is not repeated, since it may hold a password.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise UsageError(
            "--mqtt: expected mqtt://[USER:PASSWORD@]HOST[:PORT], or mqtts:// for an encrypted "
            "connection. A password with one of @:/?#% in it is percent-encoded."
        )
    return Broker(
        parts.hostname,
        port or _PORTS[parts.scheme],
        parts.scheme == "mqtts",
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )
