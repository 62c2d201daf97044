"""Paths as they are typed: ``:lib/x.py`` is on the device, ``lib/x.py`` is here."""

from __future__ import annotations

from ..sync import device_path


def remote_path(text: str) -> str:
    """The device path of *text*, where the colon may be left out: only the device is meant."""
    return device_path(text.removeprefix(":"))


def is_remote(text: str) -> bool:
    """Whether *text* means a place on the device."""
    return text.startswith(":")


def as_typed(path: str) -> str:
    """The device path *path* in the form in which it can be typed again."""
    return ":" + path
