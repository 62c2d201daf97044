"""WiFiManager on MicroPython, one process for each scenario of scenarios.py."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MICROPYTHON = Path(sys.executable).with_name("micropython")
HELPERS = {"manager", "names", "until", "error_of", "refused", "main"}


def scenarios() -> list[str]:
    tree = ast.parse((HERE / "scenarios.py").read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [n.name for n in tree.body if isinstance(n, functions) and n.name not in HELPERS]


def run(name: str) -> subprocess.CompletedProcess[str]:
    path = [str(HERE / "board"), str(ROOT / "device"), ".frozen"]
    return subprocess.run(
        [MICROPYTHON, str(HERE / "scenarios.py"), name],
        env={**os.environ, "MICROPYPATH": ":".join(path)},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_the_scenarios_are_found() -> None:
    assert len(scenarios()) > 30


@pytest.mark.parametrize("name", scenarios())
def test_board(name: str) -> None:
    result = run(name)
    assert result.stdout.endswith("passed\n"), result.stdout + result.stderr
