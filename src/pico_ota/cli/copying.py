"""What ``cp`` does: which file goes where, and moving the bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path

from ..errors import PicoOtaError, RefusedError, StoppedError, UsageError
from ..ignore import Ignore
from ..remote import MAX_FILE, Remote
from ..sync import device_path
from ..walking import walk
from .output import Out, amount, count
from .paths import as_typed, is_remote, remote_path
from .progress import Bars

# A file may grow between the listing and the reading of it, as logs do; not by more than this.
_GROWN = 64 * 1024


class Copier:
    """Copies in one direction after the other and counts.

    Attributes:
        copied: the targets that were written.
        unchanged: the targets that were the same already.
    """

    def __init__(
        self,
        out: Out,
        remote: Remote,
        recursive: bool,
        force: bool,
        protected: bool,
        root: Path | None = None,
    ) -> None:
        self._out = out
        self._remote = remote
        self._recursive = recursive
        self._force = force
        self._protected = protected
        self._root = root  # of the project: links may lead anywhere in it
        self._bytes = 0
        self._started = time.monotonic()
        self.copied: list[str] = []
        self.unchanged: list[str] = []

    def copy(self, sources: list[str], target: str) -> None:
        """Copy *sources* to *target*, as typed.

        Raises:
            StoppedError: Ctrl-C.
        """
        try:
            self._copy(sources, target)
        except KeyboardInterrupt:
            done = count(len(self.copied), "file")
            raise StoppedError(
                f"interrupted, {done} copied: all else is as it was before."
            ) from None

    def _copy(self, sources: list[str], target: str) -> None:
        if not is_remote(target):
            for source in sources:
                self._from_device(source, target, many=len(sources) > 1)
            return
        top = remote_path(target)
        # Only asked for once: a folder does not stop being one while we copy into it.
        folder = target.endswith("/") or len(sources) > 1 or self._remote.is_folder(top)
        for source in sources:
            if is_remote(source):
                self._on_device(source, top, folder)
            else:
                self._to_device(source, top, folder)

    def summary(self) -> str:
        """The last line."""
        if not self.copied:
            return f"Up to date: {count(len(self.unchanged), 'file')}."
        seconds = max(time.monotonic() - self._started, 0.001)
        text = (
            f"Copied {count(len(self.copied), 'file')}, {amount(self._bytes)} bytes "
            f"in {seconds:.1f} s."
        )
        if self.unchanged:
            text += f" Up to date: {count(len(self.unchanged), 'file')}."
        return text

    # --- to the device -----------------------------------------------------------------------

    def _to_device(self, source: str, top: str, folder: bool) -> None:
        path = Path(source)
        if not source:
            raise UsageError("a source is empty: nothing was copied. The current folder is '.'.")
        if path.is_file():
            self._send([(path, _join(top, path.name) if folder else top)])
        elif not path.is_dir():
            raise UsageError(f"'{source}' is no file and no folder here. Check the spelling.")
        elif not self._recursive:
            raise UsageError(f"'{source}' is a folder: add -r to copy it with all in it.")
        else:
            content = source.endswith(("/", os.sep)) or path.name in ("", "..")
            base = _join(top, path.name) if folder and not content else top
            empty: list[Path] = []
            files = list(walk(path, Ignore(defaults=()), self._root, empty.append))
            self._send([(p, _join(base, relative)) for p, relative in files])
            for bare in empty:
                relative = bare.relative_to(path).as_posix()
                self._remote.make_folder(device_path(_join(base, relative)))

    def _send(self, jobs: list[tuple[Path, str]]) -> None:
        checked = [(path, device_path(where)) for path, where in jobs]
        total = sum(path.stat().st_size for path, _ in checked)
        with Bars(self._out, total, "copied") as bars:
            for path, where in checked:
                try:
                    data = path.read_bytes()
                except OSError as error:
                    raise PicoOtaError(f"cannot read {path}: {error.strerror}.") from error
                sha256 = hashlib.sha256(data).hexdigest()
                if not self._force and self._remote.digest(where) == sha256:
                    self._same(as_typed(where))
                    continue
                progress = bars.file(where, len(data))
                self._remote.write(
                    where, data, sha256, protected=self._protected, progress=progress
                )
                self._done(as_typed(where), len(data))
                bars.finished(as_typed(where), len(data))

    # --- from the device ---------------------------------------------------------------------

    def _from_device(self, source: str, target: str, many: bool) -> None:
        path = remote_path(source)
        into = Path(target)
        name = path.rpartition("/")[2]
        if many and not into.is_dir():
            raise UsageError(f"'{target}' is no folder here: several files need one. Make it.")
        if path == "/" or source.endswith("/") or self._is_folder(path):
            if not self._recursive:
                raise UsageError(f"'{source}' is a folder: add -r to copy it with all in it.")
            content = path == "/" or source.endswith("/")
            base = into / name if into.is_dir() and not content else into
            for entry in list(self._remote.walk(path)):
                local = base / entry.path[len(path) :].lstrip("/")
                if entry.directory:
                    local.mkdir(parents=True, exist_ok=True)
                else:
                    self._fetch(entry.path, local, entry.size + _GROWN)
        else:
            in_folder = into.is_dir() or target.endswith(("/", os.sep))
            self._fetch(path, into / name if in_folder else into)

    def _is_folder(self, path: str) -> bool:
        return self._recursive and self._remote.is_folder(path)

    def _fetch(self, path: str, local: Path, limit: int = MAX_FILE) -> None:
        if not self._force and local.is_file():
            ours = hashlib.sha256(local.read_bytes()).hexdigest()
            if self._remote.digest(path) == ours:
                self._same(str(local))
                return
        size = 0
        sha = hashlib.sha256()
        try:
            local.parent.mkdir(parents=True, exist_ok=True)
            with self._remote.read(path, limit) as (digest, pieces), _Aside(local) as aside:
                for piece in pieces:
                    aside.write(piece)
                    sha.update(piece)
                    size += len(piece)
                if sha.hexdigest() != digest:
                    raise PicoOtaError(
                        f"{as_typed(path)} arrived damaged: expected SHA-256 {digest}, got "
                        f"{sha.hexdigest()}. Nothing was written here; try again."
                    )
                aside.keep()
        except RefusedError as error:
            raise _folder_or(error, path) from error
        except OSError as error:
            raise PicoOtaError(f"cannot write {local}: {error.strerror}.") from error
        self._done(str(local), size)
        self._out.say(f"copied {local} ({amount(size)} bytes)")

    # --- on the device -----------------------------------------------------------------------

    def _on_device(self, source: str, top: str, folder: bool) -> None:
        path = remote_path(source)
        name = path.rpartition("/")[2]
        if not self._is_folder(path):
            self._duplicate(path, _join(top, name) if folder else top)
            return
        content = path == "/" or source.endswith("/")
        base = _join(top, name) if folder and not content else top
        if path == "/" or f"{base}/".startswith(f"{path}/"):
            raise UsageError(
                f"'{as_typed(base)}' lies in '{as_typed(path)}' itself: nothing was copied."
            )
        entries = list(self._remote.walk(path))
        self._remote.make_folder(base)
        for entry in entries:
            where = device_path(base + entry.path[len(path) :])
            if entry.directory:
                self._remote.make_folder(where)
            else:
                self._duplicate(entry.path, where)

    def _duplicate(self, path: str, where: str) -> None:
        try:
            data = self._remote.content(path)
        except RefusedError as error:
            raise _folder_or(error, path) from error
        sha256 = hashlib.sha256(data).hexdigest()
        self._remote.write(where, data, sha256, protected=self._protected)
        self._done(as_typed(where), len(data))
        self._out.say(f"copied {as_typed(where)} ({amount(len(data))} bytes)")

    def _same(self, where: str) -> None:
        self.unchanged.append(where)
        self._out.detail(f"up to date: {where}")

    def _done(self, where: str, size: int) -> None:
        self.copied.append(where)
        self._bytes += size


class _Aside:
    """A file written beside its place; it takes it only when it is whole."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._kept = False

    def __enter__(self) -> _Aside:
        self._file = tempfile.NamedTemporaryFile(
            dir=self._place.parent, prefix=f".{self._place.name}.", delete=False
        )
        return self

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def keep(self) -> None:
        self._kept = True

    def __exit__(self, *error: object) -> None:
        self._file.close()
        if self._kept:
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(self._file.name, 0o666 & ~umask)  # as a file that was created plainly
            os.replace(self._file.name, self._place)
        else:
            os.unlink(self._file.name)


def _folder_or(error: RefusedError, path: str) -> PicoOtaError:
    if error.word != "is_directory":
        return error
    return UsageError(f"'{as_typed(path)}' is a folder: add -r to copy it with all in it.")


def _join(folder: str, name: str) -> str:
    return f"{'' if folder == '/' else folder}/{name}"
