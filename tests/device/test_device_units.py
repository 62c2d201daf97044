"""The modules of `ota/`, one by one, on MicroPython with a littlefs of a Pico's geometry at `/`.

Each `test_*` function of a script in on_board/ is a test of its own, in a process of its own.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DEVICE = HERE.parents[1] / "device"
MICROPYTHON = Path(sys.executable).with_name("micropython")
SCRIPTS = sorted(path for path in (HERE / "on_board").glob("*.py") if path.stem != "harness")


def functions(script: Path) -> list[str]:
    tree = ast.parse(script.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [n.name for n in tree.body if isinstance(n, kinds) and n.name.startswith("test_")]


CASES = [(script.stem, name) for script in SCRIPTS for name in functions(script)]


def test_the_scripts_are_found() -> None:
    assert len(SCRIPTS) >= 11
    assert len(CASES) > 60


@pytest.mark.parametrize(("script", "name"), CASES, ids=[f"{s}-{n[5:]}" for s, n in CASES])
def test_on_micropython(script: str, name: str, tmp_path: Path) -> None:
    here = str(HERE / "on_board")
    arguments = here, str(DEVICE), str(tmp_path / "flash.img"), script, name
    code = f"import sys; sys.path.append({here!r}); import harness; harness.main(*{arguments})"
    done = subprocess.run([MICROPYTHON, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.endswith("passed\n"), done.stdout + done.stderr
