"""``pico-ota ls``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import RefusedError
from ..remote import Entry, Remote
from .options import verb
from .output import amount
from .paths import remote_path
from .session import Session


@verb(device=True)
def command(
    session: Session,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[:PATH]...", help="Default: the top.")
    ] = None,
) -> None:
    """List folders and files of the device: size and name, folders with a slash behind.

    \b
    Examples:
      pico-ota ls
      pico-ota ls :lib
      pico-ota ls :main.py
      pico-ota ls :lib --json
    """
    out = session.out
    folders = [remote_path(path) for path in paths or [":"]]
    document = []
    with session.remote() as remote:
        for folder in folders:
            entries = _entries(remote, folder)
            if len(folders) > 1:
                out.show(f"{folder}:")
            for entry in entries:
                size = "" if entry.directory else amount(entry.size)
                out.show(f"{size:>12}  {entry.name}{'/' if entry.directory else ''}")
                document.append(
                    {"path": entry.path, "directory": entry.directory, "size": entry.size}
                )
    out.result(document)


def _entries(remote: Remote, path: str) -> list[Entry]:
    """What is in the folder *path*; the file itself where it is one."""
    try:
        return remote.listing(path)[0]
    except RefusedError as error:
        if error.word != "not_directory":
            raise
        beside, _ = remote.listing(path.rpartition("/")[0] or "/")
        found = [entry for entry in beside if entry.path == path]
        if not found:  # it lies below a file, or has just gone
            raise
        return found
