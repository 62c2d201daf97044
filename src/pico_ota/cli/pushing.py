"""What ``push`` does, step by step: scan, compare, show the plan, send, commit, watch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import sync
from ..errors import PicoOtaError, RevertedError, StoppedError, UnreachableError, UsageError
from ..ignore import Ignore
from ..mpy import architecture, compile_source
from ..remote import Remote
from ..update import UpdateSession
from ..versions import default_version
from ..waiting import Watch
from .output import amount, count
from .progress import Bars
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
    dry_run: bool
    trial: bool
    restart: bool
    wait: bool
    wait_limit_s: float


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
        self._kept = False

    def run(self) -> int:
        """Push, and say how it went.

        Raises:
            PicoOtaError: it did not; the text says in which state the device is.
        """
        with self._session.remote() as remote:
            remote.info()
            status = remote.status()
            files = self._scan(status)
            remote_paths = self._remote_paths(remote) if self._request.delete else None
            gone = self._deletions(files, remote_paths)
            version = self._version(files, gone)
            self._report = {"version": version, "from": status.get("version")}
            if self._request.dry_run:
                self._dry_run(self._compare(remote, files, remote_paths, gone))
            elif not gone and self._nothing_to_do(remote, files, status, version):
                # Not even begun: the device would let go of the version it can roll back to.
                self._up_to_date(files)
            else:
                self._kept = status.get("kept") is not None
                self._push(remote, files, gone, version)
        self._out.result(self._report)
        return 0

    # --- before anything is sent -------------------------------------------------------------

    def _chosen_sources(self) -> list[Path]:
        if self._request.sources:
            return self._request.sources
        source = self._session.project.source
        if source is None:
            raise UsageError(
                "what is to be sent? Name a folder ('pico-ota push app/'), or write "
                'source = "app" into pico-ota.toml.'
            )
        return [source]

    def _scan(self, status: dict[str, Any]) -> list[sync.LocalFile]:
        project = self._session.project
        mpy = project.mpy if self._request.mpy is None else self._request.mpy
        compiler = None
        if mpy:
            compiler = partial(compile_source, march=architecture(status.get("mpy")))
        files = sync.scan(
            self._sources,
            self._to,
            Ignore((*project.ignore, *self._request.ignore)),
            compiler,
        )
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
                f"with {amount(total)} bytes of flash. Is it the right folder? --ignore leaves "
                "parts out."
            )
        return files

    def _remote_paths(self, remote: Remote) -> list[str]:
        if not all(source.is_dir() for source in self._sources):
            raise UsageError(
                "--delete compares whole folders: name folders only, or leave it out."
            )
        if self._to != "/" and not remote.is_folder(self._to):
            return []
        return [entry.path for entry in remote.walk(self._to) if not entry.directory]

    def _deletions(self, files: list[sync.LocalFile], there: list[str] | None) -> list[str]:
        if there is None:
            return []
        return sync.deletions(files, there, self._to, self._session.project.protected)

    def _version(self, files: list[sync.LocalFile], gone: list[str]) -> str:
        digest = sync.content_version(files, gone)
        given = self._given_version
        return given or default_version(self._sources, digest)

    @property
    def _given_version(self) -> str | None:
        return self._request.version or self._session.project.version

    @staticmethod
    def _compare(
        remote: Remote, files: list[sync.LocalFile], there: list[str] | None, gone: list[str]
    ) -> sync.Plan:
        """The plan, found out without changing anything: one question for each file."""
        wanted = {file.path for file in files}
        present = remote.present(wanted) if there is None else wanted & set(there)
        digests = {path: remote.digest(path) for path in sorted(present)}
        return sync.plan(files, sync.differing(files, digests), present, gone)

    def _nothing_to_do(
        self,
        remote: Remote,
        files: list[sync.LocalFile],
        status: dict[str, Any],
        version: str,
    ) -> bool:
        """Whether the device has all of it, asked only where beginning would cost something."""
        if version != status.get("version") and (
            self._given_version is not None or status.get("kept") is None
        ):
            return False
        # Sizes first: a listing tells those of a whole folder, a digest is asked for file by file.
        sizes = remote.sizes({file.path for file in files})
        if any(sizes.get(file.path) != file.size for file in files):
            return False
        return all(remote.digest(file.path) == file.sha256 for file in files)

    def _dry_run(self, plan: sync.Plan) -> None:
        self._show(plan)
        self._out.say("Dry run: nothing was changed.")
        self._report |= plan.as_json() | {"dry_run": True}

    def _show(self, plan: sync.Plan) -> None:
        rows = [("+", file.path, file.size, "green") for file in plan.new]
        rows += [("~", file.path, file.size, "yellow") for file in plan.changed]
        for sign, path, size, colour in sorted(rows, key=lambda row: row[1]):
            self._out.say(f"{sign} {path}  {amount(size)}", colour)
        for path in plan.delete:
            self._out.say(f"- {path}", "red")
        self._out.say(f"{plan.summary()}: {amount(plan.bytes_to_send)} bytes to send.")

    # --- sending -----------------------------------------------------------------------------

    def _push(
        self, remote: Remote, files: list[sync.LocalFile], gone: list[str], version: str
    ) -> None:
        manifest = sync.manifest(files, gone, version, self._request.trial)
        update = UpdateSession(remote, manifest)
        try:
            need = update.begin()
            plan = sync.plan(files, need, remote.present(set(need)), gone)
            self._report |= plan.as_json()
            self._show(plan)
            if plan.empty and self._given_version is None:
                update.abort()
                self._up_to_date(files)
                return
            self._send(update, plan)
            answer = update.commit(self._request.restart, self._out.say)
        except UnreachableError:
            raise  # what has arrived stays there for a while: the same push goes on with it
        except (KeyboardInterrupt, PicoOtaError) as error:
            self._leave_as_it_was(update, error)
        self._report |= {"state": "committed", "bytes_sent": update.bytes_sent}
        self._watch(remote, version, answer)

    def _up_to_date(self, files: list[sync.LocalFile]) -> None:
        self._out.say("Up to date: the device has all of it.", "green")
        self._report |= sync.Plan((), (), tuple(files), ()).as_json()
        self._report |= {
            "version": self._report["from"],
            "state": "idle",
            "outcome": "up to date",
            "bytes_sent": 0,
        }

    def _send(self, update: UpdateSession, plan: sync.Plan) -> None:
        started = time.monotonic()
        files = sorted((*plan.new, *plan.changed), key=lambda file: file.path)
        with Bars(self._out, plan.bytes_to_send) as bars:
            for file in files:
                update.send(file, bars.file(file.path, file.size))
                bars.finished(file.path, file.size)
        seconds = max(time.monotonic() - started, 0.001)
        self._report["seconds"] = round(seconds, 3)
        if files:
            rate = plan.bytes_to_send / 1024 / seconds
            self._out.say(
                f"Sent {count(len(files), 'file')}, {amount(plan.bytes_to_send)} bytes in "
                f"{seconds:.1f} s ({rate:.0f} KB/s); the device has checked each."
            )

    def _leave_as_it_was(self, update: UpdateSession, error: BaseException) -> None:
        """Drop what was staged, and raise *error* with the word on the device's state."""
        interrupted = isinstance(error, KeyboardInterrupt)
        gone = True
        try:
            if interrupted:
                # In the middle of a request: this connection is of no use any more.
                update.remote.drop_connection()
                update.remote.retries = 2
            if interrupted or update.id is not None:
                update.abort()
        except (PicoOtaError, KeyboardInterrupt):
            gone = False
        if interrupted:
            begun = self._kept and update.id is not None
            raise StoppedError(interrupted_text(gone, begun)) from None
        raise error

    # --- after the commit --------------------------------------------------------------------

    def _watch(self, remote: Remote, version: str, answer: dict[str, Any]) -> None:
        out, request = self._out, self._request
        if not request.restart:
            out.say(f"Committed {version}: it goes live with the next restart of the device.")
            return
        if not request.wait:
            out.say(f"Committed {version}: the device restarts. 'pico-ota status' shows the end.")
            return
        out.say(f"Committed {version}. Restarting…")
        watch_update(self._session, remote, version, answer, request.wait_limit_s, self._report)


