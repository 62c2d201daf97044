"""What a push would change: the local files, the manifest made of them, and the plan.

Only `scan` and `LocalFile.read` touch the disk; nothing here knows the network. Paths of the
device are absolute strings: "/lib/x.py".
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .errors import PicoOtaError, UsageError
from .ignore import Ignore
from .mpy import compiled_name

MAX_PATH = 255  # bytes, as on the device (ota/paths.py)
MAX_DEPTH = 16

# What `--delete` never takes, wherever it points: the updater, its records, and the settings file
# that `install` writes.
_UPDATER_MODULES = ("/ota_boot.", "/service_ota.", "/manager_wifi.")
_UPDATER_FILES = ("/boot.py", "/settings.py", "/lib/microdot.py", "/lib/microdot.mpy")

Compiler = Callable[[bytes, str], bytes]


@dataclass(frozen=True)
class LocalFile:
    """One file as it will be on the device."""

    path: str
    size: int
    sha256: str
    source: Path
    compiled: bytes | None = None

    def read(self) -> bytes:
        """The bytes to send.

        Raises:
            PicoOtaError: the file has changed since it was scanned.
        """
        data = self.source.read_bytes() if self.compiled is None else self.compiled
        if len(data) != self.size or hashlib.sha256(data).hexdigest() != self.sha256:
            raise PicoOtaError(
                f"{self.source} changed while it was being sent. Run the push again."
            )
        return data


@dataclass(frozen=True)
class Plan:
    """What a push does to the device."""

    new: tuple[LocalFile, ...]
    changed: tuple[LocalFile, ...]
    unchanged: tuple[LocalFile, ...]
    delete: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether the device has all of it already."""
        return not (self.new or self.changed or self.delete)

    @property
    def bytes_to_send(self) -> int:
        """The content that has to travel."""
        return sum(file.size for file in (*self.new, *self.changed))

    def summary(self) -> str:
        """One line: "3 changed, 1 new, 12 unchanged, 2 to delete"."""
        return (
            f"{len(self.changed)} changed, {len(self.new)} new, "
            f"{len(self.unchanged)} unchanged, {len(self.delete)} to delete"
        )

    def as_json(self) -> dict[str, Any]:
        """The plan for programs."""
        return {
            "changed": [file.path for file in self.changed],
            "new": [file.path for file in self.new],
            "unchanged": [file.path for file in self.unchanged],
            "delete": list(self.delete),
            "bytes": self.bytes_to_send,
        }


def device_path(text: str) -> str:
    """The absolute device path that a person wrote as ``lib/x``, ``/lib/x`` or ``lib/x/``.

    Raises:
        UsageError: the device would refuse it.
    """
    names = [name for name in text.split("/") if name]
    path = "/" + "/".join(names)
    if len(path.encode(errors="surrogateescape")) > MAX_PATH:
        raise UsageError(f"'{path[:60]}…' is longer than the {MAX_PATH} bytes a path may have.")
    if len(names) > MAX_DEPTH:
        raise UsageError(f"'{path}' has more than {MAX_DEPTH} folders: the device refuses that.")
    for name in names:
        if name in (".", "..") or any(c < " " or c in "\\\x7f" for c in name):
            raise UsageError(
                f"'{path}': '.', '..', backslashes and control characters are no names "
                "on the device. Rename it."
            )
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{path!r} is not UTF-8. Rename it.") from None
    return path


def scan(
    sources: Sequence[Path],
    to: str = "/",
    ignore: Ignore | None = None,
    compiler: Compiler | None = None,
) -> list[LocalFile]:
    """The files below *sources* as they will be on the device, in the order of their paths.

    A folder stands for its content: ``app/main.py`` becomes ``/main.py``. A file keeps its name.

    Args:
        sources: folders and files.
        to: the folder on the device that they go into.
        ignore: what stays at home. Files named one by one are taken all the same.
        compiler: makes the ``.mpy`` of a source, given its bytes and device path.

    Raises:
        UsageError: nothing there, a name the device cannot store, or two files for one place.
        PicoOtaError: a file cannot be read or compiled.
    """
    found: dict[str, LocalFile] = {}
    top = "" if to == "/" else to
    for path, relative in _sources(sources, ignore or Ignore()):
        where = device_path(f"{top}/{relative}")
        file = _local_file(path, where, compiler)
        if file.path in found:
            raise UsageError(
                f"{found[file.path].source} and {path} would both become {file.path}. "
                "Leave one of them out."
            )
        found[file.path] = file
    for name in found:
        if name.endswith(".py") and name.removesuffix(".py") + ".mpy" in found:
            raise UsageError(
                f"{name} and its .mpy would both be sent; MicroPython imports only the .py. "
                "Leave one of them out, for instance with --ignore."
            )
    return [found[name] for name in sorted(found)]


