"""Flash images: raw littlefs2, as read out of a board, in the geometry of the rp2 port."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from littlefs import LittleFS, LittleFSError

from pico_ota.sim.boards import BLOCK, BOARDS, PAGE, Board
from pico_ota.sim.errors import SimError

_SKIPPED = frozenset({"__pycache__", ".git", ".DS_Store"})
_NO_SPACE = -28


class _Context:
    # littlefs-python's user context over a file, erased bytes being 0xFF as on the chip.

    def __init__(self, path: Path, mode: str) -> None:
        self._file = open(path, mode, buffering=0)  # noqa: SIM115

    def read(self, cfg: Any, block: int, off: int, size: int) -> bytearray:
        self._file.seek(block * BLOCK + off)
        return bytearray(self._file.read(size))

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        self._file.seek(block * BLOCK + off)
        self._file.write(data)
        return 0

    def erase(self, cfg: Any, block: int) -> int:
        self._file.seek(block * BLOCK)
        self._file.write(b"\xff" * BLOCK)
        return 0

    def sync(self, cfg: Any) -> int:
        return 0

    def close(self) -> None:
        self._file.close()


def create(path: Path, board: str = "pico_w", files: Mapping[str, bytes] | None = None) -> None:
    """Make a new image with a file system and *files*: absolute path on the board -> content.

    The image appears under its name only when it is complete.

    Raises:
        SimError: no such board, the files do not fit, or *path* cannot be written.
    """
    kind = board_of(board)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            for _ in range(kind.blocks):
                file.write(b"\xff" * BLOCK)
        with _Opened(part, kind, "r+b", mount=False) as fs:
            fs.format()
            fs.mount()
            _write(fs, files or {})
        part.replace(path)
    except OSError as error:
        raise SimError(f"cannot write the flash image {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def read_tree(path: Path) -> dict[str, bytes]:
    """Return every file of the image: absolute path on the board -> content."""
    found: dict[str, bytes] = {}
    with _Opened(path, check(path), "rb") as fs:
        for top, _, names in fs.walk("/"):
            for name in names:
                inner = f"{top.rstrip('/')}/{name}"
                with fs.open(inner, "rb") as file:
                    found[inner] = bytes(file.read())
    return found


def write_files(path: Path, files: Mapping[str, bytes]) -> None:
    """Write *files* (absolute path on the board -> content) into the image; the board is off.

    Raises:
        SimError: they do not fit, or *path* is no image.
    """
    with _Opened(path, check(path), "r+b") as fs:
        _write(fs, files)


def folder_files(folder: Path) -> dict[str, bytes]:
    """Return the files under *folder*, for the board's root; no caches, no version control."""
    found: dict[str, bytes] = {}
    for file in sorted(folder.rglob("*")):
        inner = file.relative_to(folder)
        if file.is_file() and not _SKIPPED & set(inner.parts):
            found["/" + inner.as_posix()] = file.read_bytes()
    return found


def board_of(name: str) -> Board:
    """Return the board called *name*.

    Raises:
        SimError: there is none.
    """
    try:
        return BOARDS[name]
    except KeyError:
        raise SimError(f"unknown board {name!r}: it is one of {', '.join(BOARDS)}") from None


def check(path: Path, board: str | None = None) -> Board:
    """Return the board whose image *path* is, by its size.

    Raises:
        SimError: there is none, or it is not *board*.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SimError(f"cannot read the flash image {path}: {error.strerror}") from error
    if not path.is_file():
        raise SimError(f"{path} is not a file, a flash image is expected")
    match = next((b for b in BOARDS.values() if b.size == size), None)
    wanted = board_of(board) if board else match
    if wanted is None:
        sizes = ", ".join(f"{b.size} ({b.name})" for b in BOARDS.values())
        raise SimError(f"{path} has {size} bytes, a flash image has one of {sizes}")
    if wanted.size != size:
        hint = f"; it is an image of a {match.name}" if match else ""
        raise SimError(
            f"{path} has {size} bytes, the image of a {wanted.name} has {wanted.size}{hint}. "
            "Give another --board, or remove the file to make a new one"
        )
    return wanted


class _File(Protocol):
    def write(self, data: bytes) -> int: ...


class _Opened:
    # One mounted image, unmounted and closed at the end of a `with`.

    def __init__(self, path: Path, board: Board, mode: str, mount: bool = True) -> None:
        try:
            self._context = _Context(path, mode)
        except OSError as error:
            raise SimError(f"cannot open the flash image {path}: {error.strerror}") from error
        try:
            # The geometry of `VfsLfs2(bdev, progsize=256)`: extmod/vfs_lfsx.c
            self._fs = LittleFS(
                context=cast(Any, self._context),
                block_size=BLOCK,
                block_count=board.blocks,
                read_size=32,
                prog_size=PAGE,
                cache_size=1024,
                lookahead_size=32,
                block_cycles=100,
                mount=False,  # else it formats what it cannot mount
            )
            if mount:
                self._fs.mount()
        except LittleFSError as error:
            self._context.close()
            raise SimError(f"{path} holds no file system that can be read: {error}") from error

    def __enter__(self) -> LittleFS:
        return self._fs

    def __exit__(self, *_: object) -> None:
        self._fs.unmount()
        self._context.close()


def _write(fs: LittleFS, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        parent = os.path.dirname(path)
        try:
            if parent != "/":
                fs.makedirs(parent, exist_ok=True)
            with fs.open(path, "wb") as file:
                cast(_File, file).write(data)
        except LittleFSError as error:
            if error.code == _NO_SPACE:
                total = sum(map(len, files.values()))
                raise SimError(
                    f"{path} does not fit: {total} bytes in {len(files)} files "
                    f"are too many for a flash of {fs.block_count * BLOCK} bytes"
                ) from error
            raise SimError(f"{path} cannot be written into the image: {error}") from error
