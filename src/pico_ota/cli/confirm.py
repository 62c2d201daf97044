"""``pico-ota confirm``."""

from __future__ import annotations

from .options import verb
from .session import Session


@verb(device=True)
def command(session: Session) -> None:
    """Keep the update that is on trial, now.

    Without it the device confirms by itself when it has been healthy for a while, unless the
    application has taken that over.

    \b
    Examples:
      pico-ota confirm
    """
    with session.remote() as remote:
        answer = remote.confirm()
    session.out.say(f"Confirmed: {answer.get('version')} stays.", "green")
    session.out.result(answer)
