"""``pico-ota build``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .options import verb
from .output import amount, count
from .paths import local_path, remote_path
from .session import Session

BOARDS = ["RPI_PICO_W", "RPI_PICO2_W"]


@verb()
def command(
    session: Session,
    directory: Annotated[
        Path | None,
        typer.Argument(
            parser=local_path,
            metavar="[DIR]",
            help="Its content. Default: 'source' of pico-ota.toml.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="X.swu", help="The archive to write."),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            "--version",
            metavar="V",
            help="As semver.org writes it: 1.4.0. Default: 'version' of pico-ota.toml.",
        ),
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            "--sign",
            metavar="KEY",
            help="Private key in PEM; cert.pem lies beside it. Default: 'key' of pico-ota.toml.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--cert", metavar="FILE", help="The certificate, when it lies elsewhere."),
    ] = None,
    mpy: Annotated[
        bool | None,
        typer.Option("--mpy/--no-mpy", help="Compile .py to .mpy (not boot.py and main.py)."),
    ] = None,
    board: Annotated[
        list[str] | None,
        typer.Option("--board", metavar="NAME", help=f"Repeatable. Default: {', '.join(BOARDS)}."),
    ] = None,
    delete: Annotated[
        list[str] | None,
        typer.Option(
            "--delete", metavar=":PATH", help="A file to delete on the device. Repeatable."
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore", metavar="PATTERN", help="Leave out, as .gitignore does. Repeatable."
        ),
    ] = None,
    floor: Annotated[
        str | None,
        typer.Option(
            "--floor",
            metavar="V",
            help="Lowest version a device takes after this one. Default: this one; 0.0.0 leaves "
            "that of the device as it is.",
        ),
    ] = None,
    micropython: Annotated[
        str, typer.Option("--micropython", metavar="V", help="Lowest MicroPython that runs it.")
    ] = "1.25.0",
    trial: Annotated[
        bool, typer.Option("--trial/--no-trial", help="Undo it if it does not prove healthy.")
    ] = True,
    trust: Annotated[
        list[Path] | None,
        typer.Option(
            "--trust",
            metavar="KEY",
            help="Public key that devices trust from this release on, and no others. Repeatable.",
        ),
    ] = None,
) -> None:
    """Build a release: one archive of all files, which swupdate, gooseBit and a device read.

    The same folder and options give the same bytes. Without --sign it is not signed, and devices
    with a public key refuse it.

    \b
    Examples:
      pico-ota build app/ -o app-1.4.0.swu --version 1.4.0 --sign keys/private.pem
      pico-ota build app/ -o app-1.4.0.swu --version 1.4.0 --mpy --board RPI_PICO_W
      pico-ota build app/ -o rotate.swu --version 1.4.1 --sign old/private.pem --trust new/cert.pem
    """
    from ..release import Options, build

    project = session.project
    source, version, sign = (
        directory or project.own_source,
        version or project.version,
        sign or project.own_key,
    )
    if source is None or not source.is_dir():
        raise UsageError(
            f"expected a folder to build from, got {str(source) if source else 'none'}. "
            'Name it, or write source = "app" into pico-ota.toml.'
        )
    if version is None:
        raise UsageError("which version is it? Give --version 1.0.0.")
    output = output or Path(f"{source.resolve().name}-{version}.swu")
    options = Options(
        boards=board or BOARDS,
        mpy=project.mpy if mpy is None else mpy,
        delete=[remote_path(path) for path in delete or ()],
        floor=floor,
        micropython=micropython,
        trial=trial,
        ignore=(*project.ignore, *(ignore or ())),
        keep=project.keep,
        trust=trust or (),
        root=project.folder,
        tell=session.out.say,
    )
    made = build(source, output, version, options, sign_key=sign, certificate=certificate)
    out = session.out
    out.say(
        f"{output}: {version}, {count(len(made.description.files), 'file')}, "
        f"{amount(made.size)} bytes, {'signed' if made.signature else 'NOT signed'}."
    )
    if not made.signature:
        out.warn("not signed: a device with a public key refuses it. --sign KEY signs.")
    out.result(
        {
            "path": str(output),
            "version": version,
            "files": len(made.description.files),
            "size": made.size,
            "sha256": made.sha256,
            "signed": bool(made.signature),
        }
    )
