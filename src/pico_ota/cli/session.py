"""What a verb works with: its output, the project, and the device that is meant."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .. import credentials, durations, project, target, trusted
from ..errors import UnreachableError, UsageError
from .output import Out

if TYPE_CHECKING:
    from ..remote import Remote

# How long a device that is awake takes to answer at most, and between two tries: both have to fit
# into the three seconds for which prepare_sleep() listens.
_WAKE_S = 2.0
_PAUSE_S = 0.3


@dataclass
class Settings:
    """What the shared options say, from before and behind the verb."""

    hosts: tuple[str, ...] = ()
    user: str | None = None
    password: str | None = None
    password_file: Path | None = None
    basic: bool = False
    timeout: float = 30.0
    retries: int = 8
    wait_for: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0


class Session:
    """One run of one verb.

    Attributes:
        settings: what the shared options say.
        out: where to talk to.
    """

    def __init__(self, settings: Settings, out: Out) -> None:
        self.settings = settings
        self.out = out

    @cached_property
    def project(self) -> project.Project:
        """The project file of the current folder or one above; the defaults without one."""
        return project.load(project.find())

    @cached_property
    def target(self) -> target.Target:
        """The device that is meant.

        Raises:
            UsageError: none was named, or not in a readable way.
        """
        host = self._named_host or self.project.host
        if not host:
            raise UsageError(
                'which device? Give --host NAME, set PICO_OTA_HOST, or write host = "NAME" '
                "into pico-ota.toml. 'pico-ota discover' lists the devices here."
            )
        return target.parse(host)

    @property
    def _named_host(self) -> str | None:
        return next(iter(self.settings.hosts), None) or os.environ.get("PICO_OTA_HOST")

    @property
    def user(self) -> str:
        """The user name to log in with."""
        return (
            self.settings.user
            or os.environ.get("PICO_OTA_USER")
            or self.project.user
            or credentials.DEFAULT_USER
        )

    def password(self) -> str:
        """The password to log in with; asked for when it is nowhere, and only once."""
        return self._password

    @cached_property
    def _password(self) -> str:
        file = self.settings.password_file
        if file is not None and credentials.readable_by_others(file):
            self.out.warn(f"others on this machine may read {file}: 'chmod 600 {file}'.")
        return credentials.password(
            self.user,
            self.target,
            self.settings.password,
            file,
            credentials.prompt(),
            self._environment_may_go(),
        )

    def _environment_may_go(self) -> bool:
        """Whether the device is one that this user has named, or has said yes to."""
        path = self.project.path
        given = self.settings.password is not None or self.settings.password_file is not None
        if self._named_host or path is None or given:
            return True
        if not os.environ.get(credentials.VARIABLE):
            return True
        host = str(self.target)
        if trusted.known(path, host):
            return True
        yes = credentials.consent(
            f"{path} names the device {host}. Send it the password of "
            f"{credentials.VARIABLE}, now and from now on?"
        )
        if yes:
            trusted.remember(path, host)
        return yes

    def remote(self) -> Remote:
        """The device, ready to be talked to; to be used with ``with``."""
        from ..remote import Remote

        remote = Remote(
            self.target,
            self.user,
            self.password,
            basic=self.settings.basic,
            timeout_s=self.settings.timeout,
            retries=self.settings.retries,
            on_retry=lambda why, pause: self.out.detail(f"{why}: again in {pause:g} s"),
            on_answer=lambda line: self.out.detail(line, level=2),
        )
        remote.on_odd = self.out.warn
        if self.settings.wait_for is not None:
            limit_s = durations.parse(self.settings.wait_for, "--wait-for")
            self.password()  # while it is awake there is no time for questions
            self._wait(limit_s)
        return remote

    def _wait(self, limit_s: float) -> None:
        """Return as soon as the device answers.

        Raises:
            UnreachableError: it did not within *limit_s*.
        """
        from ..remote import Remote

        end = time.monotonic() + limit_s
        self.out.say(f"Waiting for {self.target}…")
        while True:
            with Remote(self.target, timeout_s=_WAKE_S, retries=0) as remote:
                try:
                    remote.info(retry=False)
                    return
                except UnreachableError as error:
                    if time.monotonic() > end:
                        raise UnreachableError(
                            f"{self.target} did not answer within {self.settings.wait_for}. "
                            "Is it on, and does it listen when it wakes?"
                        ) from error
            time.sleep(_PAUSE_S)
