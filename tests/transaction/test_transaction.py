"""The transaction and the guard on MicroPython, with a flash of a Pico's rules at `/`.

Each `test_*` function of a script in on_board/ is a test of its own, in a process of its own.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(("script", "name"), CASES, ids=[f"{s}-{n[5:]}" for s, n in CASES])
def test_on_micropython(script: str, name: str) -> None:
    run_on_board(script, name)


def test_the_table_of_states_is_the_one_that_the_guard_uses() -> None:
    # The guard imports nothing of ours: the words it writes are compared with the table here.
    table = json.loads(run_on_board("table", "test_print_it").split("\n")[0])
    guard = {line.split("=")[0].strip() for line in _guard_lines() if "#" not in line}
    assert guard
    known = {state for row in table for state in (row[0], row[2])}
    assert known == {"idle", "staging", "committed", "trial", "reverting"}
    for state in _states_written_by_the_guard():
        assert state in {row[2] for row in table}


def _guard_lines() -> list[str]:
    return (ROOT / "device" / "ota_boot.py").read_text().splitlines()


def _states_written_by_the_guard() -> set[str]:
    found = set()
    for line in _guard_lines():
        if 'record["state"] = ' in line:
            found.add(line.split('= "')[1].rstrip('"'))
    assert found == {"trial", "idle", "reverting"}
    return found
