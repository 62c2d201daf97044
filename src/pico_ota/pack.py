"""One file for all modules of ``ota/``: a file of its own takes a block of 4 KB, however small.

``/ota/modules.pack`` begins with a line for each module, ``<name> <offset> <size>``, and an empty
one; the modules follow, one after the other. On the board ``ota/__init__.py`` finds them in it.
Behind the size stand the modules that this one imports, each after those that it imports itself:
loaded in this order, no import is done inside of another, which takes much of the board's stack.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

PACK = "/ota/modules.pack"
_FOLDER = "/ota/"
_DOOR = "/ota/__init__.mpy"


def packed(
    files: dict[str, bytes], sources: Mapping[str, bytes] | None = None
) -> dict[str, bytes]:
    """Return *files* (absolute path on the board -> content) with these modules in one.

    *sources* has the same modules before they were compiled: they tell what each imports.
    """
    modules = {path: data for path, data in files.items() if _belongs(path)}
    others = {path: data for path, data in files.items() if path not in modules}
    return {**others, PACK: _pack(modules, _imports(sources or {}))}


def _imports(sources: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return for each module of ``ota/`` those that it imports, in the order to load them in."""
    ours = [path for path in sources if path.startswith(_FOLDER) and path.endswith(".py")]
    names = {_stem(path): path for path in ours}
    direct = {name: _imported(sources[path], set(names)) for name, path in names.items()}

    def below(name: str, seen: list[str]) -> list[str]:
        for other in direct[name]:
            if other not in seen:
                below(other, seen)
                seen.append(other)
        return seen

    return {name: below(name, []) for name in direct}


def _imported(source: bytes, names: set[str]) -> list[str]:
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom):
            if node.module == "ota":
                found += [alias.name for alias in node.names]
            elif node.module and node.module.startswith("ota."):
                found.append(node.module[4:])
    return [name for name in found if name in names]


def _stem(path: str) -> str:
    return path.removeprefix(_FOLDER).split(".")[0]


def unpacked(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return *files* with each module of the pack as a file of its own."""
    data = files[PACK]
    others = {path: content for path, content in files.items() if path != PACK}
    for line in data[: data.index(b"\n\n")].decode().splitlines():
        name, offset, size, *_ = line.split(" ")
        others[_FOLDER + name] = data[int(offset) : int(offset) + int(size)]
    return others


def _belongs(path: str) -> bool:
    return path.startswith(_FOLDER) and path.endswith(".mpy") and path != _DOOR


def _pack(modules: dict[str, bytes], imports: Mapping[str, list[str]]) -> bytes:
    names = {path: path.removeprefix(_FOLDER) for path in sorted(modules)}
    tails = {p: " ".join([str(len(modules[p])), *imports.get(_stem(p), [])]) for p in names}
    # All offsets have as many digits, so that the index does not grow by what it says.
    digits = len(str(sum(map(len, modules.values())) + 200 * len(modules)))
    index = sum(len(f"{names[p]} {'0' * digits} {tails[p]}\n") for p in names) + 1
    lines, offset = [], index
    for path, name in names.items():
        lines.append(f"{name} {offset:0{digits}} {tails[path]}\n")
        offset += len(modules[path])
    return "".join([*lines, "\n"]).encode() + b"".join(modules[path] for path in names)
