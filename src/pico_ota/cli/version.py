"""``pico-ota version``, for those who are used to it."""

from __future__ import annotations

from .. import __version__
from .options import verb
from .session import Session


@verb()
def command(session: Session) -> None:
    """Show the version of this command, as 'pico-ota --version' does.

    \b
    Examples:
      pico-ota version
    """
    session.out.show(f"pico-ota {__version__}")
    session.out.result({"version": __version__})
