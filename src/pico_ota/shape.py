"""Checks the answers of a device before anything is done with them.

A shape is a type; ``[shape]``, a list of such; ``{"name": shape}``, an object whose fields, where
they are there and not null, are such: what a device leaves out is for the reader to bear.
"""

from __future__ import annotations

from typing import Any

Shape = Any

_ENTRY = {"version": str, "outcome": str, "reason": str}
STATUS: Shape = {
    "version": str,
    "state": str,
    "mode": str,
    "boot_id": str,
    "name": str,
    "ip": str,
    "board": str,
    "micropython": str,
    "mpy": int,
    "uptime_s": int,
    "previous": str,
    "trial": {"attempt": int, "attempts": int, "remaining_s": int},
    "update": {"version": str, "received": int, "bytes": int},
    "last": _ENTRY,
    "history": [_ENTRY],
    "flash": {"total": int, "free": int},
    "memory": {"free": int},
    "wifi": {"rssi": int},
    "traceback": str,
    "warnings": [str],
}
INFO: Shape = {"service": str, "name": str, "boot_id": str, "release": str}
CONSOLE: Shape = {"boot_id": str, "next": int, "missed": int, "text": str, "traceback": str}
LOG: Shape = {"next": int, "lines": [str]}
BEGUN: Shape = {"need": [str], "bytes": int, "signer": str}
STAGED: Shape = {"files": [{"path": str, "received": int}]}
RESTART: Shape = {"boot_id": str, "restart_ms": int}


def flaw(value: Any, shape: Shape, name: str = "") -> str | None:
    """What in *value* is not of *shape*, in a few words; None when all of it is."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{name} is no list"
        rows = (flaw(item, shape[0], f"{name}[{at}]") for at, item in enumerate(value))
        return next((text for text in rows if text), None)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{name or 'it'} is no object"
        fields = (
            flaw(value[key], inner, f"{name}.{key}" if name else key)
            for key, inner in shape.items()
            if value.get(key) is not None
        )
        return next((text for text in fields if text), None)
    # To Python a bool is an int; to a device it is not.
    fits = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
    if fits and shape is int and abs(value) >= 1 << 53:
        return f"{name} is beyond all bounds"
    return None if fits else f"{name} is no {'text' if shape is str else 'whole number'}"
