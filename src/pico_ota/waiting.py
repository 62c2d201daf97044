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

# What service_ota.py gives a trial by default: of one that an older device does not tell.
TRIAL_S = 180.0
_LONGEST_TRIAL_S = 86400.0  # guard/trial.py

# Often at first, for those who watch; then seldom, since each look that is answered costs the
# application time. One that is not costs none, and a board that sleeps may listen for a second.
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
        trial_s: how long the device gives an update that is about to be tried: one that never
            answers is silent for all that time, and is taken back then.
        confirm: keep what is on trial as soon as it answers.
    """

    def __init__(
        self,
        remote: Remote,
        report: Report = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
        trial_s: float = 0.0,
        confirm: bool = False,
    ) -> None:
        self._remote = remote
        self._report = report
        self._clock = clock
        self._silence_s = trial_s + RESTART_LIMIT_S
        self._confirm = confirm
        self._looks = 0
        self._told = ""

    def restart(self, boot_id: str, first_ms: int = 1000) -> str:
        """Wait until the device runs with another boot id than *boot_id*.

        Returns:
            The new boot id.

        Raises:
            UnreachableError: it did not come back in time.
        """
        end = self._clock() + self._silence_s
        self._remote.sleep(min(first_ms / 1000, 5.0))
        while True:
            self._remote.drop_connection()
            try:
                now = str(self._remote.info(retry=False)["boot_id"])
            except UnreachableError:
                now = boot_id
                self._looks = 0
            if now != boot_id:
                return now
            if self._clock() > end:
                raise UnreachableError(
                    f"{self._remote.target} did not come back within {self._silence_s:.0f} s of "
                    "its restart. It repairs itself: look again with 'pico-ota status', or power "
                    "it off and on."
                )
            self._pause()

    def outcome(self, version: str | None, limit_s: float | None = None) -> Outcome:
        """Wait until the update to *version* is settled. The device may restart on the way.

        Raises:
            RevertedError: it was taken back; the text holds the reason.
            UnreachableError: no word from the device for too long.
            PicoOtaError: still not settled after *limit_s*, or by something else.
        """
        return self._settled(version, self.idle(limit_s))

    def idle(self, limit_s: float | None = None) -> dict[str, Any]:
        """Wait until no update is under way; returns the status then.

        Args:
            limit_s: no longer than this; None is as long as the device's own deadline allows.

        Raises:
            UnreachableError: no word from the device for too long.
            PicoOtaError: one is still under way after *limit_s*.
        """
        began = self._clock()
        end = began + (OUTCOME_LIMIT_S if limit_s is None else limit_s)
        silent_since: float | None = None
        while True:
            now = self._clock()
            try:
                status = self._remote.status(retry=False)
            except (UnreachableError, RefusedError) as error:
                if isinstance(error, RefusedError) and error.status != 503:
                    raise
                self._remote.drop_connection()
                if isinstance(error, UnreachableError):
                    self._looks = 0
                silent_since = now if silent_since is None else silent_since
                if now - silent_since > self._silence_s:
                    raise
            else:
                silent_since = now
                if status.get("state") == "idle":
                    return status
                self._tell(status)
                left_s = _left_s(status)
                self._silence_s = max(self._silence_s, left_s + RESTART_LIMIT_S)
                if limit_s is None:
                    longest = began + _LONGEST_TRIAL_S + OUTCOME_LIMIT_S
                    end = min(max(end, now + left_s + RESTART_LIMIT_S), longest)
                if self._confirm and status.get("state") == "trial":
                    self._keep()
                    continue
            if now > end:
                raise PicoOtaError(
                    f"the update is not settled after {end - began:.0f} s. The device goes on by "
                    "itself: look again with 'pico-ota status'."
                )
            self._pause()

    def _keep(self) -> None:
        """Confirm what is on trial; where that is refused, the trial goes on."""
        try:
            self._remote.confirm()
        except UnreachableError:
            self._remote.drop_connection()  # asked again with the next look
        except RefusedError as error:
            self._confirm = False
            if error.word != "wrong_state":  # that is: it was settled meanwhile
                self._report(f"Not confirmed by hand: {error}")

    def _settled(self, version: str | None, status: dict[str, Any]) -> Outcome:
        last = status.get("last") or {}
        if last.get("outcome") == "reverted":
            rescue = " It is in rescue mode now." if status.get("mode") == "rescue" else ""
            back = f"{status.get('version') or 'What ran before'} runs again, as it was."
            if not is_restored(status):
                back = "What ran before is not wholly back: push a whole set, or a release."
            traceback = status.get("traceback")
            said = "What it said:" if traceback else "'pico-ota log -f' shows what it prints."
            raise RevertedError(
                f"{last.get('version')} was tried and taken back: {last.get('reason')}. "
                f"{back}{rescue} {said}",
                {"reason": last.get("reason"), "traceback": traceback},
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


def is_restored(status: dict[str, Any]) -> bool:
    """Whether the last update, which was taken back, has left the device as it was before."""
    return "; not restored: " not in str((status.get("last") or {}).get("reason"))


def deadline_s(status: dict[str, Any]) -> float:
    """How long a device with this *status* gives a start, a good one or not, before it acts."""
    told = status.get("trial_deadline_s")
    known = isinstance(told, (int, float)) and 0 <= told <= _LONGEST_TRIAL_S
    return float(told) if known else TRIAL_S  # type: ignore[arg-type]


def _left_s(status: dict[str, Any]) -> float:
    """How long the device still gives what is on trial."""
    left = (status.get("trial") or {}).get("remaining_s")
    return float(min(left, _LONGEST_TRIAL_S)) if isinstance(left, (int, float)) else 0.0