def interrupted_text(told: bool, lost_kept: bool) -> str:
    """What Ctrl-C has left: *told*: the device dropped what it was sent."""
    text = "interrupted: the device runs as before"
    if lost_kept:
        text += ", but no longer keeps the version before that"
    if told:
        return text + "."
    return text + "; it could not be told, and keeps what it was sent until another update begins."


def watch_update(
    session: Session,
    remote: Remote,
    version: str | None,
    answer: dict[str, Any],
    limit_s: float,
    report: dict[str, Any],
) -> None:
    """Follow a committed update to its end and say which one it was.

    Raises:
        RevertedError: it was undone.
        StoppedError: Ctrl-C; the device goes on by itself.
    """
    out = session.out
    watch = Watch(remote, out.say)
    try:
        with out.busy("waiting for the device"):
            if answer.get("boot_id"):
                watch.restart(str(answer["boot_id"]), int(answer.get("restart_ms", 1000)))
            result = watch.outcome(version, limit_s)
    except KeyboardInterrupt:
        raise StoppedError(
            "interrupted: the update is committed, and the device goes on by itself. "
            "'pico-ota status' shows the end."
        ) from None
    except RevertedError as error:
        error.details |= report | {"state": "idle", "outcome": "reverted"}
        raise
    report |= {"state": "idle", "outcome": result.outcome}
    word = "Confirmed" if result.outcome == "confirmed" else "Installed"
    out.say(f"{word}: {result.status.get('name')} runs {result.version}.", "green")
