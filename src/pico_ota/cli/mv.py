"""``pico-ota mv``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError
from .options import ProtectedOption, verb
from .paths import as_typed, remote_path
from .session import Session


@verb(device=True)
def command(
    session: Session,
    paths: Annotated[
        list[str],
        typer.Argument(metavar=":SOURCE... :TARGET", help="What to move, and where to."),
    ],
    protected: ProtectedOption = False,
) -> None:
    """Rename a file or folder of the device, or move several into a folder.

    What exists is never overwritten: delete it first.

    \b
    Examples:
      pico-ota mv :config.json :config.old
      pico-ota mv :a.py :b.py :lib/
    """
    if len(paths) < 2:
        raise UsageError("expected what to move and where to, as in 'pico-ota mv :a.py :b.py'.")
    *sources, last = paths
    target = remote_path(last)
    moved = []
    with session.remote() as remote:
        into = last.endswith("/") or len(sources) > 1 or remote.is_folder(target)
        for source in [remote_path(text) for text in sources]:
            new = source.rpartition("/")[2] if into else ""
            new = f"{'' if target == '/' else target}/{new}" if into else target
            remote.move(source, new, protected=protected)
            moved.append({"from": source, "to": new})
            session.out.say(f"{as_typed(source)} -> {as_typed(new)}")
    session.out.result({"moved": moved})
