"""What is never sent and never deleted: the list in ``never.json``, which the page uses too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

_LISTS: dict[str, Any] = json.loads(
    Path(__file__).with_name("never.json").read_text(encoding="utf-8")
)
#: Stays at home; a project file can take each back with "!".
JUNK = tuple(pattern for patterns in _LISTS["junk"].values() for pattern in patterns)
_STAYS = (*_LISTS["updater"], *_LISTS["settings"])


def stays(path: str) -> bool:
    """Whether a push must never delete the device *path*: the updater's, or settings."""
    return matches(path, _STAYS)


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether *path*, or a folder above it, is what one of *patterns* names."""
    # "/data/" and "/data" both mean the folder with all in it; "*.json" every such file.
    parents = [path]
    while "/" in parents[-1][1:]:
        parents.append(parents[-1].rpartition("/")[0])
    return any(
        fnmatchcase(parent, pattern.rstrip("/")) for parent in parents for pattern in patterns
    )
