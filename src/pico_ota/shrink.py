"""Making the device's modules smaller on the board, where a name takes about 20 bytes of heap.

MicroPython keeps each name that a module uses, once for all modules, and for ever. So the private
ones, which nothing outside of their module asks for, share a few short names, and so do the
functions, classes and numbers that modules of ours ask each other for, and the arguments that no
call names. What an application calls keeps all its names.
"""

from __future__ import annotations

import ast
import asyncio
import binascii
import builtins
import gc
import hashlib
import io
import json
import os
import random
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from string import ascii_lowercase
from types import GeneratorType

#: What an application imports, and may call with names of arguments; also what its code may catch.
_DOORS = ("/service_ota.py", "/manager_wifi.py", "/ota/errors.py", "/ota/fleet.py")
# What objects of the firmware have: of the language and of the modules that CPython has as well,
# and what the board's own modules, and Microdot, have beside them.
_SHARED_WITH_CPYTHON: tuple[object, ...] = (
    *(builtins, asyncio, binascii, gc, hashlib, io, json, os, random, socket, sys, time),
    *("", b"", bytearray(), [], {}, set(), (), 0, memoryview(b""), OSError(), lambda: None),
    *(io.BytesIO, io.StringIO, io.FileIO, io.TextIOWrapper, socket.socket, hashlib.sha256()),
    *(asyncio.StreamReader, asyncio.Task, asyncio.AbstractEventLoop, GeneratorType),
)
_OF_THE_BOARD = """
    active addr4 app args callback client_addr config connect const core country deinit dupterm
    feed firmware form hostname ifconfig ilistdir init ioctl ipconfig isconnected kbd_intr
    max_content_length mem32 method mkfs mode mount period platform query_string reason reset s
    scan schedule status status_code statvfs sync task timeout umount unique_id url url_map
    url_pattern WDT WLAN
"""
_FIRMWARE = {name for thing in _SHARED_WITH_CPYTHON for name in dir(thing)}.union(
    _OF_THE_BOARD.split()
)
_PRIVATE = re.compile(r"_[a-zA-Z]\w*")
_WORD = re.compile(r"[A-Za-z_]\w*")


def shrink(sources: dict[str, str]) -> dict[str, str]:
    """Return *sources* (path on the board -> Python source) with short names.

    A name stays where it could mean anything else: where it stands in a string or names an
    argument in a call, where the firmware has it, too, or where an application may use it.
    """
    trees = {name: ast.parse(text) for name, text in sources.items()}
    kept = {name for tree in trees.values() for name in _shared(tree)}
    named = {name for tree in trees.values() for name in _named_in_calls(tree)}
    for name, tree in trees.items():
        if name not in _DOORS:
            _shorten_arguments(tree, named)
    spaces = _public_names(trees)
    public = _spread(spaces, kept)
    done = {}
    for path, tree in trees.items():
        here = {old: new for old, new in public.items() if path in spaces[old]}
        in_classes = {
            new
            for old, new in public.items()
            if any(s.startswith(f"{path}:") for s in spaces[old])
        }
        done[path] = _shrunk(tree, kept, here, public, in_classes)
    return done


def _shrunk(
    tree: ast.Module,
    kept: set[str],
    here: dict[str, str],
    public: dict[str, str],
    in_classes: set[str],
) -> str:
    """Return *tree* with short names: *here* are those of the module, *public* of all objects.

    What is asked of an object may be called like what stands in the module: *in_classes* are the
    short names that objects of classes here have.
    """
    numbers = {
        ast.unparse(node.targets[0])
        for node in tree.body
        if isinstance(node, ast.Assign) and _is_const(node.value)
    }
    private = [name for name in _private(tree, of_class=False) if name not in kept]
    # Last of all the numbers, whose names are not in what is compiled. But where such a name
    # stands in a class, the compiler would take the number.
    private.sort(key=numbers.__contains__)
    names = dict(zip(private, _short_names(kept.union(here.values())), strict=False))
    attributes: dict[str, str] = {}
    if not _has_foreign_base(tree):
        taken = kept | in_classes | {new for old, new in names.items() if old in numbers}
        of_class = [name for name in _private(tree, of_class=True) if name not in kept]
        attributes = dict(zip(of_class, _short_names(taken), strict=False))
    _Renamer({**here, **names}, {**public, **attributes}, _of_classes(tree)).visit(tree)
    return ast.unparse(tree)


def _private(tree: ast.Module, of_class: bool) -> list[str]:
    """Return the private names in *tree*, the most frequent ones first.

    With *of_class* those that are asked of something or stand in a class, else the others.
    """
    inside = _of_classes(tree)
    counted = Counter(
        name
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) or node in inside) == of_class
        for name in _names_of(node)
    )
    return [name for name, _ in counted.most_common()]


