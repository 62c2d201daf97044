"""``pico-ota sha256sum``."""

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
    paths: Annotated[list[str], typer.Argument(metavar=":FILE...", help="Files of the device.")],
) -> None:
    """Print the SHA-256 of files, as computed by the device.

    \b
    Examples:
      pico-ota sha256sum :main.py
      pico-ota sha256sum :lib/a.py :lib/b.py --json
    """
    sums: dict[str, str] = {}
    with session.remote() as remote:
        for path in [remote_path(text) for text in paths]:
            digest = remote.digest(path)
            if digest is None:
                raise PicoOtaError(
                    f"{as_typed(path)} is no file of the device. 'pico-ota tree' shows them all."
                )
            sums[path] = digest
            session.out.show(f"{digest}  {path}")
    session.out.result(sums)
