"""Watching a device through its restart and its trial, until the outcome is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import PicoOtaError, RefusedError, RevertedError, UnreachableError
from .remote import Remote

RESTART_LIMIT_S = 90.0
OUTCOME_LIMIT_S = 900.0

# Often at first, for those who watch; then seldom, since each look costs the application time.
_OFTEN_S, _SELDOM_S, _OFTEN_TIMES = 0.4, 2.0, 20

Report = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How an update ended: ``confirmed``, or ``installed`` where no trial was asked for."""

    version: str | None
    outcome: str
    status: dict[str, Any]


class Watch:
    """Looks at a device again and again.

    Args:
        remote: the device.
        report: told once about each thing that is new.
        clock: stands in for `time.monotonic` in tests.
    """

    def __init__(
        self,
        remote: Remote,
        report: Report = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._remote = remote
        self._report = report
        self._clock = clock
        self._looks = 0
        self._told = ""

    def restart(self, boot_id: str, first_ms: int = 1000, limit_s: float = RESTART_LIMIT_S) -> str:
        """Wait until the device runs with another boot id than *boot_id*.

        Returns:
            The new boot id.

        Raises:
            UnreachableError: it did not come back in time.
        """
        end = self._clock() + limit_s
        self._remote.sleep(min(first_ms / 1000, 5.0))
        while True:
            self._remote.drop_connection()
            try:
                now = str(self._remote.info(retry=False)["boot_id"])
            except UnreachableError:
                now = boot_id
            if now != boot_id:
                return now
            if self._clock() > end:
                raise UnreachableError(
                    f"{self._remote.target} did not come back within {limit_s:.0f} s of its "
                    "restart. It repairs itself: look again with 'pico-ota status', or power it "
                    "off and on."
                )
            self._pause()

    def outcome(self, version: str | None, limit_s: float = OUTCOME_LIMIT_S) -> Outcome:
        """Wait until the update to *version* is settled. The device may restart on the way.

        Raises:
            RevertedError: it was taken back; the text holds the reason.
            UnreachableError: no word from the device for too long.
            PicoOtaError: still not settled after *limit_s*, or by something else.
        """
        return self._settled(version, self.idle(limit_s))

    def idle(self, limit_s: float = OUTCOME_LIMIT_S) -> dict[str, Any]:
        """Wait until no update is under way; returns the status then.

        Raises:
            UnreachableError: no word from the device for too long.
            PicoOtaError: one is still under way after *limit_s*.
        """
        end = self._clock() + limit_s
        silent_since: float | None = None
        while True:
            now = self._clock()
            try:
                status = self._remote.status(retry=False)
            except (UnreachableError, RefusedError) as error:
                if isinstance(error, RefusedError) and error.status != 503:
                    raise
                self._remote.drop_connection()
                silent_since = now if silent_since is None else silent_since
                if now - silent_since > RESTART_LIMIT_S:
                    raise
            else:
                silent_since = None
                if status.get("state") == "idle":
                    return status
                self._tell(status)
            if now > end:
                raise PicoOtaError(
                    f"the update is not settled after {limit_s:.0f} s. The device goes on by "
                    "itself: look again with 'pico-ota status'."
                )
            self._pause()

    def _settled(self, version: str | None, status: dict[str, Any]) -> Outcome:
        last = status.get("last") or {}
        if last.get("outcome") == "reverted":
            rescue = " It is in rescue mode now." if status.get("mode") == "rescue" else ""
            raise RevertedError(
                f"{last.get('version')} was tried and taken back: {last.get('reason')}. "
                f"{status.get('version') or 'What ran before'} runs again, as it was.{rescue} "
                "What the application printed went to the board's USB console."
            )
        if version is not None and status.get("version") != version:
            raise PicoOtaError(
                f"expected version {version} on the device, found {status.get('version')}. "
                "Somebody else has updated it meanwhile; look with 'pico-ota status'."
            )
        return Outcome(status.get("version"), str(last.get("outcome") or "installed"), status)

    def _tell(self, status: dict[str, Any]) -> None:
        state = str(status.get("state"))
        trial = status.get("trial") or {}
        text = {
            "committed": "The device is putting the files in place.",
            "trial": "On trial",
            "reverting": "Not healthy: the device is putting the old files back.",
        }.get(state, f"State: {state}.")
        if state == "trial":
            if trial.get("attempt"):
                text += f", attempt {trial['attempt']} of {trial.get('attempts')}"
            text += ": the new files have to prove healthy"
        if text != self._told:
            self._told = text
            if state == "trial":
                left = trial.get("remaining_s")
                text += f" within {left} s." if left else "."
            self._report(text)

    def _pause(self) -> None:
        self._looks += 1
        self._remote.sleep(_OFTEN_S if self._looks <= _OFTEN_TIMES else _SELDOM_S)
