"""Paths as they are typed: ``:lib/x.py`` is on the device, ``lib/x.py`` is here."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from ..sync import device_path

# How an escaped byte of a name (pico_ota.paths.is_escaped) is printed.
_PRINTED = re.compile(r"\\u(f0[0-9a-f]{2})")


def local_path(text: str) -> Path:
    """The path of this computer that *text* is.

    Raises:
        typer.BadParameter: it is empty, which would be the current folder.
    """
    if not text:
        raise typer.BadParameter("it is empty; the current folder is '.'")
    return Path(text)


def remote_path(text: str) -> str:
    """The device path of *text*, where the colon may be left out: only the device is meant.

    A name that is no text may be typed as it is printed: ``caf\\uf0e9``.
    """
    plain = _PRINTED.sub(lambda found: chr(int(found[1], 16)), text.removeprefix(":"))
    return device_path(plain)


def is_remote(text: str) -> bool:
    """Whether *text* means a place on the device."""
    return text.startswith(":")


def as_typed(path: str) -> str:
    """The device path *path* in the form in which it can be typed again."""
    return ":" + path
