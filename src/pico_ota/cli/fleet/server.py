"""Which update server is meant: the options that the verbs for it share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...fleet_server.api import UpdateServer

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="The update server: http://HOST:PORT, or hawkbit+http://HOST:PORT. Without it: "
        "PICO_OTA_FLEET, then what --data says.",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The server's folder, for its name and password. Without it: PICO_OTA_FLEET_DATA, "
        "or PICO_OTA_FLEET_USER and PICO_OTA_FLEET_PASSWORD.",
    ),
]


def connected(server: str | None, data: Path | None) -> UpdateServer:
    """The server that the options name, logged in at; to be used with ``with``.

    Raises:
        UsageError, CredentialsError, UnreachableError: it is not named, or does not let us in.
    """
    from ...fleet_server.access import access

    found = access(server, data)
    if found.hawkbit:
        from ...fleet_server.hawkbit import HawkBit

        return HawkBit(found)
    from ...fleet_server.goosebit import GooseBit

    return GooseBit(found)
