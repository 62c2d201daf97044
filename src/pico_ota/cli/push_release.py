"""``pico-ota push RELEASE.swu``: one archive, sent whole."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

from ..errors import PicoOtaError, StoppedError, UnreachableError
from ..release_upload import ReleaseUpload
from .output import amount, count
from .progress import Bars
from .pushing import interrupted_text, watch_update
from .session import Session


def run(session: Session, path: Path, restart: bool, wait: bool, wait_limit_s: float) -> int:
    """Send the release at *path* and follow it to its end.

    Raises:
        ReleaseError: it is damaged; nothing was sent.
        PicoOtaError: it was not taken, or undone.
    """
    from ..release import inspect

    out = session.out
    release = inspect(path).release
    listed = release.description
    version = str(listed.version)
    data = path.read_bytes()
    out.say(
        f"Release {version} for {', '.join(board for board, _ in listed.boards)}: "
        f"{count(len(listed.files), 'file')}, {amount(len(data))} bytes."
    )
    description = hashlib.sha256(listed.render().encode()).hexdigest()
    with session.remote() as remote:
        status = remote.status()
        report: dict[str, Any] = {"version": version, "from": status.get("version")}
        upload = ReleaseUpload(remote, data, description)
        answer = _send(session, upload, path.name, len(data), version, restart)
        report |= {"state": "committed", "bytes_sent": upload.bytes_sent}
        report |= {"signer": answer.get("signer")}
        if not restart:
            out.say(f"The device has checked {version}: it goes live with its next restart.")
        elif not wait:
            out.say("The device has taken it and restarts. 'pico-ota status' shows the end.")
        else:
            out.say(f"The device has checked {version} and taken it. Restarting…")
            watch_update(session, remote, version, answer, wait_limit_s, report)
    out.result(report)
    return 0


def _send(
    session: Session, upload: ReleaseUpload, name: str, size: int, version: str, restart: bool
) -> dict[str, Any]:
    out = session.out
    started = time.monotonic()
    try:
        with Bars(out, size) as bars:
            answer = upload.send(version, restart, bars.file(name, size), out.detail)
            bars.finished(name, size)
    except UnreachableError:
        raise  # what has arrived stays there for a while: the same push goes on with it
    except KeyboardInterrupt:
        raise StoppedError(_dropped(upload)) from None
    seconds = max(time.monotonic() - started, 0.001)
    out.detail(f"{seconds:.1f} s, {size / 1024 / seconds:.0f} KB/s")
    return answer


def _dropped(upload: ReleaseUpload) -> str:
    try:
        upload.abort()
    except (PicoOtaError, KeyboardInterrupt):
        return interrupted_text(False, False)
    return interrupted_text(True, False)
