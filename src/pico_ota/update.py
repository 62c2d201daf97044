"""One update on its way to a device: a description, signed or not, and the files it lacks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from .client import quoted
from .errors import PicoOtaError, RefusedError, UnreachableError
from .release import archive
from .release.description import Description, ListedFile
from .release.reading import DESCRIPTION, SIGNATURE
from .remote import Progress, Remote, chunks
from .shape import BEGUN, RESTART, STAGED

_PLACE = "/api/v1/update"

# How often one file may go on at another offset than expected: each break of the connection can
# cause one, and a device that always names another would keep us for ever.
_DETOURS = 20

_ABORTS = 10

# An application may delay the commit ("the pump is running"); not for ever.
_PATIENCE_S = 600.0


class UpdateSession:
    """An update from `begin` to `commit` or `abort`; goes on by itself after a broken connection.

    The device keeps what has arrived: beginning again with the same description goes on where the
    last one stopped, even after a restart in between.

    Args:
        remote: the device.
        description: what the update consists of.
        signature: of the description; none for a push.
    """

    def __init__(self, remote: Remote, description: Description, signature: bytes = b"") -> None:
        text = description.render()
        #: By this the device knows the update again.
        self.id = hashlib.sha256(text).hexdigest()
        self.remote = remote
        self.description = description
        #: Whether the device has answered that it takes the update.
        self.begun = False
        #: Id of the key by which the device trusts it; None where it asks for no key.
        self.signer: str | None = None
        self.bytes_sent = 0
        signed = [(SIGNATURE, signature)] if signature else []
        self._head = archive.pack_head([(DESCRIPTION, text), *signed])
        self._partly: dict[str, int] = {}

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-OTA-Session": self.id}

    def begin(self) -> list[str]:
        """Tell the device what the set will be.

        Returns:
            The paths whose content it does not have, or not wholly.
        """
        answer = self.remote.json(
            "POST",
            _PLACE,
            BEGUN,
            body=lambda: chunks(self._head),
            length=len(self._head),
            sha256=hashlib.sha256(self._head).hexdigest(),
            headers={"Content-Type": "application/octet-stream"},
        )
        self.begun = True
        self.signer = answer.get("signer")
        need = list(answer.get("need") or ())
        sizes = {file.path: file.size for file in self.description.files}
        if (answer.get("bytes") or 0) < sum(sizes.get(path, 0) for path in need):
            self._partly = self.received()  # a part of one has come before a break
        return need

    def received(self) -> dict[str, int]:
        """How many bytes of each file have arrived, here or before a break."""
        answer = self.remote.json("GET", _PLACE, STAGED, headers=self._headers)
        rows = answer.get("files") or ()
        return {row.get("path") or "": max(0, row.get("received") or 0) for row in rows}

    def send(self, file: ListedFile, data: bytes, progress: Progress | None = None) -> None:
        """Send *data*, the content of *file*; the device checks it.

        Raises:
            RefusedError: it arrived damaged twice, or is not wanted.
            UnreachableError: the connection broke and did not come back.
        """
        damaged = detours = breaks = 0
        at = self._partly.pop(file.path, 0)
        while True:
            try:
                self._send_from(file.path, data, at, progress)
                return
            except UnreachableError as error:
                if breaks >= self.remote.retries:
                    raise
                self.remote.back_off(breaks, error.reason)
                self.remote.settled()
                here = self.received().get(file.path, len(data))
                if here >= len(data):
                    return  # all of it had arrived, only the answer was lost
                breaks = 0 if here > at else breaks + 1
                at = here
            except RefusedError as error:
                if error.word == "wrong_offset" and detours < _DETOURS:
                    detours += 1
                    at = _offset(error.details.get("received"), len(data))
                elif error.word == "digest_mismatch" and not damaged:
                    damaged, at = 1, 0
                else:
                    raise

    def _send_from(self, path: str, data: bytes, at: int, progress: Progress | None) -> None:
        rest = data[at:]
        headers = dict(self._headers)
        if at:
            headers["Content-Range"] = f"bytes {at}-{len(data) - 1}/{len(data)}"
        response = self.remote.request(
            "PUT",
            f"{_PLACE}/files{quoted(path)}",
            body=lambda: chunks(rest, progress, at),
            length=len(rest),
            sha256=hashlib.sha256(rest).hexdigest(),
            headers=headers,
            retry=False,  # not the same again: it goes on where the device says
        )
        self.bytes_sent += len(rest)
        if response.status_code != 201:
            raise PicoOtaError(
                f"{path}: all {len(data)} bytes were sent, and the device still waits for "
                f"more ({response.text[:80]}). Run the push again."
            )

    def commit(
        self, restart: bool = True, delayed: Callable[[str], None] = lambda reason: None
    ) -> dict[str, Any]:
        """Make the staged set the live one.

        Args:
            restart: at once; else with the next restart, whoever causes it.
            delayed: told when the application asks for a delay, which is granted for a while.

        Returns:
            The answer of the device; empty when it got lost but the commit is known to have
            happened.
        """
        patience_s = _PATIENCE_S
        breaks = 0
        while True:
            try:
                return self.remote.json(
                    "POST",
                    f"{_PLACE}/commit",
                    RESTART,
                    json={"restart": restart},
                    headers=self._headers,
                    retry=False,
                )
            except UnreachableError:
                # The question or the answer got lost: 1. it was never asked, 2. it is done.
                if self.remote.status()["state"] != "staging":
                    return {}
                breaks += 1
                if breaks > self.remote.retries:
                    raise
            except RefusedError as error:
                pause_s = _pause_s(error.details.get("retry_after"))
                if error.status != 503 or pause_s > patience_s:
                    raise
                patience_s -= pause_s
                delayed(str(error))
                self.remote.sleep(pause_s)

    def abort(self) -> None:
        """Drop everything that was staged; the device is as it was before `begin`.

        Raises:
            RefusedError: it is not in a state that can be dropped.
        """
        if not self.begun and not self._is_there():
            return
        tries = 0
        while True:
            try:
                self.remote.request("DELETE", _PLACE, headers=self._headers)
                return
            except RefusedError as error:
                # A broken off request of ours may keep the device busy until it notices.
                tries += 1
                if error.word != "busy" or tries > _ABORTS:
                    raise
                self.remote.sleep(0.5)

    def _is_there(self) -> bool:
        """Whether the device has begun this very update, and only its answer is not here yet.

        Another one that happens to be there is not ours to drop.
        """
        response = self.remote.request("GET", _PLACE, accept=(404,))
        return response.status_code == 200 and self.remote.json("GET", _PLACE).get("id") == self.id


def _offset(told: object, size: int) -> int:
    """Where the device wants to go on; the beginning where it says something impossible."""
    return told if isinstance(told, int) and 0 <= told <= size else 0


def _pause_s(told: object) -> float:
    """How long the device wants to be left alone, within reason: it is asked again after that."""
    number = told if isinstance(told, int | float) else 1.0
    return min(max(number, 0.5), _PATIENCE_S + 1) if number == number else 1.0
