"""A device as the verbs see it: its state and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .advice import ADVICE
from .client import Client, quoted
from .digest import masked, secret_of
from .errors import AnswerError, PicoOtaError, RefusedError
from .paths import MAX_DEPTH, MAX_PATH
from .shape import CONSOLE, INFO, LOG, RESTART, STATUS

API = 1  # the version of the HTTP contract that is spoken here
_CHUNK = 4096
# The largest flash that there is for these chips has 16 MB.
MAX_FILE = 32 << 20
_LONGEST_PASSWORD = 128
_MOST_ENTRIES = 100_000
_SETTLE_S = 0.5
_SETTLE_LOOKS = 40


@dataclass(frozen=True)
class Entry:
    """One name in a folder of the device."""

    path: str
    directory: bool
    size: int

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Space:
    """The flash of the device, in bytes."""

    total: int
    free: int
    block: int


class Remote(Client):
    """The calls of docs/http.md, one by one."""

    _listed = 0
    #: Told of each name in a listing that is passed over.
    on_odd: Callable[[str], None] = staticmethod(lambda text: None)

    # --- state -------------------------------------------------------------------------------

    def info(self, retry: bool = True) -> dict[str, Any]:
        """What anyone may know: name, boot id, version of the contract.

        Raises:
            AnswerError: it is another kind of device, or speaks another contract.
        """
        answer = self.json("GET", "/api/v1/info", INFO, auth=False, retry=retry)
        answer.setdefault("boot_id", "")
        if answer.get("service") != "pico-ota":
            raise AnswerError(
                f"expected a pico-ota device at {self.target}, got another service. "
                f"{ADVICE['other_service']}"
            )
        if answer.get("api") != API:
            raise AnswerError(
                f"{self.target} speaks version {answer.get('api')} of the contract, this command "
                f"line version {API}. {ADVICE['other_version']}"
            )
        return answer

    def status(self, retry: bool = True) -> dict[str, Any]:
        """Version, state, memory, flash and the rest."""
        return self.json("GET", "/api/v1/status", STATUS, retry=retry)

    def settled(self) -> dict[str, Any]:
        """The status once no upload is under way, as after a break of ours.

        A device that hears nothing of a broken connection holds on to it for 10 s.
        """
        for _ in range(_SETTLE_LOOKS):
            status = self.status()
            if not status.get("upload"):
                break
            self.sleep(_SETTLE_S)
        return status

    def log(self, since: int = 0) -> tuple[int, list[str]]:
        """The lines numbered *since* and up, and the number to ask for next."""
        answer = self.json("GET", f"/api/v1/log?since={since}", LOG)
        return answer.get("next") or 0, answer.get("lines") or []

    def console(self, since: int = 0) -> dict[str, Any]:
        """What the program has printed from byte *since* of its start on, and its last traceback.

        The fields of docs/http.md: boot_id, next, missed, text, traceback.
        """
        answer = self.json("GET", f"/api/v1/console?since={since}", CONSOLE)
        empty = {"boot_id": "", "next": 0, "missed": 0, "text": "", "traceback": None}
        return {name: answer.get(name) or value for name, value in empty.items()}

    def confirm(self) -> dict[str, Any]:
        """Keep what is on trial."""
        return self.json("POST", "/api/v1/confirm", {"version": str})

    def rollback(self) -> dict[str, Any]:
        """Bring the previous set back; the device restarts."""
        return self.json("POST", "/api/v1/rollback", RESTART, retry=False)

    def reboot(self, mode: str = "normal") -> dict[str, Any]:
        """Restart; *mode* is ``normal`` or ``rescue``."""
        return self.json("POST", "/api/v1/reboot", RESTART, json={"mode": mode}, retry=False)

    def set_password(self, password: str) -> None:
        """Make *password* the one that the device asks for, and this client gives.

        It does not travel: what the device keeps of it does, masked with the old one.

        Raises:
            PicoOtaError: it is empty or too long.
        """
        if not 0 < len(password) <= _LONGEST_PASSWORD:
            raise PicoOtaError(
                f"a password has 1 to {_LONGEST_PASSWORD} characters, this one has "
                f"{len(password)}. Nothing was changed."
            )
        new = masked(self.secret(), secret_of(self.user, password))
        self.request("PUT", "/api/v1/password", json=new, retry=False)
        self.use_password(password)

    # --- files -------------------------------------------------------------------------------

    def listing(self, folder: str) -> tuple[list[Entry], Space]:
        """What lies in *folder*, sorted by name, and how full the flash is."""
        answer = self.json("GET", _url(folder, folder=True))
        rows = answer.get("files")
        self._listed += len(rows) if isinstance(rows, list) else 0
        top = "" if folder == "/" else folder
        try:
            entries = [
                Entry(f"{top}/{_name(row['name'])}", bool(row["directory"]), int(row["file_size"]))
                for row in answer["files"]
                if not self._odd(folder, row["name"])
            ]
            if any(not _is_path(entry.path) for entry in entries):
                raise ValueError(f"deeper than {MAX_DEPTH} folders, or longer than {MAX_PATH} B")
            if self._listed > _MOST_ENTRIES:
                raise ValueError("more names than a flash can hold")
            if any(not 0 <= entry.size < MAX_FILE for entry in entries):
                raise ValueError("a file larger than a flash")
            block = int(answer["block_size"])
            space = Space(int(answer["total"]) * block, int(answer["free"]) * block, block)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise AnswerError(
                f"{self.target} lists {folder} in an unknown form ({error}). "
                f"{ADVICE['other_version']}"
            ) from error
        return sorted(entries, key=lambda entry: entry.path), space

    def _odd(self, folder: str, name: object) -> bool:
        """Whether *name* is one that no path can hold: it is left out, and that is told."""
        odd = isinstance(name, str) and any(
            c < " " or "\x7f" <= c < "\xa0" or c == "\\" for c in name
        )
        if odd:
            self.on_odd(f"{folder}: left out {name!r}, a name that cannot be asked for.")
        return odd

    def walk(self, folder: str) -> Iterator[Entry]:
        """Every entry below *folder*, folders before what they hold."""
        todo = [folder]
        while todo:
            entries, _ = self.listing(todo.pop())
            yield from entries
            todo.extend(entry.path for entry in reversed(entries) if entry.directory)

    def digest(self, path: str) -> str | None:
        """The SHA-256 of the file at *path*; None when there is none."""
        response = self.request("HEAD", _url(path), accept=(404, 409))
        tag = response.headers.get("ETag", "").strip('"')
        return tag if response.status_code == 200 and tag else None

    def is_folder(self, path: str) -> bool:
        """Whether *path* is a folder of the device."""
        if path == "/":
            return True
        response = self.request("GET", _url(path, folder=True), accept=(404, 409))
        return response.status_code == 200

    @contextmanager
    def read(self, path: str, limit: int = MAX_FILE) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The digest and the content of the file at *path*, piece by piece.

        The pieces raise AnswerError when there are more than *limit* bytes.
        """
        with self.stream("GET", _url(path)) as response:
            tag = response.headers.get("ETag", "").strip('"')
            if not tag and "json" in response.headers.get("Content-Type", ""):  # a listing
                raise RefusedError(409, "is_directory", f"{path} is a folder.", {})
            if not tag:
                raise AnswerError(
                    f"{self.target} sends {path} without its checksum: that is not pico-ota. "
                    f"{ADVICE['other_service']}"
                )
            yield tag, self._bounded(path, response.iter_bytes(_CHUNK), limit)

    def _bounded(self, path: str, pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise AnswerError(
                    f"{self.target} sends more than {limit} bytes as {path}, which is more than "
                    "there can be. Nothing of it was kept."
                )
            yield piece

    def content(self, path: str) -> bytes:
        """The whole file at *path*."""
        with self.read(path) as (_, pieces):
            return b"".join(pieces)

    def write(
        self,
        path: str,
        data: bytes,
        sha256: str,
        *,
        protected: bool = False,
        progress: Progress | None = None,
        conditions: Mapping[str, str] | None = None,
    ) -> None:
        """Put one file, at once and atomically; the device checks *sha256* before it goes live.

        *conditions* are headers such as ``If-Match``.

        Raises:
            RefusedError: 412, where a condition does not hold; and for many other reasons.
        """
        headers = {"X-Content-SHA256": sha256} | _protected(protected) | dict(conditions or {})
        self.request(
            "PUT",
            _url(path),
            body=lambda: chunks(data, progress),
            length=len(data),
            sha256=sha256,
            headers=headers,
        )

    def make_folder(self, path: str) -> bool:
        """Make *path* and its parents; False when it was there."""
        return self.request("PUT", _url(path, folder=True)).status_code == 201

    def delete(self, path: str, *, recursive: bool = False, protected: bool = False) -> None:
        """Delete a file or an empty folder, or with *recursive* a folder with all in it."""
        headers = {"X-OTA-Recursive": "yes" if recursive else "no"}
        # A lost answer to a first try must not turn into "not found" by the second.
        self.request("DELETE", _url(path), headers=headers | _protected(protected), retry=False)

    def move(self, path: str, new: str, *, protected: bool = False) -> None:
        """Rename; the device refuses an existing *new*."""
        headers = {"X-Destination": _url(new)} | _protected(protected)
        self.request("MOVE", _url(path), headers=headers, retry=False)

    def present(self, paths: set[str]) -> set[str]:
        """Those of the file *paths* that exist, by listing the folders they would be in."""
        return set(self.sizes(paths))

    def sizes(self, paths: set[str]) -> dict[str, int]:
        """The sizes in bytes of those of the file *paths* that exist; see `present`."""
        found: dict[str, int] = {}
        missing: set[str] = set()
        for folder in sorted({path.rpartition("/")[0] or "/" for path in paths}):
            if any(folder.startswith(gone + "/") for gone in missing):
                continue
            try:
                entries, _ = self.listing(folder)
            except RefusedError as error:
                if error.status not in (404, 409):
                    raise
                missing.add(folder)
            else:
                found |= {e.path: e.size for e in entries if not e.directory and e.path in paths}
        return found


class Progress:
    """Hears how much of a file has gone out; the base class does not listen."""

    def at(self, sent: int) -> None:
        """*sent* bytes of the file are on their way."""


def chunks(data: bytes, progress: Progress | None = None, start: int = 0) -> Iterator[bytes]:
    """*data* in small pieces; *progress* hears of each when the next one is asked for."""
    view = memoryview(data)
    for at in range(0, len(data), _CHUNK):
        yield bytes(view[at : at + _CHUNK])
        if progress is not None:
            progress.at(start + min(at + _CHUNK, len(data)))


def _name(name: str) -> str:
    # Names become paths on this computer: one that leads elsewhere is a lie or an attack.
    if name in ("", ".", "..") or any(c in "/\\\0" for c in name):
        raise ValueError(f"{name!r} is no file name")
    return name


def _is_path(path: str) -> bool:
    """Whether a device can have *path*: else a listing that never ends would be walked on."""
    return path.count("/") <= MAX_DEPTH and len(path.encode(errors="replace")) <= MAX_PATH


def _url(path: str, folder: bool = False) -> str:
    path = quoted(path)
    return f"/fs{path}/" if folder and path != "/" else f"/fs{path}"


def _protected(wanted: bool) -> dict[str, str]:
    return {"X-OTA-Protected": "yes"} if wanted else {}
