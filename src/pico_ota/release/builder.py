"""Making a release: a folder in, one archive out, the same bytes every time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..ignore import Ignore
from ..mpy import compile_source
from ..sync import LocalFile, scan
from . import archive
from .description import (
    ARCHITECTURES,
    MAX_BOARDS,
    MAX_DELETES,
    MAX_FILES,
    MAX_LINE,
    MAX_SIZE,
    Description,
    ListedFile,
    archive_name,
)
from .errors import ReleaseError
from .keys import KEYRING_PATH, PublicKey, SigningKey, keyring, load_public_keys, load_signing_key
from .paths import check_path, check_set
from .reading import DESCRIPTION, SIGNATURE, Release, read
from .signing import sign
from .version import Version

#: What a release is for when nothing is said.
BOARDS = ("RPI_PICO_W", "RPI_PICO2_W")
REVISION = "1.0"
MICROPYTHON = "1.25.0"

# What the cores of a board run. Code for the Cortex-M0+ of the first runs on the ARM cores of the
# second as well (py/persistentcode.c, MPY_FEATURE_ARCH_TEST), so that is what both can share.
_NATIVE = {"RPI_PICO_W": "armv6m", "RPI_PICO2_W": "armv7emsp"}
_SHARED = "armv6m"
# sys.implementation._mpy of native code, as bits 10 to 13 count it: py/persistentcode.h.
_ARCH_INDEX = {4: "armv6m", 5: "armv7m", 6: "armv7em", 7: "armv7emsp", 11: "rv32imc"}


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
        trust: public keys that devices accept from this release on, and no others.
    """

    boards: Sequence[str] = BOARDS
    mpy: bool = False
    delete: Sequence[str] = ()
    floor: str | None = None
    micropython: str = MICROPYTHON
    trial: bool = True
    ignore: Iterable[str] = ()
    trust: Sequence[Path | PublicKey] = ()


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
        UsageError: a file cannot be on a device.
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
    boards = _boards(options.boards)
    compiler = _compiler([board for board, _ in boards]) if options.mpy else None
    contents = _contents(scan([directory], ignore=Ignore(options.ignore), compiler=compiler))
    if options.trust:
        contents[KEYRING_PATH] = keyring(_keys(options.trust))
    description = _describe(contents, Version.parse(version), boards, options)
    text = description.render().encode()
    if len(text) > MAX_SIZE:
        raise ReleaseError(
            "too_large", f"sw-description has {len(text)} bytes, devices take {MAX_SIZE}."
        )
    entries = [(DESCRIPTION, text)]
    if sign_key is not None:
        entries.append((SIGNATURE, sign(text, sign_key)))
    entries += [(file.filename, contents[file.path]) for file in description.files]
    return archive.pack(entries)


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
    text = listed.render().encode()
    return archive.pack([(DESCRIPTION, text), (SIGNATURE, signature), *files])


def _contents(files: Iterable[LocalFile]) -> dict[str, bytes]:
    return {file.path: file.read() for file in files}


def _describe(
    contents: dict[str, bytes],
    version: Version,
    boards: tuple[tuple[str, tuple[str, ...]], ...],
    options: Options,
) -> Description:
    _check_counts(contents, options.delete)
    ordered = sorted(contents, key=str.encode)
    listed = tuple(_listed(number, path, contents[path]) for number, path in enumerate(ordered, 1))
    check_set(ordered, options.delete)
    mpy, arch = _native({path: contents[path] for path in ordered}, [name for name, _ in boards])
    return Description(
        version=version,
        boards=boards,
        files=listed,
        floor=_floor(options.floor, version),
        deletes=_deletes(options.delete, contents),
        micropython=options.micropython,
        mpy=mpy,
        arch=arch,
        trial=options.trial,
    )


def _check_counts(contents: dict[str, bytes], deletes: Sequence[str]) -> None:
    if not contents:
        raise ReleaseError(
            "nothing", "There is no file to release. Name the folder that holds main.py."
        )
    if len(contents) > MAX_FILES:
        raise ReleaseError(
            "too_large", f"A release has at most {MAX_FILES} files, here are {len(contents)}."
        )
    if len(deletes) > MAX_DELETES:
        raise ReleaseError(
            "too_large", f"A release deletes at most {MAX_DELETES} files, not {len(deletes)}."
        )


def _listed(number: int, path: str, data: bytes) -> ListedFile:
    _releasable(path)
    digest = hashlib.sha256(data).hexdigest()
    return ListedFile(archive_name(number, path), path, digest, len(data), archive.checksum(data))


def _releasable(path: str) -> str:
    check_path(path)
    if '"' in path:
        raise ReleaseError(
            "bad_path", f"A release cannot carry a double quote in a name: {path}. Rename it."
        )
    return path


def _deletes(paths: Sequence[str], contents: dict[str, bytes]) -> tuple[str, ...]:
    for path in paths:
        if _releasable(path) in contents:
            raise ReleaseError("bad_path", f"{path} cannot be both brought and deleted.")
    return tuple(sorted(set(paths), key=str.encode))


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


def _floor(text: str | None, version: Version) -> Version:
    floor = version if text is None else Version.parse(text)
    if version < floor:
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
    march = _NATIVE.get(boards[0], _SHARED) if len(boards) == 1 else _SHARED
    return lambda source, path: compile_source(source, path, march)


def _native(contents: dict[str, bytes], boards: Sequence[str]) -> tuple[str, str]:
    """Return format and architecture of the .mpy files in *contents*."""
    version = arch = ""
    for path, data in contents.items():
        if not path.endswith(".mpy"):
            continue
        if len(data) < 4 or data[:1] != b"M" or data[1] != 6:
            raise ReleaseError(
                "mpy_incompatible", f"{path} is no .mpy of format 6, which MicroPython 1.19 and"
                " newer load. Compile it again."
            )  # fmt: skip
        version = max(version, f"{data[1]}.{data[2] & 3}")
        index = data[2] >> 2 & 0xF
        if index:
            arch = _wider(arch, _arch_name(index, path), path)
    if arch and not all(_runs(board, arch) for board in boards):
        raise ReleaseError(
            "mpy_incompatible",
            f"The release has native code for {arch}, which does not run on all of"
            f" {', '.join(boards)}. Make one release for each board.",
        )
    return version, arch


def _arch_name(index: int, path: str) -> str:
    name = _ARCH_INDEX.get(index)
    if name is None:
        raise ReleaseError(
            "mpy_incompatible", f"{path} has native code of a processor that no board here has."
        )
    return name


def _wider(one: str, other: str, path: str) -> str:
    if one and "rv32imc" in (one, other) and one != other:
        raise ReleaseError("mpy_incompatible", f"{path} is for {other}, another file for {one}.")
    return max(one, other, key=lambda name: ARCHITECTURES.index(name) if name else -1)


def _runs(board: str, arch: str) -> bool:
    can = _NATIVE.get(board)
    # A board that is not known here is the builder's own business.
    return can is None or arch == "rv32imc" or (
        ARCHITECTURES.index(arch) <= ARCHITECTURES.index(can)
    )  # fmt: skip


def _write(output: Path, data: bytes) -> None:
    # Aside first: a full disk must not leave half an archive under a good name.
    aside = output.with_name(output.name + ".part")
    try:
        aside.write_bytes(data)
        os.replace(aside, output)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise ReleaseError("unwritable", f"Cannot write {output}: {error.strerror}.") from None
