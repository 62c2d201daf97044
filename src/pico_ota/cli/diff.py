"""``pico-ota diff``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from ..plan import Plan
from ..remote import Remote
from .options import verb
from .output import amount
from .paths import as_typed, local_path
from .push import DeleteOption, IgnoreOption, MpyOption, ToOption
from .session import Session

_COLOURS = {"+": "green", "-": "red", "@": "dim"}


@verb(device=True)
def command(
    session: Session,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=local_path,
            metavar="[PATH...]",
            help="Folders and files. Default: 'source' of pico-ota.toml.",
        ),
    ] = None,
    to: ToOption = None,
    delete: DeleteOption = False,
    ignore: IgnoreOption = None,
    mpy: MpyOption = None,
) -> None:
    """Show what a push would change: the plan, and the lines of each text that differ.

    A line with - is on the device, a line with + is here. Nothing is changed.

    \b
    Examples:
      pico-ota diff app/
      pico-ota diff app/ --delete
      pico-ota diff main.py
    """
    from .push_files import Push, Request

    push = Push(session, Request(list(paths or []), to, "diff", delete, tuple(ignore or ()), mpy))
    out = session.out
    with session.remote() as remote:
        remote.info()
        delivery = push.prepared(remote, remote.status())
        plan = delivery.dry_run()
        lines = list(_differences(remote, plan, delivery.read))
    for line in lines:
        head = line.startswith(("+++", "---"))
        out.show(line, "bold" if head else _COLOURS.get(line[:1]))
    out.result(plan.as_json() | {"diff": "".join(line + "\n" for line in lines)})


def _differences(remote: Remote, plan: Plan, read: Callable[[str], bytes]) -> Iterator[str]:
    changed = {file.path for file in plan.changed}
    here = sorted(changed | {file.path for file in plan.new})
    for path in here:
        old = remote.content(path) if path in changed else None
        yield from _difference(path, old, read(path))
    for path in plan.delete:
        yield from _difference(path, remote.content(path), None)


def _difference(path: str, old: bytes | None, new: bytes | None) -> Iterator[str]:
    """The unified diff from *old*, on the device, to *new*; None is where there is no file."""
    there, here = _text(old), _text(new)
    if there is None or here is None:
        sizes = " and ".join(
            f"{amount(len(data))} bytes {where}"
            for data, where in ((old, "there"), (new, "here"))
            if data is not None
        )
        yield f"{as_typed(path)} is no text: {sizes}"
        return
    old_name = "/dev/null" if old is None else f"device{path}"
    new_name = "/dev/null" if new is None else f"here{path}"
    for number, line in enumerate(
        difflib.unified_diff(there, here, old_name, new_name, lineterm="")
    ):
        yield line.removesuffix("\n")
        if number > 1 and line[0] != "@" and not line.endswith("\n"):
            yield "\\ No newline at end of file"


def _text(data: bytes | None) -> list[str] | None:
    """The lines of *data*, each with its end; None where it is no text."""
    if data is None:
        return []
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + [lines[-1]] * bool(lines[-1])
