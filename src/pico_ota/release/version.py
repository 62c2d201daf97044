"""Version numbers, as semver.org orders them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import total_ordering

from .errors import ReleaseError

MAX_LENGTH = 40

_NUMBER = r"(?:0|[1-9]\d*)"
_PRE = rf"(?:{_NUMBER}|\d*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD = r"[0-9A-Za-z-]+"
_SEMVER = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-({_PRE}(?:\.{_PRE})*))?(?:\+{_BUILD}(?:\.{_BUILD})*)?",
    re.ASCII,
)


@total_ordering
@dataclass(frozen=True)
class Version:
    """A version; equal to another when only their build parts (``+…``) differ."""

    core: tuple[int, int, int]
    pre: tuple[str, ...]
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``MAJOR.MINOR.PATCH[-pre][+build]``.

        Raises:
            ReleaseError: ``bad_version``: it is not of that form, or too long.
        """
        match = _SEMVER.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if match is None:
            raise ReleaseError(
                "bad_version",
                f"{text[:80]!r} is not a version. Write MAJOR.MINOR.PATCH, such as 1.4.0 or"
                f" 1.4.0-rc.1, in at most {MAX_LENGTH} characters (semver.org).",
            )
        core = (int(match[1]), int(match[2]), int(match[3]))
        return cls(core, tuple(match[4].split(".")) if match[4] else (), text)

    @classmethod
    def is_older(cls, text: str, floor: Version) -> bool:
        """Whether *text* is older than *floor*; a word that is no version never is."""
        match = _SEMVER.fullmatch(text) if len(text) <= MAX_LENGTH else None
        return match is not None and cls.parse(text) < floor

    def __str__(self) -> str:
        return self.text

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[tuple[int, int, int], bool, list[tuple[bool, int, str]]]:
        # A pre-release comes before its release; numbers before words; fewer parts before more.
        return (
            self.core,
            not self.pre,
            [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in self.pre],
        )
