"""``pico-ota rm``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import RefusedError
from .options import ProtectedOption, verb
from .paths import as_typed, remote_path
from .session import Session


@verb(device=True)
def command(
    session: Session,
    paths: Annotated[
        list[str], typer.Argument(metavar=":PATH...", help="Files, or folders with -r.")
    ],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Delete folders with all that is in them.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="What is not there is no error.")
    ] = False,
    protected: ProtectedOption = False,
) -> None:
    """Delete on the device, at once and for good: there is no roll-back for it.

    A folder with something in it needs -r. The updater's own files need --protected, and
    its code stays.

    \b
    Examples:
      pico-ota rm :old.py
      pico-ota rm -r :lib/unused
    """
    out = session.out
    deleted = []
    with session.remote() as remote:
        for path in [remote_path(text) for text in paths]:
            try:
                remote.delete(path, recursive=recursive, protected=protected)
            except RefusedError as error:
                if not (force and error.status == 404):
                    raise
            else:
                deleted.append(path)
                out.say(f"deleted {as_typed(path)}")
    out.result({"deleted": deleted})
