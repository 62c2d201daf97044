"""The transaction and the guard on MicroPython, with a flash of a Pico's rules at `/`.

Each `test_*` function of a script in on_board/ is a test of its own, in a process of its own.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import build_guard

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MICROPYTHON = Path(sys.executable).with_name("micropython")
SCRIPTS = sorted(path for path in (HERE / "on_board").glob("*.py") if path.stem != "common")
CODE = """
import sys
sys.path[:0] = {folders!r}
import common
common.main({script!r}, {name!r})
"""


def functions(script: Path) -> list[str]:
    tree = ast.parse(script.read_text())
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


CASES = [(script.stem, name) for script in SCRIPTS for name in functions(script)]


def test_the_scripts_are_found() -> None:
    assert len(SCRIPTS) >= 7
    assert len(CASES) > 70


def run_on_board(script: str, name: str) -> str:
    places = (ROOT / "device", ROOT / "tests" / "powercut" / "on_board", HERE / "on_board")
    code = CODE.format(folders=[str(place) for place in places], script=script, name=name)
    command = [MICROPYTHON, "-X", "heapsize=64m", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    # Files of a flash that lost power are closed by the collector, which may complain after it.
    assert "passed\n" in done.stdout, done.stdout + done.stderr
    return done.stdout


def case(script: str, name: str) -> object:
    """The case as a parameter: of the damages in the middle of it one share is a sample."""
    full = script == "damage" and name.endswith(("_quarter", "_end", "_back", "_update"))
    marks = [pytest.mark.full] if full else []
    return pytest.param(script, name, id=f"{script}-{name[5:]}", marks=marks)


@pytest.mark.parametrize(("script", "name"), [case(*pair) for pair in CASES])
def test_on_micropython(script: str, name: str) -> None:
    run_on_board(script, name)


@pytest.fixture(scope="module")
def table() -> set[tuple[str, str, str]]:
    rows = json.loads(run_on_board("table", "test_print_it").split("\n")[0])
    return {tuple(row) for row in rows}


def test_the_guard_takes_rows_of_the_table(table: set[tuple[str, str, str]]) -> None:
    source = (ROOT / "guard" / "run.py").read_text()
    taken = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "after":
            state, event = node.args
            for word in ast.walk(event):
                if isinstance(word, ast.Constant):
                    taken.add((ast.literal_eval(state), word.value))
    assert taken <= {row[:2] for row in table} | {("committed", "trial")}  # a field, not an event
    assert len(taken) >= 4


def test_the_table_of_states_is_that_of_the_document(table: set[tuple[str, str, str]]) -> None:
    words = r"\| `(\w+)` \| `(\w+)`[^|]*\| `(\w+)` \|"
    document = (ROOT / "docs" / "design.md").read_text()
    assert set(re.findall(words, document)) == table


def test_the_guard_is_what_its_sources_make() -> None:
    text = build_guard.build()
    assert (ROOT / "device" / "ota_boot.py").read_text() == text
    assert text.count("\n") <= build_guard.LIMIT


def test_the_guard_imports_the_firmware_only_but_for_one_careful_place() -> None:
    tree = ast.parse(build_guard.build())
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for inner in ast.walk(node):
                for alias in (
                    getattr(inner, "names", []) if "Import" in type(inner).__name__ else []
                ):
                    names[alias.name] = node.name
    assert names == {"ota": "_climb"}


def test_two_sources_of_the_guard_may_not_define_the_same(tmp_path: Path) -> None:
    for folder in ("device/ota", "guard"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    with (tmp_path / "guard" / "run.py").open("a") as file:
        file.write("\n\ndef load():\n    pass\n")
    with pytest.raises(build_guard.GuardError, match=r"load is defined in device/ota/record\.py"):
        build_guard.build(tmp_path)
