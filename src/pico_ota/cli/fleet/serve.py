"""``pico-ota fleet serve``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ... import durations
from ...errors import UsageError
from ..options import verb
from ..output import dumps
from ..session import Session

if TYPE_CHECKING:
    from ...fleet_server.folder import Admin


@verb()
def command(
    session: Session,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Where everything is kept. Without it: PICO_OTA_FLEET_DATA, then ./fleet-data.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes a free one.")
    ] = 8000,
    bind: Annotated[
        str,
        typer.Option(
            "--host",
            "--bind",
            metavar="ADDRESS",
            help="Listen at. 0.0.0.0 lets boards on the network in.",
        ),
    ] = "127.0.0.1",
    poll: Annotated[
        str,
        typer.Option("--poll", metavar="TIME", help="How often boards shall ask: 30s, 5m."),
    ] = "1m",
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="URL",
            help="postgres://USER:PASSWORD@HOST:PORT/NAME instead of SQLite in DIR. "
            "PICO_OTA_FLEET_DATABASE keeps it out of the process list.",
        ),
    ] = None,
    s3: Annotated[
        str | None,
        typer.Option(
            "--s3",
            metavar="URL",
            help="Keep releases in s3://BUCKET?endpoint=URL&region=NAME; the keys come from the "
            "environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY).",
        ),
    ] = None,
) -> None:
    """Run an update server that boards poll: gooseBit, with all that it needs, in one folder.

    The administrator's name and password are in DIR/admin.json. Boards get in with a token each
    ('pico-ota fleet token'). /fleet/ shows the fleet in a browser. Ends with Ctrl-C or SIGTERM.

    \b
    Examples:
      pico-ota fleet serve
      pico-ota fleet serve --data /srv/fleet --host 0.0.0.0 --poll 5m
      pico-ota fleet serve --data fleet --port 0 --json
    """
    from ...fleet_server import program

    folder = data or Path(os.environ.get("PICO_OTA_FLEET_DATA") or "fleet-data")
    database = database or os.environ.get("PICO_OTA_FLEET_DATABASE")
    poll_s = durations.parse(poll, "--poll")
    if poll_s >= 86400:
        raise UsageError(
            f"--poll {poll}: boards are told hours, minutes and seconds: below a day."
        )
    wanted = program.Wanted(
        folder,
        bind,
        port,
        poll_s,
        database,
        s3,
        verbose=session.settings.verbose > 0,
    )

    def listening(url: str, admin: Admin) -> None:
        if session.out.json:
            # One line, since whoever started this waits for the end of a line.
            print(dumps({"event": "listening", "url": url}), flush=True)
            return
        session.out.say(f"The update server listens at {url}; the fleet is at {url}/fleet/")
        session.out.say(f"Log in as {admin.name}; the password is in {folder / 'admin.json'}")
        if bind in ("127.0.0.1", "localhost", "::1"):
            session.out.say(
                "Only this computer reaches it: --host 0.0.0.0 lets boards on the network in."
            )
        session.out.say("Ctrl-C ends it.")

    program.run(wanted, listening)
