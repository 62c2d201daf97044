"""What can go wrong on the host side, and the exit status that each case ends with.

PicoOtaError            1   the verb failed; the message says what to do
├── UsageError          2   the command line or pico-ota.toml asks for something that cannot be
├── UnreachableError    3   nothing answered, or the connection broke and stayed broken
├── CredentialsError    4   no password, a wrong one, or too many wrong ones
├── RevertedError       5   the update arrived, did not prove healthy, and was undone
├── StoppedError      130   Ctrl-C
├── RefusedError        1   the device said no: its status, word and reason are kept
└── AnswerError         1   something answered, but not as a pico-ota device does
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class PicoOtaError(Exception):
    """The verb failed; the text says what was expected, what came, and what to do."""

    exit_status = 1
    word = "failed"


class UsageError(PicoOtaError):
    """What was asked for cannot be: nothing has been sent."""

    exit_status = 2
    word = "usage"


class UnreachableError(PicoOtaError):
    """No device answered at the given place.

    Attributes:
        reason: why, in a few words.
    """

    exit_status = 3
    word = "unreachable"

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class CredentialsError(PicoOtaError):
    """The device wants another user name or password."""

    exit_status = 4
    word = "credentials"


class RevertedError(PicoOtaError):
    """The new files were tried and taken back; the old set runs."""

    exit_status = 5
    word = "reverted"

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.details = dict(details or {})


class StoppedError(PicoOtaError):
    """Ctrl-C; the text says in which state that leaves the device."""

    exit_status = 130
    word = "interrupted"


class AnswerError(PicoOtaError):
    """The answer does not follow the HTTP contract of docs/http.md."""

    word = "bad_answer"


class RefusedError(PicoOtaError):
    """The device answered with an error of its own.

    Attributes:
        status: the HTTP status.
        word: the device's word for it, such as ``no_space``.
        details: the other fields of the answer, such as ``need`` and ``free``.
    """

    def __init__(self, status: int, word: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.word = word
        self.details = dict(details)
