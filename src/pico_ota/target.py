"""Which device is meant: a name, ``name.local``, an address, each with or without a port."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from .advice import ADVICE
from .errors import UnreachableError, UsageError

DEFAULT_PORT = 8080


@dataclass(frozen=True)
class Target:
    """Where a device listens."""

    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        return f"http://{self}"


def parse(text: str) -> Target:
    """Read what was given as ``--host``.

    Raises:
        UsageError: it is not a name or an address with an optional port.
    """
    rest = text.strip()
    if rest.startswith("https://"):
        raise UsageError(
            f"'{text}': a device speaks plain http, not https. Give the name or address alone."
        )
    rest = rest.removeprefix("http://").rstrip("/")
    if rest.startswith("["):
        host, bracket, port = rest[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise _bad(text)
        port = port[1:]
    elif rest.count(":") > 1:
        host, port = rest, ""
    else:
        host, colon, port = rest.partition(":")
        if colon and not port:
            raise _bad(text)
    if not host or any(c.isspace() or c in "/@?#\\%" or ord(c) < 33 for c in host):
        raise _bad(text)
    if not port:
        return Target(host)
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise UsageError(
            f"'{text}': expected a port of 1 to 65535 after the colon, got '{port}'. "
            f"Leave it out for {DEFAULT_PORT}."
        )
    return Target(host, int(port))


def _bad(text: str) -> UsageError:
    return UsageError(
        f"expected a device as NAME, NAME.local or ADDRESS with an optional :PORT, got '{text}'. "
        "Run 'pico-ota discover' to list the devices here."
    )


def resolve(target: Target) -> str:
    """The numeric address of *target*; a bare name that is unknown is tried as ``name.local`` too.

    IPv4 is asked for first and alone: a Pico has no IPv6 record, and some resolvers wait five
    seconds for the answer that never comes.

    Raises:
        UnreachableError: no resolver knows the name.
    """
    names = [target.host]
    if "." not in target.host and ":" not in target.host and target.host != "localhost":
        names.append(f"{target.host}.local")
    for name in names:
        for family in (socket.AF_INET, socket.AF_UNSPEC):
            try:
                found = socket.getaddrinfo(name, target.port, family, socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                continue
            return str(found[0][4][0])
    tried = " or ".join(f"'{name}'" for name in names)
    raise UnreachableError(f"no address is known for {tried}. {ADVICE['unknown_name']}")
