"""``pico-ota cp``, and ``put`` and ``get`` for those who are used to them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .options import verb
from .paths import is_remote
from .session import Session

RecursiveOption = Annotated[
    bool, typer.Option("--recursive", "-r", help="Copy folders with all that is in them.")
]
ForceOption = Annotated[
    bool, typer.Option("--force", "-f", help="Copy also what is the same on both sides.")
]
ProtectedOption = Annotated[
    bool, typer.Option("--protected", help="Overwrite even boot.py, or the page.")
]


@verb(device=True)
def command(
    session: Session,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE... TARGET", help="A path with a colon is on the device."),
    ],
    recursive: RecursiveOption = False,
    force: ForceOption = False,
    protected: ProtectedOption = False,
) -> None:
    """Copy files to the device, from it, or on it. A path that starts with a colon is there.

    Each file is checked and replaced at once, but there is no trial and no roll-back: use 'push'
    for anything that has to work afterwards. A folder goes into an existing folder; with a slash
    at its end its content does. What is the same already is not sent.

    \b
    Examples:
      pico-ota cp main.py :
      pico-ota cp -r lib/ :lib
      pico-ota cp :log.txt .
      pico-ota cp :config.json :config.old
    """
    if len(paths) < 2:
        raise UsageError(
            "expected what to copy and where to, as in 'pico-ota cp main.py :' (to the device) "
            "or 'pico-ota cp :log.txt .' (from it)."
        )
    *sources, target = paths
    here = [source for source in sources if not is_remote(source)]
    if not is_remote(target) and here:
        raise UsageError(
            f"'{here[0]}' and '{target}' are both on this computer. "
            "Put a colon before what is on the device: 'pico-ota cp main.py :main.py'."
        )
    _copy(session, sources, target, recursive, force, protected)


@verb(device=True)
def put(
    session: Session,
    source: Annotated[str, typer.Argument(metavar="FILE", help="A file or folder here.")],
    target: Annotated[str, typer.Argument(metavar="[:TARGET]", help="Default: the top.")] = ":",
    recursive: RecursiveOption = False,
    force: ForceOption = False,
    protected: ProtectedOption = False,
) -> None:
    """Copy a file to the device: 'pico-ota cp FILE :TARGET'.

    \b
    Examples:
      pico-ota put main.py
      pico-ota put data.json lib/
    """
    target = target if is_remote(target) else ":" + target
    _copy(session, [source], target, recursive, force, protected)


@verb(device=True)
def get(
    session: Session,
    source: Annotated[str, typer.Argument(metavar=":FILE", help="A file of the device.")],
    target: Annotated[Path, typer.Argument(metavar="[TARGET]", help="Default: here.")] = Path(),
    recursive: RecursiveOption = False,
    force: ForceOption = False,
) -> None:
    """Copy a file from the device: 'pico-ota cp :FILE TARGET'.

    \b
    Examples:
      pico-ota get main.py
      pico-ota get -r lib backup/
    """
    source = source if is_remote(source) else ":" + source
    _copy(session, [source], str(target), recursive, force, False)


def _copy(
    session: Session,
    sources: list[str],
    target: str,
    recursive: bool,
    force: bool,
    protected: bool,
) -> None:
    from .copying import Copier

    with session.remote() as remote:
        copier = Copier(session.out, remote, recursive, force, protected, session.project.folder)
        copier.copy(sources, target)
    out = session.out
    out.say(copier.summary())
    out.result({"copied": copier.copied, "unchanged": copier.unchanged})
