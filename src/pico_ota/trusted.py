"""Which project files this user lets name a host for the password of the environment.

A project file comes with somebody's code. Without this, running a verb in that folder would send
the password of one's own devices to any host that it names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


def _file() -> Path:
    given = os.environ.get("APPDATA") if os.name == "nt" else os.environ.get("XDG_CONFIG_HOME")
    return (Path(given) if given else Path.home() / ".config") / "pico-ota" / "hosts"


def _line(project: Path, host: str) -> str:
    return json.dumps([str(project.resolve()), host])


def known(project: Path, host: str) -> bool:
    """Whether the user has said yes to this pair before."""
    try:
        return _line(project, host) in _file().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError, RuntimeError):
        return False


def remember(project: Path, host: str) -> None:
    """Keep the pair for the next time, if that is possible."""
    try:
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "a", encoding="utf-8") as out:
            out.write(_line(project, host) + "\n")
    except (OSError, RuntimeError):
        return  # asked again next time
