"""``pico-ota cat``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .options import verb
from .paths import remote_path
from .session import Session


@verb(device=True, json=False)
def command(
    session: Session,
    paths: Annotated[list[str], typer.Argument(metavar=":FILE...", help="Files of the device.")],
) -> None:
    """Print files of the device, byte by byte as they are.

    \b
    Examples:
      pico-ota cat :main.py
      pico-ota cat :lib/a.py :lib/b.py > both.py
    """
    sys.stdout.flush()
    with session.remote() as remote:
        for path in paths:
            with remote.read(remote_path(path)) as (_, pieces):
                for piece in pieces:
                    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
