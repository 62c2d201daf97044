"""``pico-ota edit``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import ProtectedOption, verb
from .paths import remote_path
from .session import Session


@verb(device=True)
def command(
    session: Session,
    path: Annotated[str, typer.Argument(metavar=":FILE", help="A text file of the device.")],
    protected: ProtectedOption = False,
) -> None:
    """Change a text file of the device with your editor: VISUAL, EDITOR, or vi.

    What you save there is put on the device when the editor ends, at once and without a trial. If
    somebody has changed the file on the device meanwhile, that is said and nothing is overwritten:
    your text stays on this computer. A file that is not there is made.

    \b
    Examples:
      pico-ota edit :main.py
      EDITOR=nano pico-ota edit :lib/config.py
    """
    from .editing import Editing

    with session.remote() as remote:
        Editing(session.out, remote, remote_path(path), protected).run()
