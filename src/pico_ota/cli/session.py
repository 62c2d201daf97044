"""What a verb works with: its output, the project, and the device that is meant."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .. import credentials, project, target, trusted
from ..errors import UsageError
from .output import Out

if TYPE_CHECKING:
    from ..remote import Remote


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
        return remote
