"""``pico-ota push`` of folders and files: scan, compare, describe; delivery.py brings it there."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .. import sync
from ..errors import UsageError
from ..ignore import Ignore
from ..mpy import architecture, compile_source
from ..paths import is_escaped
from ..plan import Plan
from ..release.builder import describe
from ..release.description import Description
from ..release.paths import check_package
from ..remote import Remote
from ..versions import default_version
from ..waiting import deadline_s
from .delivery import Delivery, Ending
from .output import amount, count
from .session import Session


@dataclass(frozen=True)
class Request:
    """The options of ``push``."""

    sources: list[Path]
    to: str | None
    version: str | None
    delete: bool
    ignore: tuple[str, ...]
    mpy: bool | None
    dry_run: bool = False
    trial: bool = True
    ending: Ending = field(default_factory=Ending)


class Push:
    """One push of files."""

    def __init__(self, session: Session, request: Request) -> None:
        self._session = session
        self._out = session.out
        self._request = request
        self._sources = self._chosen_sources()
        self._to = sync.device_path(
            (request.to or session.project.target or "/").removeprefix(":")
        )
        self._report: dict[str, Any] = {}

    def saved(self) -> sync.Stamps:
        """What tells one state of the files here from the next, without reading them.

        Raises:
            UsageError: a source is not there.
        """
        return sync.stamps(self._sources, self._ignore, self._session.project.folder)

    def run(self) -> int:
        """Push, and say how it went.

        Raises:
            PicoOtaError: it did not; the text says in which state the device is.
        """
        with self._session.remote() as remote:
            remote.info()
            status = remote.status()
            delivery = self.prepared(remote, status)
            listed = delivery.description
            had_previous = status.get("previous") is not None
            if self._request.dry_run:
                delivery.dry_run()
                self._out.say("Dry run: nothing was changed.")
                self._report["dry_run"] = True
            # Nothing to do: not even begun, or the version to roll back to would be dropped.
            elif self._has_all(remote, listed, status) or not delivery.run(
                self._request.ending, had_previous, self._given_version is not None
            ):
                self._up_to_date(listed)
        self._out.result(self._report)
        return 0

    def prepared(self, remote: Remote, status: dict[str, Any]) -> Delivery:
        """What would be sent to a device with this *status*, read and ready.

        Raises:
            UsageError: there is nothing to send, or too much.
            PicoOtaError: a file cannot be read or compiled.
        """
        files = self._scan(status)
        gone = self._deletions(files, remote) if self._request.delete else []
        version = self._version(files, gone)
        listed = describe(files, version, gone, self._request.trial, self._keep)
        self._report = {"version": version, "from": status.get("version")}
        here = {file.path: file for file in files}
        return Delivery(
            self._out,
            remote,
            listed,
            lambda path: here[path].read(),
            report=self._report,
            trial_s=deadline_s(status),
        )

    def _chosen_sources(self) -> list[Path]:
        if self._request.sources:
            return self._request.sources
        source = self._session.project.own_source
        if source is None:
            raise UsageError(
                "what is to be sent? Name a folder ('pico-ota push app/'), or write "
                'source = "app" into pico-ota.toml.'
            )
        return [source]

    @property
    def _ignore(self) -> Ignore:
        return Ignore((*self._session.project.ignore, *self._request.ignore))

    @property
    def _keep(self) -> list[str]:
        return sync.patterns(self._session.project.keep, self._to)

    def _scan(self, status: dict[str, Any]) -> list[sync.LocalFile]:
        project = self._session.project
        mpy = project.mpy if self._request.mpy is None else self._request.mpy
        compiler = None
        if mpy:
            compiler = partial(compile_source, march=architecture(status.get("mpy")))
        files = sync.scan(
            self._sources,
            self._to,
            self._ignore,
            compiler,
            project.folder,
            self._out.say,
            self._keep,
        )
        check_package([file.path for file in files])
        if not files:
            places = ", ".join(f"'{source}'" for source in self._sources)
            raise UsageError(
                f"there is nothing to send in {places}: it is empty, or all of it is ignored."
            )
        total = int((status.get("flash") or {}).get("total", 0))
        size = sum(file.size for file in files)
        if total and size > total:
            raise UsageError(
                f"{count(len(files), 'file')} with {amount(size)} bytes do not fit on a device "
                f"with {amount(total)} bytes of flash. Is it the right folder? "
                + ("Leave out more." if self._request.ignore else "--ignore leaves parts out.")
            )
        return files

    def _deletions(self, files: list[sync.LocalFile], remote: Remote) -> list[str]:
        if not all(source.is_dir() for source in self._sources):
            raise UsageError(
                "--delete compares whole folders: name folders only, or leave it out."
            )
        if self._to != "/" and not remote.is_folder(self._to):
            return []
        there = [entry.path for entry in remote.walk(self._to) if not entry.directory]
        project = self._session.project
        gone = sync.deletions(files, there, self._to, project.protected, project.keep)
        odd = [path for path in gone if is_escaped(path)]
        for path in odd:
            self._out.say(f"{path} stays: no update can spell this name. 'pico-ota rm' can.")
        return [path for path in gone if path not in odd]

    def _version(self, files: list[sync.LocalFile], gone: list[str]) -> str:
        digest = sync.content_version(files, gone)
        given = self._given_version
        return given or default_version(self._sources, digest)

    @property
    def _given_version(self) -> str | None:
        return self._request.version or self._session.project.version

    def _has_all(self, remote: Remote, listed: Description, status: dict[str, Any]) -> bool:
        """Whether the device has all of it, asked only where beginning would cost something."""
        if listed.deletes or (
            listed.version != status.get("version")
            and (self._given_version is not None or status.get("previous") is None)
        ):
            return False
        # Sizes first: a listing tells those of a whole folder, a digest is asked for file by file.
        sizes = remote.sizes({file.path for file in listed.files})
        if not all(file.once or sizes.get(file.path) == file.size for file in listed.files):
            return False
        return all(
            file.path in sizes if file.once else remote.digest(file.path) == file.sha256
            for file in listed.files
        )

    def _up_to_date(self, listed: Description) -> None:
        self._out.say("Up to date: the device has all of it.", "green")
        self._report |= Plan((), (), listed.files, ()).as_json()
        self._report |= {
            "version": self._report["from"],
            "state": "idle",
            "outcome": "up to date",
            "bytes_sent": 0,
        }
