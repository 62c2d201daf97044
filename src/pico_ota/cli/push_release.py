"""``pico-ota push RELEASE.swu``: one archive, sent whole."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..errors import PicoOtaError, StoppedError
from ..remote import Remote, chunks
from .output import amount
from .progress import Bars
from .pushing import watch_update
from .session import Session


def run(session: Session, path: Path, wait: bool, wait_limit_s: float) -> int:
    """Send the release at *path* and follow it to its end.

    Raises:
        ReleaseError: it is damaged; nothing was sent.
        PicoOtaError: it was not taken, or undone.
    """
    from ..release import inspect

    out = session.out
    listed = inspect(path).release.description
    version = str(listed.version)
    data = path.read_bytes()
    out.say(
        f"Release {version} for {', '.join(board for board, _ in listed.boards)}: "
        f"{len(listed.files)} files, {amount(len(data))} bytes."
    )
    with session.remote() as remote:
        remote.info()
        status = remote.status()
        report: dict[str, Any] = {"version": version, "from": status.get("version")}
        answer = _send(session, remote, path.name, data)
        report |= {"state": "committed", "bytes_sent": len(data)}
        if wait:
            out.say("The device has checked and taken it. Restarting…")
            watch_update(session, remote, version, answer, wait_limit_s, report)
        else:
            out.say("The device has taken it and restarts. 'pico-ota status' shows the end.")
    out.result(report)
    return 0


def _send(session: Session, remote: Remote, name: str, data: bytes) -> dict[str, Any]:
    started = time.monotonic()
    try:
        with Bars(session.out, len(data)) as bars:
            progress = bars.file(name, len(data))
            answer = remote.json(
                "PUT",
                "/api/v1/update/release",
                body=lambda: chunks(data, progress),
                length=len(data),
                headers={"Content-Type": "application/octet-stream"},
            )
            bars.finished(name, len(data))
    except KeyboardInterrupt:
        raise StoppedError(_dropped(remote)) from None
    seconds = max(time.monotonic() - started, 0.001)
    session.out.detail(f"sent in {seconds:.1f} s ({len(data) / 1024 / seconds:.0f} KB/s)")
    return answer


def _dropped(remote: Remote) -> str:
    remote.drop_connection()
    try:
        remote.request("DELETE", "/api/v1/update", accept=(404,))
    except (PicoOtaError, KeyboardInterrupt):
        return "interrupted: the device runs as before, and drops what it was sent after a while."
    return "interrupted: nothing was changed on the device."
