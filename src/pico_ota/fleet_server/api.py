"""What a roll-out needs of an update server, whichever it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from ..errors import AnswerError, CredentialsError, RefusedError, UnreachableError, UsageError
from ..release import reading
from ..release.errors import ReleaseError
from .rollout import Rollout, Seen

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
LARGEST_ARCHIVE = 64 * 1024 * 1024


@dataclass(frozen=True)
class Board:
    """A board that the server knows.

    Attributes:
        id: what it calls itself.
        version: what it runs, as far as it has said; None before.
        state: the server's word.
        address: where it asked from.
        silent_s: how long ago that was; None if it never did.
        model: the name of the board; None before it has registered.
        revision: of its hardware.
        busy: whether an update is at work on it.
        failed: whether its last update failed.
        group: the server's word for what it belongs to.
        details: what else the adapter has to know.
    """

    id: str
    version: str | None
    state: str
    address: str | None
    silent_s: float | None
    model: str | None
    revision: str | None
    busy: bool = False
    failed: bool = False
    group: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Archive:
    """A release on this computer.

    Attributes:
        path: the file.
        data: all of it.
        sha256: of that.
        version: of the release.
        boards: which it is for, with their revisions; empty means any.
    """

    path: Path
    data: bytes
    sha256: str
    version: str
    boards: Mapping[str, tuple[str, ...]]

    def unfit(self, board: Board) -> str:
        """Why this release is not for *board*; empty when it is, or when that is not known yet."""
        if board.model is None or not self.boards:
            return ""
        if board.revision in self.boards.get(board.model, ()):
            return ""
        return f"the release is for {', '.join(self.boards)}, this is {board.model}"


def archive(path: Path) -> Archive:
    """Read and check the release at *path*.

    Raises:
        UsageError: it is missing, too large, or no intact release.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder: build a release of it with 'pico-ota build'.")
        size = path.stat().st_size
        if size > LARGEST_ARCHIVE:
            raise UsageError(f"{path} has {size} bytes; a release has at most {LARGEST_ARCHIVE}.")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}.") from None
    try:
        found = reading.read(data).description
    except ReleaseError as error:
        raise UsageError(f"{path} is no intact release: {error}") from None
    return Archive(path, data, hashlib.sha256(data).hexdigest(), found.version, dict(found.boards))


def board_id(text: str) -> str:
    """Check the id of a board.

    Raises:
        UsageError: it would not survive in an address.
    """
    if not _ID.fullmatch(text):
        raise UsageError(
            f"'{text}' is no id for a board: expected up to 64 letters, digits, dots, dashes, "
            "underscores and colons."
        )
    return text


class UpdateServer(Protocol):
    """gooseBit or hawkBit."""

    url: str

    def boards(self) -> list[Board]:
        """All that it knows."""

    def token(self, board: str, new: bool) -> str:
        """Make *board* known, and return what it logs in with; *new* replaces it."""

    def upload(self, release: Archive) -> bool:
        """Put the release there; False when it was there already."""

    def open(self, rollout: Rollout, release: Archive) -> None:
        """Prepare what the stages need; offers nothing to anybody yet."""

    def offer(self, rollout: Rollout) -> None:
        """Let the boards of all started stages have the release; to be repeated at will."""

    def seen(self, rollout: Rollout) -> dict[str, Seen]:
        """What became of the boards of the started stages."""

    def hold(self, rollout: Rollout) -> None:
        """Offer it to nobody any more."""

    def release(self, rollout: Rollout) -> None:
        """Offer it again."""

    def remove(self, rollout: Rollout) -> None:
        """Take what `open` made away, for good."""

    def rollouts(self, name: str | None = None) -> list[Rollout]:
        """All that are kept, the oldest first; with *name* only the one called so."""

    def save(self, rollout: Rollout) -> None:
        """Keep *rollout*, and count its revision.

        Raises:
            BusyError: another command has changed it meanwhile.
        """

    def __enter__(self) -> UpdateServer: ...

    def __exit__(self, *what: object) -> None: ...


class BusyError(RefusedError):
    """Another command has moved this roll-out on meanwhile."""

    def __init__(self, name: str) -> None:
        super().__init__(
            412, "busy", f"another command works on the roll-out {name}; nothing was changed.", {}
        )


class Http(AbstractContextManager["Http"]):
    """Requests to a server, with errors in our words."""

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=timeout_s, follow_redirects=False)

    def __exit__(self, *what: object) -> None:
        self.client.close()

    def ask(self, method: str, path: str, fine: tuple[int, ...] = (), **more: Any) -> Any:
        """Send a request and return the answer.

        Args:
            method: the verb of HTTP.
            path: below the server's address.
            fine: statuses, beside 200 to 299, that the caller understands.
            more: for httpx.

        Raises:
            UnreachableError: no answer.
            CredentialsError: 401 or 403.
            RefusedError: another status.
        """
        try:
            answer = self.client.request(method, path, **more)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(
                f"{self.url} does not answer: {error or type(error).__name__}. Is the server "
                "running there ('pico-ota fleet serve'), and reachable from here?",
                str(error),
            ) from None
        status = answer.status_code
        if status < 300 or status in fine:
            return answer
        if status in (401, 403):
            raise CredentialsError(
                f"{self.url} does not accept this name and password. --data DIR takes those of "
                "the server's own folder."
            )
        raise RefusedError(status, "server", f"{self.url} answered {status}: {_said(answer)}", {})

    def json(self, method: str, path: str, **more: Any) -> Any:
        """The same, for an answer in JSON.

        Raises:
            AnswerError: it is none.
        """
        answer = self.ask(method, path, **more)
        try:
            return answer.json()
        except ValueError:
            raise AnswerError(
                f"{self.url} answers {method} {path} with something that is no JSON: is that an "
                "update server?"
            ) from None


def _said(answer: httpx.Response) -> str:
    try:
        document = answer.json()
        for key in ("detail", "message", "exceptionClass"):
            if isinstance(document, dict) and document.get(key):
                return str(document[key])[:300]
    except ValueError:
        pass
    return answer.text[:300].strip() or answer.reason_phrase
