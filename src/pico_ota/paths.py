"""How long and how deep a path of a device can be, as ota/paths.py has it there."""

from __future__ import annotations

MAX_PATH = 255  # bytes
MAX_DEPTH = 16
