"""Reading the log of a device piece by piece."""

from __future__ import annotations

from ..remote import Remote


class Tail:
    """Gives each line once, also when the device restarts and begins to count anew."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._boot_id: object = None
        self.next = 0

    def new_lines(self) -> list[str]:
        """The lines since the last call."""
        boot_id = self._remote.info()["boot_id"]
        if boot_id != self._boot_id:
            self._boot_id, self.next = boot_id, 0
        self.next, lines = self._remote.log(self.next)
        return lines

    def drop_connection(self) -> None:
        """Begin with a new connection at the next call."""
        self._remote.drop_connection()
