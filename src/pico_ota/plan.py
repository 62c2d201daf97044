"""What an update does to the files of a device: which are new there, which change, which go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .release.description import ListedFile


@dataclass(frozen=True)
class Plan:
    """What an update does to the device."""

    new: tuple[ListedFile, ...]
    changed: tuple[ListedFile, ...]
    unchanged: tuple[ListedFile, ...]
    delete: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether the device has all of it already."""
        return not (self.new or self.changed or self.delete)

    @property
    def bytes_to_send(self) -> int:
        """The content that has to travel."""
        return sum(file.size for file in (*self.new, *self.changed))

    def summary(self) -> str:
        """One line: "3 changed, 1 new, 12 unchanged, 2 to delete"."""
        return (
            f"{len(self.changed)} changed, {len(self.new)} new, "
            f"{len(self.unchanged)} unchanged, {len(self.delete)} to delete"
        )

    def as_json(self) -> dict[str, Any]:
        """The plan for programs."""
        return {
            "changed": [file.path for file in self.changed],
            "new": [file.path for file in self.new],
            "unchanged": [file.path for file in self.unchanged],
            "delete": list(self.delete),
            "bytes": self.bytes_to_send,
        }


def make_plan(
    files: Iterable[ListedFile],
    need: Iterable[str],
    present: Iterable[str],
    delete: Iterable[str] = (),
) -> Plan:
    """Sort *files* by what happens to them.

    Args:
        files: what will be on the device.
        need: paths whose content on the device differs or is missing.
        present: paths that exist on the device (of the needed ones at least).
        delete: paths that go.
    """
    wanted, there = set(need), set(present)
    new, changed, unchanged = [], [], []
    for file in files:
        if file.path not in wanted:
            unchanged.append(file)
        elif file.path in there:
            changed.append(file)
        else:
            new.append(file)
    return Plan(tuple(new), tuple(changed), tuple(unchanged), tuple(delete))


def differing(files: Iterable[ListedFile], digests: Mapping[str, str | None]) -> list[str]:
    """Paths of *files* whose digest on the device is another one, or that it has not.

    Of a file that comes once, any will do.
    """
    return [
        file.path
        for file in files
        if digests.get(file.path) != file.sha256
        and not (file.once and digests.get(file.path) is not None)
    ]
