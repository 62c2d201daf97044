"""Which `.mpy` files a board can load: the rules of the firmware, which a device asks about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .errors import ReleaseError

# Native code that a board can have, as bits 10 to 13 of sys.implementation._mpy count it
# (py/persistentcode.h): the ARM cores of both boards, and the RISC-V of one.
_INDEX = {"armv6m": 4, "armv7m": 5, "armv7em": 6, "armv7emsp": 7, "rv32imc": 11}
ARCHITECTURES = tuple(_INDEX)
# What the cores of a board run. Code for the Cortex-M0+ of the first runs on the ARM cores of the
# second as well (py/persistentcode.c, MPY_FEATURE_ARCH_TEST), so that is what both can share.
_NATIVE = {"RPI_PICO_W": ("armv6m",), "RPI_PICO2_W": ("armv7emsp", "rv32imc")}
_SHARED = "armv6m"
_FORMAT, _SUB_FORMAT = 6, 3  # that MicroPython 1.23 and newer load
_SMALL_INT_BITS = 31


def of_board(board: str) -> tuple[int, ...]:
    """Return the values that ``sys.implementation._mpy`` has on *board*; none if unknown."""
    level = _SUB_FORMAT << 8 | _FORMAT
    return tuple(_INDEX[arch] << 10 | level for arch in _NATIVE.get(board, ()))


def march(boards: Sequence[str]) -> str:
    """Return what native code has to be compiled for, to run on all *boards*."""
    return _NATIVE.get(boards[0], (_SHARED,))[0] if len(boards) == 1 else _SHARED


def head_of(mpy: str, arch: str) -> bytes:
    """Return how a file begins that has the format *mpy* and native code for *arch*."""
    major, minor = mpy.split(".")
    return bytes((0x4D, int(major), _INDEX.get(arch, 0) << 2 | int(minor) & 3, _SMALL_INT_BITS))


def problem(head: bytes, own: int) -> str | None:
    """Return why a file that begins with *head* cannot be loaded; None if it can.

    *own* is ``sys.implementation._mpy`` of the firmware.
    """
    if len(head) < 4 or head[0] != 0x4D:
        return "it is no .mpy file"
    version, sub, arch = own & 0xFF, own >> 8 & 3, own >> 10 & 15
    its_sub, its_arch = head[2] & 3, head[2] >> 2 & 15
    if head[1] != version or (its_arch and its_sub != sub):
        return f"it has format {head[1]}.{its_sub}, the board loads {version}.{sub}"
    # Thumb cores run the code of their smaller relatives: armv6m (4) up to armv7emdp (8).
    if its_arch and its_arch != arch and not 4 <= its_arch <= arch <= 8:
        return f"it is for architecture {its_arch}, the board has {arch}"
    if head[3] > _SMALL_INT_BITS:
        return f"it has integers of {head[3]} bits, the board {_SMALL_INT_BITS}"
    return None


def check_loads(what: str, head: bytes, owns: Iterable[Sequence[int]]) -> None:
    """See that each board of *owns*, the values of `_mpy` that it may have, loads *what*.

    Raises:
        ReleaseError: ``mpy_incompatible``.
    """
    for own in owns:
        found = [problem(head, level) for level in own]
        if found and None not in found:
            raise ReleaseError("mpy_incompatible", f"{what} cannot be loaded: {found[0]}.")


def found_in(contents: Mapping[str, bytes], boards: Sequence[str]) -> tuple[str, str]:
    """Return format and architecture of the `.mpy` files in *contents*, by path; empty for none.

    Raises:
        ReleaseError: ``mpy_incompatible``: one of *boards* cannot load them.
    """
    version = arch = ""
    for path, data in contents.items():
        if not path.endswith(".mpy"):
            continue
        if len(data) < 4 or data[:1] != b"M" or data[1] != _FORMAT:
            raise ReleaseError(
                "mpy_incompatible",
                f"{path} is no .mpy of format 6, which MicroPython 1.19 and newer load. Compile "
                "it again.",
            )
        version = max(version, f"{data[1]}.{data[2] & 3}")
        index = data[2] >> 2 & 0xF
        if index:
            arch = _wider(arch, _arch_name(index, path), path)
    if version:
        head, owns = head_of(version, arch), [of_board(board) for board in boards]
        what = f"native code for {arch}" if arch else "the .mpy files"
        try:
            check_loads(what, head, owns)
        except ReleaseError as error:
            raise ReleaseError(error.word, f"{error} Make one release for each board.") from None
    return version, arch


def _arch_name(index: int, path: str) -> str:
    for name, number in _INDEX.items():
        if number == index:
            return name
    raise ReleaseError(
        "mpy_incompatible", f"{path} has native code of a processor that no board here has."
    )


def _wider(one: str, other: str, path: str) -> str:
    if one and "rv32imc" in (one, other) and one != other:
        raise ReleaseError("mpy_incompatible", f"{path} is for {other}, another file for {one}.")
    return max(one, other, key=lambda name: _INDEX.get(name, 0))
