"""``pico-ota reset-password``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import credentials
from ..errors import StoppedError, UnreachableError, UsageError
from .options import verb
from .session import Session


@verb(device=True)
def command(
    session: Session,
    new_password_file: Annotated[
        Path | None,
        typer.Option(
            "--new-password-file",
            metavar="FILE",
            help="Take the new password from the first line of FILE; - is standard input.",
        ),
    ] = None,
    random: Annotated[
        bool, typer.Option("--random", help="Make one up and show it, once.")
    ] = False,
) -> None:
    """Set a new password on the device. It is asked for from the next request on.

    The new password is asked for twice, or comes from a file or from PICO_OTA_NEW_PASSWORD. It
    does not travel: its SHA-256 does, masked with the old one, so a listener who can guess the old
    one learns it. Lost the old one? Run 'pico-ota install --new-settings' over USB.

    \b
    Examples:
      pico-ota reset-password
      pico-ota reset-password --random
      pico-ota reset-password --new-password-file secret.txt
    """
    if random and new_password_file:
        raise UsageError("give --random or --new-password-file, not both.")
    with session.remote() as remote:
        remote.status()  # the old password is wrong? Better said before a new one is asked for.
        new = credentials.random_password() if random else _new_password(new_password_file)
        try:
            remote.set_password(new)
            remote.status()
        except (UnreachableError, KeyboardInterrupt) as error:
            # What was made up here must not be lost with an answer.
            what = str(error) or "interrupted."
            made_up = f", which was made up: {new}" if random else ""
            text = f"{what} The device may have the new password already{made_up}"
            stopped = isinstance(error, KeyboardInterrupt)
            raise StoppedError(text) if stopped else UnreachableError(text) from error
    session.out.say(f"{session.target} has a new password.", "green")
    if random:
        session.out.show(f"New password: {new}")
    document = {"ok": True, "user": session.user}
    session.out.result(document | {"password": new} if random else document)


def _new_password(file: Path | None) -> str:
    import os

    if file is not None:
        return credentials.read_file(file)
    value = os.environ.get("PICO_OTA_NEW_PASSWORD")
    if value:
        return value
    ask = credentials.prompt()
    if ask is None:
        raise UsageError(
            "no new password, and no terminal to ask at. Set PICO_OTA_NEW_PASSWORD, or give "
            "--new-password-file FILE or --random."
        )
    new = ask("New password: ")
    if not new:
        raise UsageError("an empty password is refused: anyone could update the device.")
    if ask("The same again: ") != new:
        raise UsageError("the two are not the same. Nothing was changed.")
    return new
