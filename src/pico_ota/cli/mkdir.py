"""``pico-ota mkdir``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import verb
from .paths import as_typed, remote_path
from .session import Session


@verb(device=True)
def command(
    session: Session,
    paths: Annotated[list[str], typer.Argument(metavar=":FOLDER...", help="Folders to make.")],
) -> None:
    """Make folders on the device, with all above them. One that is there is no error.

    \b
    Examples:
      pico-ota mkdir :lib
      pico-ota mkdir :data/2026/06
    """
    made = []
    with session.remote() as remote:
        for path in [remote_path(text) for text in paths]:
            new = remote.make_folder(path)
            session.out.say(f"{'made' if new else 'there already:'} {as_typed(path)}")
            if new:
                made.append(path)
    session.out.result({"made": made})
