"""``pico-ota push RELEASE.swu``: its head, and of its files those that the device lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..waiting import deadline_s
from .delivery import Delivery, Ending
from .output import amount, count
from .session import Session


def run(session: Session, path: Path, dry_run: bool, ending: Ending, force: bool) -> int:
    """Send the release at *path* and follow it to its end.

    A device that runs it already is left alone but for *force*: taking it once more would cost
    the version before it, which is there to be rolled back to.

    Raises:
        ReleaseError: it is damaged; nothing was sent.
        PicoOtaError: it was not taken, or undone.
    """
    from ..release import inspect

    release = inspect(path).release
    listed = release.description
    contents = dict(zip((file.path for file in listed.files), release.contents, strict=True))
    boards = ", ".join(board for board, _ in listed.boards) or "any board"
    session.out.say(
        f"Release {listed.version} for {boards}: "
        f"{count(len(listed.files), 'file')}, {amount(release.size)} bytes."
    )
    with session.remote() as remote:
        remote.info()
        status = remote.status()
        report: dict[str, Any] = {"version": listed.version, "from": status.get("version")}
        read = contents.__getitem__
        delivery = Delivery(session.out, remote, listed, read, release.signature, report)
        delivery.trial_s = deadline_s(status)
        if dry_run:
            delivery.dry_run()
            session.out.say("Dry run: nothing was changed.")
            report["dry_run"] = True
        elif runs(status, listed.version) and not force:
            session.out.say(
                f"{status.get('name')} runs {listed.version} already: nothing was sent. "
                "--force sends it all the same.",
                "green",
            )
            report |= {"state": "idle", "outcome": "already", "bytes_sent": 0}
        else:
            delivery.run(ending, status.get("previous") is not None)
    session.out.result(report)
    return 0


def runs(status: dict[str, Any], version: str) -> bool:
    """Whether a device with this *status* runs *version*, settled and in good health."""
    return (
        status.get("state") == "idle"
        and status.get("version") == version
        and status.get("mode") != "rescue"
    )
