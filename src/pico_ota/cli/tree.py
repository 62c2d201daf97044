"""``pico-ota tree``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..remote import Entry, Remote
from .options import verb
from .output import amount
from .paths import remote_path
from .session import Session


@verb(device=True)
def command(
    session: Session,
    path: Annotated[str, typer.Argument(metavar="[:FOLDER]", help="Default: the top.")] = ":",
    sizes: Annotated[
        bool, typer.Option("--size", "-s", help="Show the size of each file.")
    ] = False,
) -> None:
    """Show all files below a folder of the device.

    \b
    Examples:
      pico-ota tree
      pico-ota tree -s :lib
    """
    top = remote_path(path)
    session.out.show(top)
    found: list[Entry] = []
    with session.remote() as remote:
        _branch(session, remote, top, "", sizes, found)
    session.out.result([{"path": e.path, "directory": e.directory, "size": e.size} for e in found])


def _branch(
    session: Session, remote: Remote, folder: str, indent: str, sizes: bool, found: list[Entry]
) -> None:
    # Recursion is bounded: the device refuses paths of more than 16 folders.
    entries, _ = remote.listing(folder)
    for entry in entries:
        found.append(entry)
        last = entry is entries[-1]
        size = f"  ({amount(entry.size)})" if sizes and not entry.directory else ""
        session.out.show(f"{indent}{'└── ' if last else '├── '}{entry.name}{size}")
        if entry.directory:
            deeper = indent + ("    " if last else "│   ")
            _branch(session, remote, entry.path, deeper, sizes, found)
