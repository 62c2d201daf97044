"""``pico-ota touch``, for those who are used to it."""

from __future__ import annotations

import hashlib
from typing import Annotated

import typer

from .options import verb
from .paths import as_typed, remote_path
from .session import Session


@verb(device=True)
def command(
    session: Session,
    paths: Annotated[list[str], typer.Argument(metavar=":FILE...", help="Files of the device.")],
) -> None:
    """Make empty files where there are none. A file that is there stays as it is.

    \b
    Examples:
      pico-ota touch :lib/__init__.py
    """
    made = []
    with session.remote() as remote:
        for path in [remote_path(text) for text in paths]:
            if remote.digest(path) is None and not remote.is_folder(path):
                remote.write(path, b"", hashlib.sha256().hexdigest())
                made.append(path)
                session.out.say(f"made {as_typed(path)}")
            else:
                # The board has no clock that outlives a restart: there is no time to set.
                session.out.say(f"{as_typed(path)} is there already.")
    session.out.result({"made": made})
