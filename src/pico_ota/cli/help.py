"""``pico-ota help``, for those who are used to it."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def command(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[VERB]", help="Default: the overview.")
    ] = None,
) -> None:
    """Show what 'pico-ota VERB --help' shows.

    \b
    Examples:
      pico-ota help
      pico-ota help push
      pico-ota help fleet push
    """
    overview: Any = ctx.parent
    if not names:
        typer.echo(overview.get_help())
        return
    _, found, rest = overview.command.resolve_command(overview, names)
    found.main(
        [*rest, "--help"],
        prog_name=found.name,
        standalone_mode=False,
        parent=overview,
    )
