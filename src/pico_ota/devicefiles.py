"""The files of ours that belong on a board, compiled as the board wants them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from .errors import PicoOtaError
from .mpy import compile_source, compiled_name
from .pack import packed
from .shrink import shrink

_SKIPPED_FOLDERS = frozenset({"__pycache__"})
_SHIPPED_SUFFIXES = frozenset({".py", ".gz", ".txt"})

compile_once = lru_cache(maxsize=512)(compile_source)
"""`mpy.compile_source`, which starts a process, with a memory."""


def device_files(mpy: bool = True, debug: bool = False) -> dict[str, bytes]:
    """Return what has to be on a board: absolute path on the board -> content.

    Args:
        mpy: compile the modules with mpy-cross, which saves flash, heap and import time on the
            board (importing a 20 KB module needs 57 KB of heap from source, 14 KB from `.mpy`).
        debug: compile them so that tracebacks have line numbers and all names, for a tenth more
            heap.

    Raises:
        PicoOtaError: a file is not where it was installed, or does not compile.
    """
    top = _device_folder()
    sources = {"/" + f.relative_to(top).as_posix(): f.read_bytes() for f in _shipped(top)}
    if mpy and not debug:
        ours = {path: data.decode() for path, data in sources.items() if path.endswith(".py")}
        for path, text in shrink(ours).items():
            if compiled_name(path) != path:
                sources[path] = text.encode()
    return packed(compile_tree(sources, lines=debug), sources) if mpy else sources


def compile_tree(
    files: dict[str, bytes], called: str | None = None, lines: bool = True
) -> dict[str, bytes]:
    """Return *files* with each module compiled and renamed to `.mpy`.

    boot.py and main.py stay: MicroPython looks for them by these very names.

    Args:
        files: absolute path on the board -> content.
        called: what tracebacks name all of the modules; None: each by its path.
        lines: whether tracebacks have line numbers.
    """
    modules = [path for path in files if compiled_name(path) != path]
    with ThreadPoolExecutor(4) as pool:  # each compilation is a short process of its own
        compiled = pool.map(
            # Without line numbers a short name is enough: the one by which it is imported.
            lambda path: compile_once(
                files[path], called or (path if lines else Path(path).stem), lines=lines
            ),
            modules,
        )
        done = dict(zip(modules, compiled, strict=True))
    return {compiled_name(path): done.get(path, data) for path, data in files.items()}


def _device_folder() -> Path:
    here = Path(__file__).resolve()
    # In a checkout beside src/, in an installed wheel inside of the package.
    places = (here.parents[2] / "device", here.parent / "_device")
    for folder in places:
        if (folder / "boot.py").is_file():
            return folder
    raise PicoOtaError(f"the device files are neither in {places[0]} nor in {places[1]}")


def _shipped(top: Path) -> list[Path]:
    return sorted(
        f
        for f in top.rglob("*")
        if f.is_file()
        and f.suffix in _SHIPPED_SUFFIXES
        and not _SKIPPED_FOLDERS & set(f.relative_to(top).parts)
    )
