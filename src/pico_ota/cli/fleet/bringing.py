"""One release to one board of many: what `push` does, told in results instead of lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...advice import with_advice
from ...errors import (
    CredentialsError,
    PicoOtaError,
    RefusedError,
    RevertedError,
    StoppedError,
    UnreachableError,
)
from ...fleet.hosts import Board
from ...remote import Remote
from ...waiting import Watch, deadline_s
from ..delivery import Delivery, Ending
from ..output import Out
from ..progress import Bars
from ..push_release import runs
from ..session import Session
from .boards import Logins, connect

#: Told what is going on with a board: ``sending``, ``trying`` or ``waiting``, and of ``sending``
#: how far it is, in percent.
Tell = Callable[[str, int | None], None]


@dataclass(frozen=True)
class Parcel:
    """A release, read once for all boards."""

    description: Any
    contents: dict[str, bytes]
    signature: bytes

    @property
    def version(self) -> str:
        """What it is called."""
        return str(self.description.version)


def parcel(path: Path) -> Parcel:
    """Read the release at *path*.

    Raises:
        ReleaseError: it is damaged; nothing was sent.
    """
    from ...release import inspect

    release = inspect(path).release
    listed = release.description
    contents = dict(zip((file.path for file in listed.files), release.contents, strict=True))
    return Parcel(listed, contents, release.signature)


@dataclass(frozen=True)
class Result:
    """How it ended for one board.

    Attributes:
        outcome: ``confirmed``, ``installed`` (without a trial), ``already``; ``reverted``,
            ``failed``, ``lost`` (silent after the commit, or not settled in time);
            ``unreachable``, ``unauthorized``; ``stopped`` (Ctrl-C).
        reason: why, where it did not go well.
    """

    outcome: str
    reason: str = ""


@dataclass
class Limits:
    """What bounds the work on each board.

    Attributes:
        deadline_s: how long one may take, from its start to its outcome.
        force: send also what a board runs already, or has taken back.
        stopping: set when all work is to end.
    """

    deadline_s: float
    force: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)


class DeadlineError(PicoOtaError):
    """A board took too long."""

    word = "deadline"


def decided(status: dict[str, Any], version: str, force: bool) -> Result | None:
    """What the *status* of a board says about *version* without sending it; None: send it."""
    if force or status.get("state") not in ("idle", "staging"):
        return None
    if runs(status, version):
        return Result("already")
    history = status.get("history") or []
    last = next((entry for entry in history if entry.get("version") == version), None)
    if last is None or last.get("outcome") != "reverted" or last.get("reason") == _ASKED_FOR:
        return None
    return Result(
        "reverted",
        f"it was tried before and taken back: {last.get('reason')}. --force tries again",
    )


_ASKED_FOR = "asked for"  # device/ota/transaction.py: a roll-back that somebody wanted


class Bringing:
    """Brings one release to one board."""

    def __init__(
        self,
        session: Session,
        board: Board,
        logins: Logins,
        what: Parcel,
        limits: Limits,
        tell: Tell = lambda state, percent: None,
    ) -> None:
        self._session = session
        self._board = board
        self._logins = logins
        self._what = what
        self._limits = limits
        self._tell = tell
        self._end = time.monotonic() + limits.deadline_s
        self._given_up = False
        self._report: dict[str, Any] = {}

    def run(self) -> Result:
        """Bring it there, follow it to its outcome, and raise nothing."""
        try:
            self._check()
            with connect(self._session, self._board, self._logins, self._sleep) as remote:
                return self._run(remote)
        except RevertedError as error:
            return Result("reverted", str(error.details.get("reason") or error))
        except CredentialsError as error:
            return Result("unauthorized", str(error))
        except StoppedError as error:
            return Result("stopped", str(error))
        except (UnreachableError, DeadlineError) as error:
            if self._committed:
                return Result("lost", str(error))
            late = isinstance(error, DeadlineError)
            return Result("failed" if late else "unreachable", str(error))
        except RefusedError as error:
            return Result("failed", str(with_advice(error)))
        except PicoOtaError as error:
            return Result("failed", str(error))

    @property
    def _committed(self) -> bool:
        return self._report.get("state") == "committed"

    def _run(self, remote: Remote) -> Result:
        version = self._what.version
        remote.info()
        status = remote.status()
        followed = status.get("state") not in ("idle", "staging")
        if followed:
            # Of an earlier run, or somebody else's: it has to end first.
            self._report["state"] = "committed"
            self._tell("trying", None)
            status = Watch(remote, trial_s=deadline_s(status)).idle()
            self._report.clear()
        known = decided(status, version, self._limits.force)
        if known is not None:
            return Result("confirmed") if followed and known.outcome == "already" else known
        delivery = Delivery(
            Out(quiet=True),
            remote,
            self._what.description,
            self._what.contents.__getitem__,
            self._what.signature,
            self._report,
            lambda out, total: Percent(self._progress, total),
            deadline_s(status),
        )
        delivery.run(Ending(), status.get("previous") is not None)
        return Result(str(self._report["outcome"]))

    def _progress(self, percent: int | None) -> None:
        self._check()
        self._tell("trying" if percent is None else "sending", percent)

    def _sleep(self, seconds: float) -> None:
        if self._given_up:  # what follows is the tidying up, which is short
            time.sleep(seconds)
            return
        self._limits.stopping.wait(min(seconds, max(0.0, self._end - time.monotonic())))
        self._check()

    def _check(self) -> None:
        """Give up, once, when time is over or nobody waits any more."""
        if self._given_up:
            return
        where = "the board goes on by itself" if self._committed else "the board runs as before"
        if self._limits.stopping.is_set():
            self._given_up = True
            raise StoppedError(f"interrupted: {where}.")
        if time.monotonic() >= self._end:
            self._given_up = True
            raise DeadlineError(f"not done after {self._limits.deadline_s:g} s: {where}.")


class Percent(Bars):
    """Tells how far a transfer is, each percent once; None when all of it is there."""

    def __init__(self, tell: Callable[[int | None], None], total: int) -> None:
        super().__init__(Out(quiet=True), total)
        self._tell = tell
        self._told = -1

    def __enter__(self) -> Percent:
        self._show(0)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            self._tell(None)

    def _show(self, sent: int) -> None:
        done = 100 * (self._finished + sent) // self._total if self._total else 100
        if done != self._told:
            self._told = done
            self._tell(done)
