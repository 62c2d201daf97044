"""The files here as they will be on the device, and what is there but not here.

Only `scan` and `LocalFile.read` touch the disk; nothing here knows the network. Paths of the
device are absolute strings: "/lib/x.py".
"""

from __future__ import annotations

import hashlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import never
from .errors import PicoOtaError, UsageError
from .ignore import Ignore
from .mpy import compiled_name
from .paths import MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_PATH
from .walking import Tell, walk

Compiler = Callable[[bytes, str], bytes]
#: Path, time of the last change in ns, size: see `stamps`.
Stamps = list[tuple[str, int, int]]


@dataclass(frozen=True)
class LocalFile:
    """One file as it will be on the device."""

    path: str
    size: int
    sha256: str
    check: int  # sum of all bytes, as the archive has it
    source: Path
    made: bytes | None = None  # the content where it is not that of `source`

    def read(self) -> bytes:
        """The bytes to send.

        Raises:
            PicoOtaError: the file has changed since it was scanned.
        """
        data = self.source.read_bytes() if self.made is None else self.made
        if len(data) != self.size or hashlib.sha256(data).hexdigest() != self.sha256:
            raise PicoOtaError(
                f"{self.source} changed while it was being sent. Run the push again."
            )
        return data


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
    root: Path | None = None,
    tell: Tell = lambda text: None,
    keep: Sequence[str] = (),
) -> list[LocalFile]:
    """The files below *sources* as they will be on the device, in the order of their paths.

    A folder stands for its content: ``app/main.py`` becomes ``/main.py``. A file keeps its name.

    Args:
        sources: folders and files.
        to: the folder on the device that they go into.
        ignore: what stays at home. Files named one by one are taken all the same.
        compiler: makes the ``.mpy`` of a source, given its bytes and device path.
        root: the project, inside of which links are followed; None is the folder itself.
        tell: told of what does not travel as it is here.
        keep: patterns, as `patterns` returns them, of what people change on the device: that is
            not compiled.

    Raises:
        UsageError: nothing there, more than an update can bring, a name the device cannot store,
            two files for one place, or a link that leads out of the project.
        PicoOtaError: a file cannot be read or compiled.
    """
    found: dict[str, LocalFile] = {}
    size = 0
    top = "" if to == "/" else to
    for path, relative in _sources(sources, ignore or Ignore(), root, tell):
        # Looked at before it is read: a wrong folder may be a whole disk.
        size += _size(path)
        if len(found) == MAX_ENTRIES or size > MAX_BYTES:
            places = ", ".join(f"'{source}'" for source in sources)
            raise UsageError(
                f"an update brings at most {MAX_ENTRIES} files and {MAX_BYTES >> 20} MiB, and "
                f"there is more in {places}. Is it the right folder? --ignore leaves parts out."
            )
        where = device_path(f"{top}/{relative}")
        compiles = None if never.matches(where, keep) else compiler
        file = _read_source(path, where, compiles, tell)
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


def stamps(sources: Sequence[Path], ignore: Ignore, root: Path | None = None) -> Stamps:
    """What `scan` would read, each with the time of its last change.

    Raises:
        UsageError: a source is not there.
    """
    found = []
    for path, _ in _sources(sources, ignore, root, lambda text: None):
        try:
            about = path.stat()
        except OSError:
            continue  # gone in this moment, as editors do it when they save
        found.append((str(path), about.st_mtime_ns, about.st_size))
    return found


def _sources(
    sources: Sequence[Path], ignore: Ignore, root: Path | None, tell: Tell
) -> Iterator[tuple[Path, str]]:
    def empty(folder: Path) -> None:
        tell(f"{folder} is not sent: empty folders do not travel.")

    for source in sources:
        if source.is_dir():
            yield from walk(source, ignore, root, empty)
        elif source.is_file():
            yield source, source.name
        else:
            raise UsageError(f"'{source}' is no file and no folder here. Check the spelling.")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> PicoOtaError:
    return PicoOtaError(f"cannot read {path}: {error.strerror}.")


def _read_source(path: Path, where: str, compiler: Compiler | None, tell: Tell) -> LocalFile:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    marked = where.endswith(".py") and data.startswith(BOM_UTF8)
    if marked:
        # MicroPython would call it a syntax error in line 1, where nothing is to be seen.
        data = data[len(BOM_UTF8) :]
        tell(f"{path} begins with a byte order mark: sent without it.")
    if compiler is None or compiled_name(where) == where:
        return local_file(where, data, path, made=marked)
    return local_file(compiled_name(where), compiler(data, where), path, made=True)


def local_file(where: str, data: bytes, source: Path, made: bool = False) -> LocalFile:
    """*data* as a file that will be at *where*; *made* says that it is not what *source* holds."""
    digest = hashlib.sha256(data).hexdigest()
    check = sum(data) & 0xFFFFFFFF
    return LocalFile(where, len(data), digest, check, source, data if made else None)


def patterns(texts: Iterable[str], to: str = "/") -> list[str]:
    """*texts* of a project file as patterns of device paths, for `never.matches`.

    One without a slash in front means the folder *to*, which the files go into.

    Raises:
        UsageError: the device has no such path.
    """
    top = "" if to == "/" else to
    return [
        device_path(text if text.startswith("/") else f"{top}/{text}")
        + ("/" if text.endswith("/") else "")
        for text in texts
    ]


def deletions(
    files: Iterable[LocalFile],
    remote: Iterable[str],
    to: str = "/",
    protected: Iterable[str] = (),
    keep: Iterable[str] = (),
) -> list[str]:
    """What ``--delete`` takes away: *remote* paths inside *to* that are not among *files*.

    The updater, settings and what *protected* and *keep* name stay. So does the other form of a
    pushed module (``x.py`` beside a new ``x.mpy``): the device retires it by itself.
    """
    here = {file.path for file in files}
    for path in list(here):
        stem, dot, suffix = path.rpartition(".")
        if dot and suffix in ("py", "mpy"):
            here.add(f"{stem}.{'mpy' if suffix == 'py' else 'py'}")
    top = "/" if to == "/" else to + "/"
    stay = [*patterns(protected), *patterns(keep, to)]
    return sorted(
        path
        for path in set(remote)
        if path.startswith(top)
        and path not in here
        and not never.stays(path)
        and not never.matches(path, stay)
    )


def content_version(files: Iterable[LocalFile], delete: Iterable[str] = ()) -> str:
    """A version word made of the content alone: the same files give the same word anywhere."""
    sha = hashlib.sha256()
    for file in files:
        sha.update(f"{file.path}\0{file.size}\0{file.sha256}\n".encode())
    for path in sorted(delete):
        sha.update(f"-{path}\n".encode())
    return sha.hexdigest()[:12]
