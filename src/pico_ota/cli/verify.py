"""``pico-ota verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .options import verb
from .session import Session


@verb()
def command(
    session: Session,
    path: Annotated[Path, typer.Argument(metavar="X.swu", help="The release.")],
    key: Annotated[
        list[Path] | None,
        typer.Option(
            "--key",
            "-k",
            metavar="KEY",
            help="public.json, a certificate, or a key in PEM. Repeatable. "
            "Default: beside 'key' of pico-ota.toml.",
        ),
    ] = None,
    board: Annotated[
        str | None, typer.Option("--board", metavar="NAME", help="It must be for this board.")
    ] = None,
    micropython: Annotated[
        str | None,
        typer.Option("--micropython", metavar="V", help="This MicroPython must be enough."),
    ] = None,
    floor: Annotated[
        str | None, typer.Option("--floor", metavar="V", help="It must not be older than this.")
    ] = None,
) -> None:
    """Check a release as a device does that trusts KEY: all of it, and the signature.

    \b
    Examples:
      pico-ota verify app-1.4.0.swu --key keys/cert.pem
      pico-ota verify app-1.4.0.swu --key keys/public.json --board RPI_PICO_W --floor 1.3.0
    """
    from ..release import verify

    keys = list(key or ())
    if not keys and session.project.own_key:
        keys = [session.project.own_key]
    if not keys:
        raise UsageError("verify against which key? Give --key keys/cert.pem.")
    if micropython is not None and not all(p.isdigit() for p in micropython.split(".")):
        raise UsageError(f"--micropython takes a version like 1.25.0, got {micropython!r}.")
    release = verify(path, keys, board=board, micropython=micropython, floor=floor)
    listed = release.description
    session.out.say(
        f"{path}: {listed.version} is intact, and signed by one of the given keys.", "green"
    )
    session.out.result(
        {
            "ok": True,
            "version": listed.version,
            "files": len(listed.files),
            "size": release.size,
            "sha256": release.sha256,
        }
    )
