"""The releases in a folder, and which of them a board should run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PicoOtaError, UsageError
from ..release import inspect
from ..release.description import Description
from ..release.errors import ReleaseError
from ..release.reading import Device, check_suits
from ..release.version import Version

MAX_RELEASES = 1000
_MAX_ARCHIVE = 32 << 20
_MAX_NOTES = 64 << 10
_NOTES = (".md", ".txt")
#: What the firmware calls a board, and what a release does; the longer name first.
_MACHINES = (("Pico 2 W", "RPI_PICO2_W"), ("Pico W", "RPI_PICO_W"))


@dataclass(frozen=True)
class Offer:
    """A release that lies in the folder.

    Attributes:
        path: the archive.
        description: what it brings, and to which boards.
        notes: what changed, from the file of the same name with ``.md`` or ``.txt``.
    """

    path: Path
    description: Description
    notes: str

    @property
    def version(self) -> Version:
        """What it is called."""
        return Version.parse(self.description.version)


class Releases:
    """The folder, read again when something in it has changed.

    Args:
        folder: where the archives lie.
        warn: told of each archive that cannot be used, once.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        if not folder.is_dir():
            raise UsageError(f"expected a folder of releases, {folder} is none.")
        self._folder = folder
        self._warn = warn
        self._known: dict[Path, tuple[tuple[int, int], Offer | None]] = {}

    def offers(self) -> list[Offer]:
        """All releases that are there now, the newest first."""
        paths = sorted(self._folder.glob("*.swu"))
        if len(paths) > MAX_RELEASES:
            self._warn(f"{self._folder} has {len(paths)} releases: the last {MAX_RELEASES} count.")
            paths = paths[-MAX_RELEASES:]
        known = {}
        for path in paths:
            try:
                facts = path.stat()
            except OSError:
                continue  # gone meanwhile
            stamp = (facts.st_mtime_ns, facts.st_size)
            before = self._known.get(path)
            known[path] = (
                before if before and before[0] == stamp else (stamp, self._read(path, stamp[1]))
            )
        self._known = known
        found = [offer for _, offer in known.values() if offer is not None]
        return sorted(found, key=lambda offer: offer.version, reverse=True)

    def _read(self, path: Path, size: int) -> Offer | None:
        try:
            if size > _MAX_ARCHIVE:
                raise PicoOtaError(f"it has {size} bytes")
            listed = inspect(path).release.description
            Version.parse(listed.version)
        except (ReleaseError, PicoOtaError) as error:
            self._warn(f"{path.name} is left out: {error}")
            return None
        return Offer(path, listed, _notes(path))


def _notes(path: Path) -> str:
    for ending in _NOTES:
        try:
            with open(path.with_suffix(ending), encoding="utf-8-sig", errors="replace") as file:
                return file.read(_MAX_NOTES).strip()
        except OSError:
            continue
    return ""


def best(offers: list[Offer], status: dict[str, Any]) -> Offer | None:
    """The newest of *offers* that a board with this *status* can run, if it has an older one.

    A version that was taken back there, by itself or by hand, is not offered again.
    """
    device = Device(
        board=_board(status.get("board")),
        micropython=_triple(status.get("micropython")),
        floor=_version(status.get("floor")),
        mpy=status.get("mpy") or None,
    )
    runs = _version(status.get("version"))
    failed = {
        entry.get("version")
        for entry in status.get("history") or ()
        if entry.get("outcome") == "reverted"
    }
    for offer in offers:
        if runs is not None and offer.version <= runs:
            break
        if offer.description.version in failed:
            continue
        try:
            check_suits(offer.description, device)
        except ReleaseError:
            continue
        return offer
    return None


def _board(machine: object) -> str:
    # An unknown board is no reason to offer anything: it has a name that no release has.
    return next((name for part, name in _MACHINES if part in str(machine)), str(machine))


def _triple(text: object) -> str | None:
    numbers = str(text).partition("-")[0].split(".")
    return ".".join(numbers) if len(numbers) == 3 and all(n.isdigit() for n in numbers) else None


def _version(text: object) -> Version | None:
    try:
        return Version.parse(text) if isinstance(text, str) else None
    except ReleaseError:
        return None
