"""``pico-ota abort``."""

from __future__ import annotations

from .options import verb
from .session import Session


@verb(device=True)
def command(session: Session) -> None:
    """Drop an update that has not gone live yet, with all that has arrived of it.

    What the device runs stays as it is. A push that was broken off goes on by itself when it is
    given again; this is for the update that nobody wants any more.

    \b
    Examples:
      pico-ota abort
    """
    with session.remote() as remote:
        remote.request("DELETE", "/api/v1/update")
    session.out.say("Dropped: the device runs as before.", "green")
    session.out.result({"state": "idle"})
