"""Bringing one update to one device: begin, show the plan, send, commit, watch, or take it back.

What ``push`` has in common for a folder and for a release; it says how it goes in plain lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..errors import PicoOtaError, RevertedError, StoppedError, UnreachableError
from ..plan import Plan, differing, make_plan
from ..release.description import Description
from ..remote import Remote
from ..update import UpdateSession
from ..waiting import TRIAL_S, Watch
from .output import Out, amount, count
from .progress import Bars


@dataclass(frozen=True)
class Ending:
    """What becomes of the update once all of it is there."""

    restart: bool = True
    wait: bool = True
    wait_limit_s: float | None = None
    confirm: bool = False


@dataclass
class Delivery:
    """One update on its way.

    Attributes:
        out: where to talk to.
        remote: the device.
        description: what the update consists of.
        read: gives the content of a path.
        signature: of the description, if any.
        report: for ``--json``; filled as it goes.
        trial_s: how long the device gives it to prove itself.
        bars: shows how far the transfer is, of so many bytes.
    """

    out: Out
    remote: Remote
    description: Description
    read: Callable[[str], bytes]
    signature: bytes = b""
    report: dict[str, Any] = field(default_factory=dict)
    bars: Callable[[Out, int], Bars] = Bars
    trial_s: float = TRIAL_S

    def dry_run(self) -> Plan:
        """Show what would happen, found out without changing anything, and return it."""
        files = self.description.files
        present = self.remote.present({file.path for file in files})
        digests = {path: self.remote.digest(path) for path in sorted(present)}
        plan = make_plan(files, differing(files, digests), present, self.description.deletes)
        self._show(plan)
        self.report |= plan.as_json()
        return plan

    def run(self, ending: Ending, had_previous: bool, even_if_same: bool = True) -> bool:
        """Bring it there; what goes wrong before the commit leaves the device as it was.

        Args:
            ending: what comes after the last file.
            had_previous: whether there is a version to roll back to, which beginning drops.
            even_if_same: commit also what differs in nothing but its version.

        Returns:
            Whether it was committed.
        """
        update = UpdateSession(self.remote, self.description, self.signature)
        try:
            need = update.begin()
            present = self.remote.present(set(need))
            plan = make_plan(self.description.files, need, present, self.description.deletes)
            self.report |= plan.as_json() | {"signer": update.signer}
            self._show(plan)
            if plan.empty and not even_if_same:
                update.abort()
                return False
            self._send(update, plan)
            answer = update.commit(ending.restart, self.out.say)
        except UnreachableError:
            raise  # what has arrived stays there for a while: the same push goes on with it
        except (KeyboardInterrupt, PicoOtaError) as error:
            _leave_as_it_was(update, error, had_previous)
        self.report |= {"state": "committed", "bytes_sent": update.bytes_sent}
        self._follow(answer, ending)
        return True

    def _show(self, plan: Plan) -> None:
        rows = [("+", file.path, file.size, "green") for file in plan.new]
        rows += [("~", file.path, file.size, "yellow") for file in plan.changed]
        for sign, path, size, colour in sorted(rows, key=lambda row: row[1]):
            self.out.say(f"{sign} {path}  {amount(size)}", colour)
        for path in plan.delete:
            self.out.say(f"- {path}", "red")
        self.out.say(f"{plan.summary()}: {amount(plan.bytes_to_send)} bytes to send.")

    def _send(self, update: UpdateSession, plan: Plan) -> None:
        started = time.monotonic()
        files = sorted((*plan.new, *plan.changed), key=lambda file: file.path)
        with self.bars(self.out, plan.bytes_to_send) as bars:
            for file in files:
                update.send(file, self.read(file.path), bars.file(file.path, file.size))
                bars.finished(file.path, file.size)
        seconds = max(time.monotonic() - started, 0.001)
        self.report["seconds"] = round(seconds, 3)
        if files:
            # Of less than a second a rate would say how long one answer took, no more.
            rate = plan.bytes_to_send / 1024 / seconds
            speed = f" ({rate:.0f} KB/s)" if seconds >= 1 else ""
            self.out.say(
                f"Sent {count(len(files), 'file')}, {amount(plan.bytes_to_send)} bytes in "
                f"{seconds:.1f} s{speed}; the device has checked each."
            )

    def _follow(self, answer: dict[str, Any], ending: Ending) -> None:
        """Follow a committed update to its end and say which one it was.

        Raises:
            RevertedError: it was undone.
            StoppedError: Ctrl-C; the device goes on by itself.
        """
        out, version = self.out, self.description.version
        if not ending.restart:
            out.say(f"Committed {version}: it goes live with the next restart of the device.")
            return
        if not ending.wait:
            out.say(f"Committed {version}: the device restarts. 'pico-ota status' shows the end.")
            return
        out.say(f"Committed {version}. Restarting…")
        trial_s = self.trial_s if self.description.trial else 0.0
        watch = Watch(self.remote, out.say, trial_s=trial_s, confirm=ending.confirm)
        goes_on = (
            "the update is committed, and the device goes on by itself. "
            "'pico-ota status' shows the end."
        )
        try:
            with out.busy("waiting for the device", goes_on):
                if answer.get("boot_id"):
                    watch.restart(str(answer["boot_id"]), int(answer.get("restart_ms", 1000)))
                result = watch.outcome(version, ending.wait_limit_s)
        except RevertedError as error:
            error.details |= self.report | {"state": "idle", "outcome": "reverted"}
            raise
        self.report |= {"state": "idle", "outcome": result.outcome}
        word = "Confirmed" if result.outcome == "confirmed" else "Installed"
        out.say(f"{word}: {result.status.get('name')} runs {result.version}.", "green")


def _leave_as_it_was(update: UpdateSession, error: BaseException, had_previous: bool) -> NoReturn:
    """Drop what was staged, and raise *error* with the word on the device's state."""
    interrupted = isinstance(error, KeyboardInterrupt)
    gone = True
    try:
        if interrupted:
            # In the middle of a request: this connection is of no use any more.
            update.remote.drop_connection()
            update.remote.retries = 2
        if interrupted or update.begun:
            update.abort()
    except (PicoOtaError, KeyboardInterrupt):
        gone = False
    if interrupted:
        raise StoppedError(_interrupted(gone, had_previous and update.begun)) from None
    raise error


def _interrupted(told: bool, lost_previous: bool) -> str:
    """What Ctrl-C has left; *told*: the device dropped what it was sent."""
    text = "interrupted: the device runs as before"
    if lost_previous:
        text += ", but no longer has the version before that to roll back to"
    if told:
        return text + "."
    return text + "; it could not be told, and keeps what it was sent until another update begins."
