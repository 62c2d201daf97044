"""Short names for the board: what may be renamed, and that what is left means the same."""

import ast
import subprocess
import sys
from pathlib import Path

from pico_ota.devicefiles import device_files
from pico_ota.pack import PACK, packed, unpacked
from pico_ota.shrink import shrink

MICROPYTHON = Path(sys.executable).with_name("micropython")


def shrunk(**sources: str) -> dict[str, str]:
    named = {f"/ota/{name}.py": text for name, text in sources.items()}
    return {path[5:-3]: text for path, text in shrink(named).items()}


def test_private_names_get_short_and_the_same_in_all_modules() -> None:
    made = shrunk(
        a="_LIMIT = 3\ndef _helper(value): return value + _LIMIT\ndef public(): return _helper(1)",
        b="class B:\n def __init__(self): self._first = 1\n def _run(self): return self._first",
    )
    assert "helper" not in made["a"]
    assert "LIMIT" not in made["a"]
    assert "public" not in made["a"]
    assert "first" not in made["b"]
    assert "__init__" in made["b"]


def test_what_an_object_has_may_be_called_like_what_the_module_has() -> None:
    text = """
from micropython import const
_LIMIT = const(3)
def _helper(value): return value + _LIMIT
class Box:
    _size = 4
    _twice = _size * 2
    def _grow(self): self._size = _helper(self._twice)
    def grown(self):
        self._grow()
        return self._size
class Crate(Box):
    def _grow(self): self._size = -1
print(Box().grown(), Crate().grown(), _helper(Box._size))
"""
    lean = shrunk(a=text)["a"]
    names = {n.id for n in ast.walk(ast.parse(lean)) if isinstance(n, ast.Name)}
    attributes = {n.attr for n in ast.walk(ast.parse(lean)) if isinstance(n, ast.Attribute)}
    assert {n for n in names & attributes if n.startswith("_")}
    results = [
        subprocess.run([MICROPYTHON, "-c", code], capture_output=True, check=True).stdout
        for code in (text, lean)
    ]
    assert results[0] == results[1] == b"11 -1 7\n"


def test_names_that_others_could_mean_stay() -> None:
    made = shrunk(
        a="def _asked(): pass\n_told = 1\n_listed = 2\nclass A:\n def _of(self): pass",
        b="from ota import a\na._asked()\nNAMES = ('_listed',)\nimport sys\nx = sys._foreign",
        c="from ota.a import _told",
    )
    for name in ("_asked", "_told", "_listed"):
        assert name in made["a"], name
    assert "sys._foreign" in made["b"]
    assert "_of" not in made["a"]


def test_arguments_that_a_call_names_stay_and_those_of_the_doors() -> None:
    text = "def f(path, size): return path * size\ndef g(named): return f(2, size=named)\n"
    made = shrunk(a=text)["a"]
    assert "path" not in made
    assert "named" not in made
    assert "size=" in made
    assert "path" in shrink({"/service_ota.py": text})["/service_ota.py"]


def test_a_class_that_continues_one_of_another_module_keeps_its_names() -> None:
    made = shrunk(
        a="class A:\n def _one(self): pass",
        b="from ota.a import A\ndef _three(): pass\nclass B(A): _two = 1",
    )
    assert "_two" in made["b"]
    assert "_three" not in made["b"]


def test_a_source_that_two_files_are_made_of_is_continued_in_its_own_file() -> None:
    box = "class Box:\n    def opened(self): return 1\n"
    crate = (
        "class Crate(Box):\n    def closed_now(self):\n        self._lid = 0\n        return 2\n"
    )
    made = shrink({"/guard.py": box + crate, "/ota/box.py": box})
    tree = ast.parse(made["/guard.py"])
    (lid,) = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    assert lid not in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}