def _public_names(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Return each public name that is ours alone -> the modules and classes that have it.

    A class goes by ``path:name``; one that continues another shares the name space of that.
    """
    spaces: dict[str, set[str]] = {}
    kept = set(_FIRMWARE)
    ours: set[str] = set()
    everywhere = _classes(trees)
    for path, tree in trees.items():
        # A source that two files are made of has a class twice: each file means its own.
        classes = {**everywhere, **_classes({path: tree})}
        defined = {name: {path} for name in _top_names(tree.body)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                space = _root(path, node, classes)
                for name in _attributes(node):
                    defined.setdefault(name, set()).add(space)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ota"):
                for alias in node.names:
                    if alias.asname:
                        kept.add(alias.name)
                    else:
                        spaces.setdefault(alias.name, set()).add(path)
        if path in _DOORS:
            kept |= defined.keys()
        ours |= defined.keys()
        for name, where in defined.items():
            spaces.setdefault(name, set()).update(where)
        kept |= set(_otherwise(tree))
    modules = {path.removeprefix("/ota/").removesuffix(".py") for path in trees}
    return {
        name: where
        for name, where in spaces.items()
        if name in ours and name not in kept | modules and not name.startswith("_")
    }


def _classes(trees: dict[str, ast.Module]) -> dict[str, tuple[str, ast.ClassDef]]:
    return {
        node.name: (path, node)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def _root(path: str, node: ast.ClassDef, classes: dict[str, tuple[str, ast.ClassDef]]) -> str:
    """Return the name space of the class of ours that *node*, in *path*, continues in the end."""
    while node.bases and isinstance(node.bases[0], ast.Name) and node.bases[0].id in classes:
        path, node = classes[node.bases[0].id]
    return f"{path}:{node.name}"


def _top_names(body: list[ast.stmt]) -> Iterator[str]:
    """Yield what the statements *body* of a module or a class define."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        else:
            waiting += [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)]


def _attributes(node: ast.ClassDef) -> Iterator[str]:
    """Yield what objects of the class *node* have: what it defines, and what it sets."""
    yield from _top_names(node.body)
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Attribute)
            and isinstance(inner.ctx, ast.Store)
            and getattr(inner.value, "id", None) == "self"
        ):
            yield inner.attr


def _otherwise(tree: ast.Module) -> Iterator[str]:
    """Yield the names in *tree* that are of others, or may be looked up by their text."""
    documents = {n.value for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.Assign) and _is_const(node.value):
            # With a private name such a number leaves no trace in its module.
            yield from (ast.unparse(target) for target in node.targets)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node not in documents:
                yield from _WORD.findall(node.value)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            ours = isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ota")
            if not ours:
                yield from (alias.asname or alias.name for alias in node.names)


def _is_const(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and getattr(value.func, "id", None) == "const"


def _spread(spaces: dict[str, set[str]], kept: set[str]) -> dict[str, str]:
    """Give each name a short one that no other has in any of its modules and classes."""
    taken: dict[str, set[str]] = {}
    public = {}
    for name in sorted(spaces, key=lambda name: (-len(spaces[name]), name)):
        used = kept.union(*(taken.get(space, set()) for space in spaces[name]))
        public[name] = next(_short_names(used))
        for space in spaces[name]:
            taken.setdefault(space, set()).add(public[name])
    return public


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


def _of_classes(tree: ast.Module) -> set[ast.AST]:
    """Return the nodes in *tree* that name what a class has, where its body says so."""
    found: set[ast.AST] = set()
    for top in ast.walk(tree):
        if not isinstance(top, ast.ClassDef):
            continue
        had = set(_top_names(top.body))
        for part in top.body:
            named: list[ast.expr] = []
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(part)
                named = part.decorator_list
            elif isinstance(part, ast.Assign):
                named = [*part.targets, part.value]
            inner = (n for value in named for n in ast.walk(value))
            found.update(n for n in inner if isinstance(n, ast.Name) and n.id in had)
    return found


class _Renamer(ast.NodeVisitor):
    """Renames *names*, and *attributes* where they are asked of something or are *of_classes*."""

    def __init__(
        self, names: dict[str, str], attributes: dict[str, str], of_classes: set[ast.AST]
    ) -> None:
        self._names = names
        self._attributes = attributes
        self._of_classes = of_classes

    def generic_visit(self, node: ast.AST) -> None:
        of_class = isinstance(node, ast.Attribute) or node in self._of_classes
        new = self._attributes if of_class else self._names
        for field in _fields(node):
            old = getattr(node, field)
            if isinstance(old, list):
                setattr(node, field, [new.get(name, name) for name in old])
            elif isinstance(old, str):
                setattr(node, field, new.get(old, old))
        super().generic_visit(node)
