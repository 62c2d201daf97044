"""Sending a whole release, and going on with it after a break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import RefusedError, UnreachableError
from .remote import Progress, Remote, chunks
from .update import UpdateSession

_UNDER_WAY = ("committed", "trial", "reverting")


class ReleaseUpload:
    """One archive on its way to one device.

    Args:
        remote: where to.
        data: the archive.
        description: SHA-256 of its ``sw-description``, by which the device knows it again.
    """

    def __init__(self, remote: Remote, data: bytes, description: str) -> None:
        self._remote = remote
        self._data = data
        self._description = description
        self.bytes_sent = 0

    def send(
        self,
        version: str,
        restart: bool = True,
        progress: Progress | None = None,
        told: Callable[[str], None] = lambda text: None,
    ) -> dict[str, Any]:
        """Send what the device does not have yet; it checks, installs and restarts.

        Args:
            version: what the release says it is.
            restart: at once; else with the next restart, whoever causes it.
            progress: hears how many bytes of the archive are there.
            told: hears of delays that the application asks for.

        Returns:
            The answer of the device; empty when it got lost but the release is known to be taken.

        Raises:
            RefusedError: the device does not take it; nothing has changed there.
            UnreachableError: the connection broke and did not come back.
        """
        before = str(self._remote.info()["boot_id"])
        tries = 0
        while True:
            try:
                return self._put(self._received(), restart, progress)
            except UnreachableError as error:
                if tries >= self._remote.retries:
                    raise
                self._remote.back_off(tries, error.reason)
                tries += 1
                if self._taken(version, before):
                    return {}
            except RefusedError as error:
                pause_s = float(error.details.get("retry_after") or 0)
                if error.word == "wrong_offset" and tries < self._remote.retries:
                    tries += 1
                elif error.word == "busy" and pause_s and tries < self._remote.retries:
                    # It has not noticed yet that our last connection is broken.
                    tries += 1
                    self._remote.sleep(pause_s)
                elif error.word == "delayed_by_application":
                    told(str(error))
                    self._remote.sleep(pause_s or 1.0)
                    return self._session().commit(restart, told)
                else:
                    raise

    def abort(self) -> None:
        """Drop what has arrived; another update that happens to be there stays."""
        self._remote.drop_connection()
        if self._received():
            self._session().abort()

    def _put(self, start: int, restart: bool, progress: Progress | None) -> dict[str, Any]:
        rest = self._data[start:]
        headers = {"Content-Type": "application/octet-stream"}
        if start:
            last = len(self._data) - 1
            headers["Content-Range"] = f"bytes {start}-{last}/{len(self._data)}"
        answer = self._remote.json(
            "PUT",
            "/api/v1/update/release" + ("" if restart else "?restart=no"),
            body=lambda: chunks(rest, progress, start),
            length=len(rest),
            headers=headers,
            retry=False,  # not the same again: it goes on where the device says
        )
        self.bytes_sent += len(rest)
        return answer

    def _received(self) -> int:
        """How much of this very archive is there, from before a break."""
        response = self._remote.request("GET", "/api/v1/update/release", accept=(404,))
        if response.status_code != 200:
            return 0
        answer = response.json()
        if answer.get("sha256") != self._description:
            return 0
        return min(int(answer.get("received", 0)), len(self._data) - 1)

    def _taken(self, version: str, before: str) -> bool:
        """Whether the last byte had arrived, and only the answer got lost."""
        status = self._remote.settled()
        if status.get("state") in _UNDER_WAY:
            return True
        return status.get("boot_id") != before and status.get("version") == version

    def _session(self) -> UpdateSession:
        session = UpdateSession(self._remote, {})
        session.id = str(self._remote.json("GET", "/api/v1/update")["id"])
        return session
