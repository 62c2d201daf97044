"""``pico-ota fleet upload``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import verb
from ..output import amount
from ..session import Session
from .server import DataOption, ServerOption, connected


@verb()
def command(
    session: Session,
    release: Annotated[Path, typer.Argument(metavar="RELEASE", help="An archive (.swu).")],
    server: ServerOption = None,
    data: DataOption = None,
) -> None:
    """Put a release on the server; no board gets it by that.

    'pico-ota fleet rollout' does this by itself.

    \b
    Examples:
      pico-ota fleet upload app-1.1.0.swu --data fleet
    """
    from ...fleet_server.api import archive

    found = archive(release)
    with connected(server, data) as fleet:
        new = fleet.upload(found)
        url = fleet.url
    session.out.result(
        {"version": found.version, "sha256": found.sha256, "new": new, "server": url}
    )
    what = "is at" if new else "was already at"
    session.out.say(f"{found.version}, {amount(len(found.data))} bytes, {what} {url}")