def _sources(sources: Sequence[Path], ignore: Ignore) -> Iterator[tuple[Path, str]]:
    for source in sources:
        if source.is_dir():
            yield from _walk(source, ignore)
        elif source.is_file():
            yield source, source.name
        else:
            raise UsageError(f"'{source}' is no file and no folder here. Check the spelling.")


def _walk(top: Path, ignore: Ignore) -> Iterator[tuple[Path, str]]:
    for folder, folders, files in os.walk(top):
        base = Path(folder).relative_to(top).as_posix()
        prefix = "" if base == "." else base + "/"
        # os.walk does not follow links to folders, so a loop of links cannot trap it.
        folders[:] = sorted(n for n in folders if not ignore.ignored(prefix + n, directory=True))
        for name in sorted(files):
            if not ignore.ignored(prefix + name):
                yield Path(folder, name), prefix + name


def _local_file(path: Path, where: str, compiler: Compiler | None) -> LocalFile:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PicoOtaError(f"cannot read {path}: {error.strerror}.") from error
    compiled = None
    if compiler is not None and compiled_name(where) != where:
        data = compiled = compiler(data, where)
        where = compiled_name(where)
    return LocalFile(where, len(data), hashlib.sha256(data).hexdigest(), path, compiled)


def manifest(
    files: Iterable[LocalFile], delete: Sequence[str], version: str, trial: bool = True
) -> dict[str, Any]:
    """The body of ``POST /api/v1/update``."""
    return {
        "version": version,
        "trial": trial,
        "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in files],
        "delete": list(delete),
    }


def plan(
    files: Iterable[LocalFile],
    need: Iterable[str],
    present: Iterable[str],
    delete: Iterable[str] = (),
) -> Plan:
    """Sort *files* by what happens to them.

    Args:
        files: what will be on the device.
        need: paths whose content on the device differs or is missing.
        present: paths that exist on the device (of the needed ones at least).
        delete: paths that go.
    """
    wanted, there = set(need), set(present)
    new, changed, unchanged = [], [], []
    for file in files:
        if file.path not in wanted:
            unchanged.append(file)
        elif file.path in there:
            changed.append(file)
        else:
            new.append(file)
    return Plan(tuple(new), tuple(changed), tuple(unchanged), tuple(delete))


def differing(files: Iterable[LocalFile], digests: Mapping[str, str | None]) -> list[str]:
    """Paths of *files* whose digest on the device is another one, or that it has not."""
    return [file.path for file in files if digests.get(file.path) != file.sha256]


def deletions(
    files: Iterable[LocalFile],
    remote: Iterable[str],
    to: str = "/",
    protected: Iterable[str] = (),
) -> list[str]:
    """What ``--delete`` takes away: *remote* paths inside *to* that are not among *files*.

    The updater, its records and what *protected* names stay. So does the other form of a pushed
    module (``x.py`` beside a new ``x.mpy``): the device retires it by itself.
    """
    keep = {file.path for file in files}
    for path in list(keep):
        stem, dot, suffix = path.rpartition(".")
        if dot and suffix in ("py", "mpy"):
            keep.add(f"{stem}.{'mpy' if suffix == 'py' else 'py'}")
    top = "/" if to == "/" else to + "/"
    patterns = [device_path(p) + ("/" if p.endswith("/") else "") for p in protected]
    return sorted(
        path
        for path in set(remote)
        if path.startswith(top)
        and path not in keep
        and not belongs_to_updater(path)
        and not _is_protected(path, patterns)
    )


def belongs_to_updater(path: str) -> bool:
    """Whether a push must never delete *path*, protected or not."""
    return (
        path in _UPDATER_FILES
        or path.startswith(_UPDATER_MODULES)
        or any(path == folder or path.startswith(folder + "/") for folder in ("/.ota", "/ota"))
    )


def _is_protected(path: str, patterns: Iterable[str]) -> bool:
    # "/data/" and "/data" both protect the folder with all in it; "*.json" every such file.
    parents = [path]
    while "/" in parents[-1][1:]:
        parents.append(parents[-1].rpartition("/")[0])
    return any(
        fnmatchcase(parent, pattern.rstrip("/")) for parent in parents for pattern in patterns
    )


def content_version(files: Iterable[LocalFile], delete: Iterable[str] = ()) -> str:
    """A version word made of the content alone: the same files give the same word anywhere."""
    sha = hashlib.sha256()
    for file in files:
        sha.update(f"{file.path}\0{file.size}\0{file.sha256}\n".encode())
    for path in sorted(delete):
        sha.update(f"-{path}\n".encode())
    return sha.hexdigest()[:12]
