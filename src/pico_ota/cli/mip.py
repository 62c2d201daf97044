"""``pico-ota mip install``: packages fetched on this computer and sent as one update."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import PicoOtaError, UsageError
from ..remote import MAX_FILE
from .delivery import Ending
from .options import verb
from .push_files import Push, Request
from .session import Session

_INDEX = "https://micropython.org/pi/v2"
_SILENT_S = 30.0
_FORMAT = 6  # of .mpy files, of every MicroPython since 1.19


@verb(device=True)
def command(
    session: Session,
    action: Annotated[str, typer.Argument(metavar="install", help="The one thing there is.")],
    packages: Annotated[
        list[str],
        typer.Argument(
            metavar="PACKAGE[@VERSION]...",
            help="A name in the index, 'github:owner/repository', an address, or a package.json.",
        ),
    ],
    target: Annotated[
        str, typer.Option("--target", metavar="FOLDER", help="Folder of the device.")
    ] = "/lib",
    index: Annotated[
        str, typer.Option("--index", metavar="URL", help="Where names are looked up.")
    ] = _INDEX,
    mpy: Annotated[
        bool, typer.Option("--mpy/--no-mpy", help="Compiled or as source, where both are there.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Fetch, show the plan, change nothing.")
    ] = False,
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="Keep it as soon as it answers: it is not tried for long."),
    ] = False,
) -> int:
    """Install packages as 'mpremote mip' does, over Wi-Fi.

    They are fetched on this computer, with all that they depend on, and go to the device as one
    update: all of it or nothing, on trial, and 'pico-ota rollback' takes it back.

    \b
    Examples:
      pico-ota mip install umqtt.simple
      pico-ota mip install aiohttp@0.0.5 --no-mpy
      pico-ota mip install github:owner/repository
    """
    if action != "install":
        raise UsageError(f"'mip {action}' is not known here: only 'pico-ota mip install NAME' is.")
    with tempfile.TemporaryDirectory(prefix="pico-ota-mip-") as name:
        folder = Path(name)
        for package in packages:
            session.out.say(f"Fetching {package}…")
            fetch(package, folder, index, mpy)
        request = Request(
            sources=[folder],
            to=target,
            version=None,
            delete=False,
            ignore=(),
            mpy=False,
            dry_run=dry_run,
            ending=Ending(confirm=confirm),
        )
        return Push(session, request).run()


def fetch(package: str, folder: Path, index: str, mpy: bool) -> None:
    """Put the files of *package*, and of all that it depends on, into *folder*.

    Raises:
        PicoOtaError: it is not there, or cannot be fetched, or names a place outside of *folder*.
    """
    from mpremote.commands import CommandError  # type: ignore[import-untyped]
    from mpremote.mip import _install_package  # type: ignore[import-untyped]

    install: Callable[..., None] = _install_package
    name, _, version = package.partition("@")
    patience_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENT_S)  # mpremote's own requests have no limit
    try:
        with redirect_stdout(StringIO()):  # which says how far it is, also where --json was asked
            install(_Folder(folder), name, index.rstrip("/"), "", version or None, mpy)
    except (CommandError, TimeoutError) as error:
        raise PicoOtaError(
            f"cannot fetch '{package}': {error}. Nothing was sent. {_advice(name)}"
        ) from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise PicoOtaError(
            f"'{package}' is no package as mip knows them ({error}). Nothing was sent."
        ) from error
    finally:
        socket.setdefaulttimeout(patience_s)


def _advice(name: str) -> str:
    if ":" in name:
        return "Is the address right, and does this computer reach it?"
    if name.endswith(".json"):
        return "Is it a file of this computer, and can you read it?"
    return (
        "Is the name right, and does this computer reach the index? '--index' names another one."
    )


class _Folder:
    """A folder of this computer in the place of the board that mpremote installs to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fs_exists(self, path: str) -> bool:
        return True  # parents are made when a file comes

    def fs_hashfile(self, path: str, algorithm: str) -> bytes:
        raise FileNotFoundError(path)  # all is fetched; only what differs is sent

    def fs_writefile(self, path: str, data: bytes, **_: Any) -> None:
        parts = path.strip("/").split("/")
        if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
            raise ValueError(f"it would write to {path!r}")
        if len(data) > MAX_FILE:
            raise ValueError(f"{path} is larger than a flash")
        place = self._folder.joinpath(*parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def exec(self, code: str) -> None:
        pass

    def eval(self, code: str) -> int:
        return _FORMAT  # the one question that is asked is this one
