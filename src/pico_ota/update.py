"""One update session on a device: begin, send what is needed, commit, or leave it as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from .errors import PicoOtaError, RefusedError, UnreachableError
from .remote import Progress, Remote, chunks
from .sync import LocalFile

# A piece is what a broken connection can cost. Closing a file costs the device about one erase
# (45 ms), so pieces are not smaller: 64 KB are 17 erases anyway.
PIECE = 64 * 1024

# How often one file may go on at another offset than expected: each break of the connection can
# cause one, and a device that always names another would keep us for ever.
_DETOURS = 20

_ABORTS = 10

# An application may delay the commit ("the pump is running"); not for ever.
_PATIENCE_S = 600.0


class UpdateSession:
    """A session from `begin` to `commit` or `abort`; resumes by itself after a broken connection.

    The device keeps what has arrived: beginning again with the same manifest goes on where the
    last one stopped, even after a restart in between.
    """

    def __init__(self, remote: Remote, manifest: dict[str, Any]) -> None:
        self.remote = remote
        self.manifest = manifest
        self.id: str | None = None
        self.need: list[str] = []
        self.bytes_sent = 0

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-OTA-Session": self.id} if self.id else {}

    def begin(self) -> list[str]:
        """Tell the device what the set will be.

        Returns:
            The paths whose content it does not have.
        """
        answer = self.remote.json("POST", "/api/v1/update", json=self.manifest)
        self.id = str(answer["id"])
        self.need = [str(path) for path in answer.get("need", ())]
        return self.need

    def received(self) -> dict[str, int]:
        """How many bytes of each file have arrived, here or before a break."""
        answer = self.remote.json("GET", "/api/v1/update", headers=self._headers)
        return {str(row["path"]): int(row["received"]) for row in answer.get("files", ())}

    def send(self, file: LocalFile, progress: Progress | None = None, start: int = 0) -> None:
        """Send *file* from offset *start* on; the device checks size and SHA-256 of the whole.

        Raises:
            PicoOtaError: it arrived damaged twice, or what is on disk here has changed.
        """
        data = file.read()
        damaged = detours = breaks = 0
        at = start
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
                    return  # the last piece had arrived, only its answer was lost
                breaks = 0 if here > at else breaks + 1
                at = here
            except RefusedError as error:
                if error.word == "wrong_offset" and detours < _DETOURS:
                    detours += 1
                    at = int(error.details["received"])
                elif error.word == "digest_mismatch" and not damaged:
                    damaged, at = 1, 0
                else:
                    raise

    def _send_from(self, path: str, data: bytes, at: int, progress: Progress | None) -> None:
        while True:
            piece = data[at : at + PIECE]
            headers = dict(self._headers)
            if len(piece) != len(data):
                headers["Content-Range"] = f"bytes {at}-{at + len(piece) - 1}/{len(data)}"
            start = at
            response = self.remote.request(
                "PUT",
                "/api/v1/update/files" + quote(path, safe="/"),
                body=lambda piece=piece, start=start: chunks(piece, progress, start),
                length=len(piece),
                headers=headers,
                retry=False,  # not the same again: it goes on where the device says
            )
            self.bytes_sent += len(piece)
            at += len(piece)
            if response.status_code == 201:
                return
            if at >= len(data):
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
        while True:
            try:
                return self.remote.json(
                    "POST",
                    "/api/v1/update/commit",
                    json={"restart": restart},
                    headers=self._headers,
                    retry=False,
                )
            except UnreachableError:
                # The question or the answer got lost: 1. it was never asked, 2. it is done.
                if self.remote.status()["state"] != "staging":
                    return {}
            except RefusedError as error:
                pause_s = float(error.details.get("retry_after") or 1)
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
        if self.id is None and not self._find_own():
            return
        tries = 0
        while True:
            try:
                self.remote.request("DELETE", "/api/v1/update", headers=self._headers)
                return
            except RefusedError as error:
                # A broken off request of ours may keep the device busy until it notices.
                tries += 1
                if error.word != "busy" or tries > _ABORTS:
                    raise
                self.remote.sleep(0.5)

    def _find_own(self) -> bool:
        """Learn the id of a session whose begin was asked for, but not answered yet.

        Another one that happens to be there is not ours to drop.
        """
        response = self.remote.request("GET", "/api/v1/update", accept=(404,))
        if response.status_code != 200:
            return False
        answer = response.json()
        listed = {row["path"]: row["size"] for row in answer["files"]}
        ours = {file["path"]: file["size"] for file in self.manifest["files"]}
        if answer.get("version") != self.manifest["version"] or listed != ours:
            return False
        self.id = str(answer["id"])
        return True
