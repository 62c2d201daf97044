"""The one error of this package: a release that cannot be made or must not be trusted."""

from __future__ import annotations

from ..errors import PicoOtaError


class ReleaseError(PicoOtaError):
    """The release was not made, or is not what it should be.

    Attributes:
        word: a stable name of the reason, the same that a device answers with; docs/format.md
            lists them.
    """

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word
