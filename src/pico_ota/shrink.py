"""Making the device's modules smaller on the board, where a name takes about 20 bytes of heap.

MicroPython keeps each name that a module uses, once for all modules, and for ever. So the private
ones, which nothing outside of their module asks for, share a few short names, and so do the
arguments that no call names. What an application calls keeps all its names.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from string import ascii_lowercase

#: What an application imports, and may call with names of arguments.
_DOORS = ("/service_ota.py", "/manager_wifi.py")
_PRIVATE = re.compile(r"_[a-zA-Z]\w*")


def shrink(sources: dict[str, str]) -> dict[str, str]:
    """Return *sources* (name -> Python source) with short private names.

    A name stays where it could mean the same in two modules: when something but `self` is asked
    for it, when a module that has it does not define it, or when it stands in a string.
    """
    trees = {name: ast.parse(text) for name, text in sources.items()}
    kept = {name for tree in trees.values() for name in _shared(tree)}
    named = {name for tree in trees.values() for name in _named_in_calls(tree)}
    for name, tree in trees.items():
        if name not in _DOORS:
            _shorten_arguments(tree, named)
    return {name: _shrunk(tree, kept) for name, tree in trees.items()}


def _shrunk(tree: ast.Module, kept: set[str]) -> str:
    if not _has_foreign_base(tree):
        own = Counter(name for name in _names(tree) if name not in kept)
        short = _short_names(kept)
        _Renamer({name: next(short) for name, _ in own.most_common()}).visit(tree)
    return ast.unparse(tree)


def _shared(tree: ast.Module) -> Iterator[str]:
    """Yield the private names in *tree* that are not its own alone."""
    yield from set(_names(tree)) - set(_defined(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(rf"(?<!\w){_PRIVATE.pattern}", node.value)
        elif isinstance(node, ast.Attribute) and _PRIVATE.fullmatch(node.attr):
            if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                yield node.attr
        elif isinstance(node, ast.alias | ast.keyword):
            yield from _names_of(node)


def _named_in_calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg


def _shorten_arguments(tree: ast.Module, named: set[str]) -> None:
    """Rename the arguments of each function but those *named* in calls, `self` and keywords."""
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    letters = [letter for letter in ascii_lowercase if letter not in taken]
    for node in ast.iter_child_nodes(tree):
        _shorten_below(node, named, letters)


def _shorten_below(node: ast.AST, named: set[str], letters: list[str]) -> None:
    left = letters
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        mine = [a.arg for a in node.args.args if a.arg != "self" and a.arg not in named]
        new = dict(zip(mine, letters, strict=False))
        left = letters[len(new) :]
        for inner in ast.walk(node):
            if isinstance(inner, ast.arg):
                inner.arg = new.get(inner.arg, inner.arg)
            elif isinstance(inner, ast.Name):
                inner.id = new.get(inner.id, inner.id)
    for child in ast.iter_child_nodes(node):
        _shorten_below(child, named, left)


def _short_names(taken: set[str]) -> Iterator[str]:
    """Yield `_a`, `_b`, ... `_z`, `_aa`, ... but those that are *taken*."""
    for first in ("", *ascii_lowercase):
        for last in ascii_lowercase:
            name = f"_{first}{last}"
            if name not in taken:
                yield name


def _names(tree: ast.AST) -> Iterator[str]:
    """Yield each private name in *tree*, once for each place."""
    for node in ast.walk(tree):
        for field in _fields(node):
            names = getattr(node, field)
            for name in names if isinstance(names, list) else [names]:
                if isinstance(name, str) and _PRIVATE.fullmatch(name):
                    yield name


def _fields(node: ast.AST) -> tuple[str, ...]:
    """The fields of *node* that hold a name."""
    for kinds, fields in _NAMED.items():
        if isinstance(node, kinds):
            return fields
    return ()


_NAMED: dict[tuple[type[ast.AST], ...], tuple[str, ...]] = {
    (ast.Name,): ("id",),
    (ast.Attribute,): ("attr",),
    (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler): ("name",),
    (ast.arg, ast.keyword): ("arg",),
    (ast.alias,): ("name", "asname"),
    (ast.Global, ast.Nonlocal): ("names",),
}


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Store):
            continue
        if isinstance(node, ast.alias | ast.keyword):
            continue
        yield from _names_of(node)


def _names_of(node: ast.AST) -> Iterator[str]:
    for field in _fields(node):
        name = getattr(node, field)
        if isinstance(name, str) and _PRIVATE.fullmatch(name):
            yield name


def _has_foreign_base(tree: ast.Module) -> bool:
    """Whether a class here continues one of another module, whose private names it would meet."""
    here = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    bases = [
        base.id
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if isinstance(base, ast.Name)
    ]
    return any(base not in here and base not in _BUILT_IN for base in bases)


_BUILT_IN = {"Exception", "OSError", "BaseException", "object"}


class _Renamer(ast.NodeVisitor):
    def __init__(self, names: dict[str, str]) -> None:
        self._new = names

    def generic_visit(self, node: ast.AST) -> None:
        for field in _fields(node):
            old = getattr(node, field)
            if isinstance(old, list):
                setattr(node, field, [self._new.get(name, name) for name in old])
            elif isinstance(old, str):
                setattr(node, field, self._new.get(old, old))
        super().generic_visit(node)
