"""Spans of time: as people type them (``90``, ``90s``, ``30m``, ``2h``, ``1d``), and to read."""

from __future__ import annotations

import re

from .errors import UsageError

_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_FORM = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(s|m|min|h|d|)", re.ASCII)
LONGEST_S = 90 * 86400.0


def parse(text: str, option: str) -> float:
    """The seconds that *text* means; *option* is where it was given.

    Raises:
        UsageError: it is no span, or not between 1 s and 90 days.
    """
    found = _FORM.fullmatch(text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 1 <= seconds <= LONGEST_S:
        raise UsageError(f"{option}: expected a time such as 90s, 10m or 2h, got '{text}'.")
    return seconds


def spoken(seconds: float) -> str:
    """*seconds* for people: ``45 s``, ``12 min``, ``3 h``, ``2 d``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
