"""``pico-ota help``, for those who are used to it."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def command(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[VERB]", help="Default: the overview.")
    ] = None,
) -> None:
    """Show what 'pico-ota VERB --help' shows.

    \b
    Examples:
      pico-ota help
      pico-ota help push
    """
    overview: Any = ctx.parent
    if name is None:
        typer.echo(overview.get_help())
        return
    _, found, _ = overview.command.resolve_command(overview, [name])
    found.main(
        ["--help"],
        prog_name=found.name,
        standalone_mode=False,
        parent=overview,
    )
