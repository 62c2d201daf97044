"""``pico-ota fleet token``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..options import verb
from ..session import Session
from .server import DataOption, ServerOption, connected


@verb()
def command(
    session: Session,
    boards: Annotated[
        list[str], typer.Argument(metavar="ID...", help="What the boards call themselves.")
    ],
    new: Annotated[
        bool, typer.Option("--new", help="Make a new token: the old one is worth nothing then.")
    ] = False,
    server: ServerOption = None,
    data: DataOption = None,
) -> None:
    """Make boards known to the server, and print the token that each one logs in with.

    Asked again, it prints the same token. On the board: Fleet("http://…", token="…", id="…").

    \b
    Examples:
      pico-ota fleet token pico-kitchen --data fleet
      pico-ota fleet token pico-kitchen --new
    """
    from ...fleet_server.api import board_id

    ids = [board_id(board) for board in boards]
    with connected(server, data) as fleet:
        tokens = {board: fleet.token(board, new) for board in ids}
        url = fleet.url
    rows = [{"id": board, "token": token, "server": url} for board, token in tokens.items()]
    session.out.result(rows[0] if len(rows) == 1 else rows)
    for board, token in tokens.items():
        session.out.show(token if len(rows) == 1 else f"{board}  {token}")
