"""``pico-ota rmdir``, for those who are used to it."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import PicoOtaError
from .options import verb
from .paths import as_typed, remote_path
from .session import Session


@verb(device=True)
def command(
    session: Session,
    paths: Annotated[
        list[str], typer.Argument(metavar=":FOLDER...", help="Empty folders of the device.")
    ],
) -> None:
    """Delete empty folders of the device. 'pico-ota rm -r' takes those with something in them.

    \b
    Examples:
      pico-ota rmdir :data
    """
    deleted = []
    with session.remote() as remote:
        for path in [remote_path(text) for text in paths]:
            if remote.digest(path) is not None:
                raise PicoOtaError(
                    f"'{as_typed(path)}' is a file: 'pico-ota rm {as_typed(path)}' deletes it."
                )
            remote.delete(path)
            deleted.append(path)
            session.out.say(f"deleted {as_typed(path)}")
    session.out.result({"deleted": deleted})
