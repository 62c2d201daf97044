"""Making updates: the description of any, and a release: a folder in, one archive out.

The same files give the same bytes every time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UsageError
from ..ignore import Ignore
from ..mpy import compile_source
from ..never import matches
from ..sync import LocalFile, local_file, patterns, scan
from ..walking import Tell
from . import archive, native
from .description import (
    MAX_BOARDS,
    MAX_LINE,
    MAX_SIZE,
    MICROPYTHON,
    Description,
    ListedFile,
    Parser,
    archive_name,
    is_word,
)
from .errors import ReleaseError
from .keys import KEYRING_PATH, PublicKey, SigningKey, keyring, load_public_keys, load_signing_key
from .paths import check_counts
from .reading import DESCRIPTION, SIGNATURE, Release, read
from .signing import sign
from .version import Version

#: What a release is for when nothing is said.
BOARDS = ("RPI_PICO_W", "RPI_PICO2_W")
REVISION = "1.0"


@dataclass(frozen=True)
class Options:
    """What can be chosen about a release beside its files.

    Attributes:
        boards: names of MicroPython's builds, with or without ``:revision``.
        mpy: compile modules to ``.mpy``.
        delete: paths that the release removes from a device.
        floor: lowest version that devices still accept after this release; None means this very
            version. A floor only ever rises: "0.0.0" leaves that of the device alone.
        micropython: lowest MicroPython that runs it.
        trial: whether it has to prove itself before it is kept.
        ignore: patterns of files that stay out, beside the usual ones.
        keep: patterns of device paths that are installed where they are missing, and never
            overwritten: settings.
        trust: public keys that devices accept from this release on, and no others.
        root: the project, inside of which links are followed; None is the folder itself.
        tell: told of what does not travel as it is in the folder.
    """

    boards: Sequence[str] = BOARDS
    mpy: bool = False
    delete: Sequence[str] = ()
    floor: str | None = None
    micropython: str = MICROPYTHON
    trial: bool = True
    ignore: Iterable[str] = ()
    keep: Sequence[str] = ()
    trust: Sequence[Path | PublicKey] = ()
    root: Path | None = None
    tell: Tell = lambda text: None


def build(
    directory: Path,
    output: Path,
    version: str,
    options: Options | None = None,
    *,
    sign_key: Path | SigningKey | None = None,
    certificate: Path | None = None,
) -> Release:
    """Make the release *version* of the files below *directory* and write it to *output*.

    Args:
        directory: becomes the root of the device: ``lib/x.py`` becomes ``/lib/x.py``.
        output: the archive, replaced when it is there.
        version: as semver.org writes versions.
        options: see `Options`.
        sign_key: private key in PEM; without one the release is not signed.
        certificate: of the key; by default ``cert.pem`` beside it.

    Raises:
        ReleaseError: nothing was written; the reason is its word and message.
        UsageError: a file cannot be on a device, or is to be kept and deleted.
        PicoOtaError: a file cannot be read or compiled.
    """
    if isinstance(sign_key, Path):
        sign_key = load_signing_key(sign_key, certificate)
    data = make(directory, version, options or Options(), sign_key)
    release = read(data, [sign_key.public] if sign_key else [])
    _write(output, data)
    return release


def make(directory: Path, version: str, options: Options, sign_key: SigningKey | None) -> bytes:
    """Return the archive that `build` writes."""
    Version.parse(version)
    boards = _boards(options.boards)
    names = [board for board, _ in boards]
    compiler = _compiler(names) if options.mpy else None
    ignore = Ignore(options.ignore)
    kept = patterns(options.keep)
    for path in options.delete:
        if matches(path, kept):
            raise UsageError(
                f"{path} is to be deleted, but 'keep' says that it stays. Drop one of them."
            )
    scanned = scan([directory], "/", ignore, compiler, options.root, options.tell, kept)
    files = {file.path: file for file in scanned}
    if options.trust:
        ring = keyring(_keys(options.trust))
        files[KEYRING_PATH] = local_file(KEYRING_PATH, ring, directory, made=True)
    if not files:
        raise ReleaseError(
            "nothing", "There is no file to release. Name the folder that holds main.py."
        )
    description = describe(files.values(), version, options.delete, options.trial, kept)
    contents = {file.path: files[file.path].read() for file in description.files}
    mpy, arch = native.found_in(contents, names)
    description = replace(
        description,
        boards=boards,
        floor=_floor(options.floor, version),
        micropython=options.micropython,
        mpy=mpy,
        arch=arch,
    )
    text = description.render()
    entries = [(DESCRIPTION, text)]
    if sign_key is not None:
        entries.append((SIGNATURE, sign(text, sign_key)))
    entries += [(file.filename, contents[file.path]) for file in description.files]
    return archive.pack(entries)


def describe(
    files: Iterable[LocalFile],
    version: str,
    deletes: Iterable[str] = (),
    trial: bool = True,
    keep: Sequence[str] = (),
) -> Description:
    """Return the description of an update for any board: what a push sends.

    *keep* are patterns, as `sync.patterns` returns them, of files that come once.

    Raises:
        ReleaseError: no device would take it; the reason is its word and message.
    """
    if not is_word(version):
        raise ReleaseError(
            "bad_version",
            f"A version has 1 to 40 printable ASCII characters without blanks, quotes and "
            f"backslashes, got {version[:60]!r}.",
        )
    ordered = sorted(files, key=lambda file: file.path.encode())
    gone = sorted(set(deletes), key=str.encode)
    check_counts(len(ordered), len(gone))
    for path in (*(file.path for file in ordered), *gone):
        if '"' in path:
            raise ReleaseError(
                "bad_path", f"An update cannot carry a double quote in a name: {path}. Rename it."
            )
    listed = tuple(
        ListedFile(
            archive_name(number, file.path),
            file.path,
            file.sha256,
            file.size,
            file.check,
            matches(file.path, keep),
        )
        for number, file in enumerate(ordered, 1)
    )
    description = Description(version, listed, tuple(gone), trial=trial)
    text = description.render()
    if len(text) > MAX_SIZE:
        raise ReleaseError(
            "too_large", f"sw-description has {len(text)} bytes, devices take {MAX_SIZE}."
        )
    Parser(text).finish()
    return description


def attach(data: bytes, signature: bytes) -> bytes:
    """Return the archive *data* with *signature* in it, which was made elsewhere.

    *signature* is a detached CMS in DER without signed attributes, or a bare RSA value, over the
    entry ``sw-description``; one that is there already is replaced.

    Raises:
        ReleaseError: *data* is no intact archive.
    """
    release = read(data)
    listed = release.description
    files = zip((file.filename for file in listed.files), release.contents, strict=True)
    return archive.pack([(DESCRIPTION, listed.render()), (SIGNATURE, signature), *files])


def _boards(chosen: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    boards: dict[str, set[str]] = {}
    for item in chosen:
        name, _, revision = item.partition(":")
        boards.setdefault(name, set()).add(revision or REVISION)
    if not 1 <= len(boards) <= MAX_BOARDS:
        raise ReleaseError("bad_board", f"A release is for 1 to {MAX_BOARDS} boards.")
    result = tuple((name, tuple(sorted(boards[name]))) for name in sorted(boards))
    for name, revisions in result:
        line = f"{name}{revisions}"
        if not name.isidentifier() or not name.isupper() or len(line) > MAX_LINE // 2:
            raise ReleaseError(
                "bad_board",
                f"{name!r} is no board. Boards are named as MicroPython's builds are, such as"
                f" {BOARDS[0]}.",
            )
    return result


def _floor(text: str | None, version: str) -> str:
    floor = version if text is None else text
    if Version.parse(version) < Version.parse(floor):
        raise ReleaseError(
            "bad_version",
            f"The floor {floor} is above the version {version}: no device would take the release"
            " a second time.",
        )
    return floor


def _keys(sources: Sequence[Path | PublicKey]) -> list[PublicKey]:
    keys: list[PublicKey] = []
    for source in sources:
        keys += [source] if isinstance(source, PublicKey) else load_public_keys(source)
    return keys


def _compiler(boards: Sequence[str]) -> Callable[[bytes, str], bytes]:
    march = native.march(boards)
    return lambda source, path: compile_source(source, path, march)


def _write(output: Path, data: bytes) -> None:
    # Aside first: a full disk must not leave half an archive under a good name.
    aside = output.with_name(output.name + ".part")
    try:
        aside.write_bytes(data)
        os.replace(aside, output)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise ReleaseError("unwritable", f"Cannot write {output}: {error.strerror}.") from None
