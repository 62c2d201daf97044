"""``pico-ota status``."""

from __future__ import annotations

from typing import Any

from .options import verb
from .output import amount, indented
from .session import Session


@verb(device=True)
def command(session: Session) -> None:
    """Show what runs on the device, how it got there, and how much room is left.

    \b
    Examples:
      pico-ota status
      pico-ota -H pico-kitchen.local status
      pico-ota status --json | jq -r .version
    """
    with session.remote() as remote:
        status = remote.status()
    session.out.result(status)
    if session.out.json:
        return
    rows = list(_rows(status))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        session.out.show(f"{name.ljust(width)}  {text}")
    for line in indented(status.get("traceback")):
        session.out.show(line)
    for warning in status.get("warnings", ()):
        session.out.warn(str(warning))
    if status.get("default_password"):
        session.out.say("'pico-ota reset-password' sets another password.")


def _rows(status: dict[str, Any]) -> list[tuple[str, str]]:
    flash, memory = status.get("flash") or {}, status.get("memory") or {}
    wifi = (status.get("wifi") or {}).get("rssi")
    state = str(status.get("state"))
    if status.get("mode") == "rescue":
        state += ", in rescue mode: the application does not run"
    rows = [
        ("device", f"{status.get('name')} at {status.get('ip')}"),
        ("board", f"{status.get('board')}, MicroPython {status.get('micropython')}"),
        ("version", str(status.get("version") or "none yet")),
        ("state", state),
    ]
    trial, update, last = status.get("trial"), status.get("update"), status.get("last")
    if trial:
        rows.append(
            (
                "trial",
                f"attempt {trial.get('attempt')} of {trial.get('attempts')}, "
                f"{trial.get('remaining_s')} s left",
            )
        )
    if update:
        rows.append(
            (
                "update",
                f"{update.get('version')}: {amount(update.get('received', 0))} of "
                f"{amount(update.get('bytes', 0))} bytes have arrived",
            )
        )
    if last:
        rows.append(("last update", outcome(last)))
    rows += [("before", outcome(entry)) for entry in (status.get("history") or [])[1:]]
    rows += [
        ("previous", str(status.get("previous") or "nothing to roll back to")),
        (
            "flash",
            f"{amount(flash.get('free', 0))} of {amount(flash.get('total', 0))} bytes free",
        ),
        ("memory", f"{amount(memory.get('free', 0))} bytes free"),
        ("wifi", f"{wifi} dBm" if wifi is not None else "unknown"),
        ("up", _duration(int(status.get("uptime_s") or 0))),
    ]
    return rows


def outcome(entry: dict[str, Any]) -> str:
    """One line of the history."""
    text = f"{entry.get('version')} {entry.get('outcome')}"
    return f"{text}: {entry['reason']}" if entry.get("reason") else text


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}"
    return f"{days} d {clock}" if days else clock