def test_public_names_that_could_be_anything_else_stay() -> None:
    made = shrunk(
        a="def looked_up(): pass\ndef named(): pass\ndef close(): pass\ndef ours(): pass",
        b="TABLE = 'GET / looked_up'\nprint(named=1)\nfrom ota.a import ours\nours()",
    )
    for name in ("looked_up", "named", "close"):
        assert name in made["a"], name
    assert "ours" not in made["a"] + made["b"]
    doors = shrink({"/service_ota.py": "class Door:\n def ours(self): self.seen = 1",
                    "/ota/a.py": "def ours(): return door.seen"})  # fmt: skip
    assert "def ours" in doors["/service_ota.py"]
    assert "seen" in doors["/ota/a.py"]


def test_what_modules_exchange_still_fits(tmp_path: Path) -> None:
    a = """
from micropython import const
LIMIT = const(3)
class Box:
    ready = False
    def __init__(self, value):
        self.inside = value
    @property
    def doubled(self):
        return self.inside * 2
    @doubled.setter
    def doubled(self, value):
        self.inside = value // 2
    def filled(self, more):
        self.inside += more
        return self
class Crate(Box):
    def emptied(self):
        self.inside = 0
        return self
def make(value):
    return Crate(value)
"""
    b = """
from ota import a
from ota.a import LIMIT, make
box = make(4).filled(LIMIT)
box.doubled = 10
box.ready = True
print(box.doubled, box.ready, a.Box.ready, a.make(1).filled(1).emptied().inside)
"""
    results = []
    for sources in ({"a": a, "b": b}, shrunk(a=a, b=b)):
        top = tmp_path / str(len(results)) / "ota"
        top.mkdir(parents=True)
        (top / "__init__.py").write_text("")
        for name, text in sources.items():
            (top / f"{name}.py").write_text(text)
        command = [MICROPYTHON, "-c", "import ota.b"]
        run = subprocess.run(command, cwd=top.parent, capture_output=True, check=True)
        results.append(run.stdout)
    assert results[0] == results[1] == b"10 True False 0\n"
    lean = (tmp_path / "1" / "ota" / "b.py").read_text()
    assert "LIMIT" in lean  # as a private constant it would be gone
    for name in ("doubled", "filled", "emptied", "make"):
        assert name not in lean, name


def test_it_computes_the_same() -> None:
    text = """
def _add(left, right=2, *rest, **more):
    global _total
    _total = left + right + sum(rest) + sum(more.values())
    inner = lambda left: left * _total
    return [inner(left) for left in rest]
_total = 0
class _Box:
    _seen = []
    def __init__(self, value):
        self._value = value
        self._seen.append(value)
    def twice(self, factor=2):
        def again(value):
            return value * factor
        return again(self._value)
print(_add(1, 2, 3, 4, x=5), _total, _Box(4).twice(), _Box(5).twice(3), _Box._seen)
"""
    lean = shrunk(a=text)["a"]
    assert "_total" not in lean
    results = [
        subprocess.run([MICROPYTHON, "-c", code], capture_output=True, check=True).stdout
        for code in (text, lean)
    ]
    assert results[0] == results[1] == b"[45, 60] 15 8 15 [4, 5]\n"


def test_no_private_name_of_the_device_is_asked_for_across_modules() -> None:
    # What is renamed in one module must be its own: a second look, at the result.
    files = device_files(mpy=False)
    sources = {p: data.decode() for p, data in files.items() if p.endswith(".py")}
    for path, text in shrink(sources).items():
        tree = ast.parse(text)
        bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert not {f"_{c}" for c in "0123456789"} & bound, path
        compile(tree, path, "exec")


def test_the_pack_holds_each_module_as_it_was(tmp_path: Path) -> None:
    files = {f"/ota/m{n}.mpy": bytes([n]) * n for n in range(1, 40)}
    files |= {"/ota/__init__.mpy": b"door", "/ota/page.html.gz": b"page", "/main.py": b""}
    one = packed(files)
    assert set(one) == {"/ota/__init__.mpy", "/ota/page.html.gz", "/main.py", PACK}
    assert unpacked(one) == files
    assert packed(dict(reversed(files.items()))) == one
