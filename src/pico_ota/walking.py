"""Folders of this computer as they travel; links are followed inside the project."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import PicoOtaError, UsageError
from .ignore import Ignore

Tell = Callable[[str], None]
Empty = Callable[[Path], None]


def walk(
    top: Path,
    ignore: Ignore,
    root: Path | None = None,
    empty: Empty = lambda folder: None,
) -> Iterator[tuple[Path, str]]:
    """Each file below *top* that is not ignored, with its path below it, in the order of names.

    Args:
        top: the folder.
        ignore: what stays at home; what it names is not looked at, whatever it links to.
        root: the project; links may lead anywhere in it. None is *top* itself.
        empty: told of each folder with nothing in it that travels.

    Raises:
        UsageError: a link leads out of the project, or into a folder that it lies in; or what
            is there is neither file nor folder.
        PicoOtaError: a folder cannot be read.
    """
    real = top.resolve()
    home = (root or top).resolve()
    if not real.is_relative_to(home):
        home = real  # named by hand: it is a project of its own
    yield from _folder(top, "", ignore, home, (real,), empty)


def _folder(
    folder: Path, prefix: str, ignore: Ignore, home: Path, above: tuple[Path, ...], empty: Empty
) -> Iterator[tuple[Path, str]]:
    anything = False
    for name in _names(folder):
        path = folder / name
        directory = path.is_dir()
        if ignore.ignored(prefix + name, directory=directory):
            continue
        anything = True
        real = above[-1] / name
        if path.is_symlink():
            real = _followed(path, home, above)
        if directory:
            yield from _folder(path, f"{prefix}{name}/", ignore, home, (*above, real), empty)
        elif path.exists() and not path.is_file():
            raise UsageError(
                f"{path} is a pipe, a socket or a device, not a file. Leave it out with --ignore."
            )
        else:
            yield path, prefix + name
    if not anything and prefix:
        empty(folder)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise PicoOtaError(f"cannot read {folder}: {error.strerror}.") from error


def _followed(link: Path, home: Path, above: tuple[Path, ...]) -> Path:
    try:
        real = link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: how Python 3.11 and 3.12 tell a loop
        raise UsageError(
            f"{link} is a link that leads nowhere, or to itself. Mend it, or leave it out "
            "with --ignore."
        ) from None
    if not real.is_relative_to(home):
        raise UsageError(
            f"{link} is a link that leads out of {home}: to {real}. Only links inside the "
            "project are followed. Copy it there, or leave it out with --ignore."
        )
    if real in above:
        raise UsageError(
            f"{link} is a link to {real}, in which it lies itself: that has no end. Remove it, "
            "or leave it out with --ignore."
        )
    return real
