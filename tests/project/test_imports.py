"""Imports point down: no module, of this computer or of the board, can reach itself again."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = {"src": ROOT / "src", "device": ROOT / "device"}
MODULES, LINES = 44, 450


def modules(top):
    """Return {dotted name: source} of every module below *top*."""
    found = {}
    for path in sorted(top.rglob("*.py")):
        names = path.relative_to(top).with_suffix("").parts
        if "firmware" in names:
            continue  # of the simulated board: modules of MicroPython's own
        if names[-1] == "__init__":
            names = names[:-1]
        found[".".join(names)] = path.read_text(encoding="utf-8")
    return found


def edges(name, source, known, is_package):
    """Yield what *name* imports of *known*, wherever in it the import stands.

    A module of another package is there only when that package is, so that one counts, too. A
    load by name (`ota.load("x")`) is a jump: what it gets is not needed to import this one.
    """
    own = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = own[: len(own) - node.level + 1] if node.level else []
            base = [*base, *(node.module or "").split(".")] if node.module else base
            full = [".".join([*base, alias.name]) for alias in node.names]
            # `from package import module`, or `from module import name`.
            wanted = [each if each in known else ".".join(base) for each in full]
        else:
            continue
        for target in wanted:
            parts = target.split(".")
            for count in range(len(parts), 0, -1):
                part = ".".join(parts[:count])
                if part in known and part != name and parts[:count] != own[:count]:
                    yield part


def graph(sources):
    packages = {".".join(name.split(".")[:-1]) for name in sources}
    return {
        name: set(edges(name, source, sources, name in packages))
        for name, source in sources.items()
    }


def circle(imports):
    """Return a path in the graph that comes back to where it began, or nothing."""
    done = set()

    def search(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for following in sorted(imports[name]):
            found = search(following, [*path, name])
            if found:
                return found
        done.add(name)
        return None

    for name in sorted(imports):
        found = search(name, [])
        if found:
            return " -> ".join(found)
    return None


@pytest.mark.parametrize("part", PARTS)
def test_imports_go_round_in_no_circle(part):
    imports = graph(modules(PARTS[part]))
    assert sum(map(len, imports.values())) > 20  # it does see them
    assert circle(imports) is None


@pytest.mark.parametrize(
    ("changed", "text", "found"),
    [
        ("p.low", "from p.high import x", "p.high -> p.low -> p.high"),
        ("p.low", "from . import high", "p.high -> p.low -> p.high"),
        ("p.low", "from .high import x", "p.high -> p.low -> p.high"),
        ("p.low", "import p.high", "p.high -> p.low -> p.high"),
        ("p.low", "def f():\n    from p import high", "p.high -> p.low -> p.high"),
        ("p", "from .high import x\nfrom q import lower", None),
        ("q.lower", "from p import low", "p.low -> q.lower -> p.low"),
        ("q", "import p.high", "p.high -> p.low -> q -> p.high"),
    ],
)
def test_a_circle_is_seen(changed, text, found):
    sources = {
        "p": "",
        "p.high": "from p import low\n",
        "p.low": "import q.lower\n",
        "q": "",
        "q.lower": "",
    }
    assert circle(graph(sources)) is None
    assert circle(graph(sources | {changed: text})) == found


def test_the_board_has_few_modules_and_none_is_long():
    board = set(PARTS["device"].rglob("*.py"))
    assert len(board) <= MODULES
    # The guard is made of its parts, one file for all.
    written = board - {PARTS["device"] / "ota_boot.py"} | set((ROOT / "guard").glob("*.py"))
    lines = {str(path): len(path.read_text().splitlines()) for path in written}
    assert not {path: count for path, count in lines.items() if count > LINES}
