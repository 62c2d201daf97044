"""One file for all modules of ``ota/``: a file of its own takes a block of 4 KB, however small.

``/ota/modules.pack`` begins with a line for each module, ``<name> <offset> <size>``, and an empty
one; the modules follow, one after the other. On the board ``ota/__init__.py`` finds them in it.
"""

from __future__ import annotations

PACK = "/ota/modules.pack"
_FOLDER = "/ota/"
_DOOR = "/ota/__init__.mpy"


def packed(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return *files* (absolute path on the board -> content) with these modules in one."""
    modules = {path: data for path, data in files.items() if _belongs(path)}
    others = {path: data for path, data in files.items() if path not in modules}
    return {**others, PACK: _pack(modules)}


def unpacked(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return *files* with each module of the pack as a file of its own."""
    data = files[PACK]
    others = {path: content for path, content in files.items() if path != PACK}
    for line in data[: data.index(b"\n\n")].decode().splitlines():
        name, offset, size = line.split(" ")
        others[_FOLDER + name] = data[int(offset) : int(offset) + int(size)]
    return others


def _belongs(path: str) -> bool:
    return path.startswith(_FOLDER) and path.endswith(".mpy") and path != _DOOR


def _pack(modules: dict[str, bytes]) -> bytes:
    names = {path: path.removeprefix(_FOLDER) for path in sorted(modules)}
    # All offsets have as many digits, so that the index does not grow by what it says.
    digits = len(str(sum(map(len, modules.values())) + 40 * len(modules)))
    index = sum(len(f"{names[p]} {'0' * digits} {len(modules[p])}\n") for p in names) + 1
    lines, offset = [], index
    for path, name in names.items():
        lines.append(f"{name} {offset:0{digits}} {len(modules[path])}\n")
        offset += len(modules[path])
    return "".join([*lines, "\n"]).encode() + b"".join(modules[path] for path in names)
