"""The measurements measure: each in a small case, and no limit that only counts is missed."""

import importlib
import json
from types import SimpleNamespace

import pytest

from bench import __main__ as command
from bench import figures
from bench.figures import Row


@pytest.mark.parametrize("name", command.NAMES)
def test_each_script_measures_and_keeps_what_does_not_depend_on_the_load(name):
    module = importlib.import_module(f"bench.{name}")
    data = json.loads(json.dumps(module.measure(quick=True)))
    rows = module.rows(data)
    assert len(rows) >= 2
    for row in rows:
        # A limit that is known to be missed is held to what it was; the README says so.
        assert row.timed or row.met is not False or row.held, row
    assert "| what | measured | limit |" in figures.section(module, rows)


def test_a_missed_limit_shows(capsys):
    module = SimpleNamespace(
        __name__="bench.some",
        TITLE="Some",
        measure=lambda quick: {"quick": quick},
        rows=lambda data: [figures.at_most("size", 3, 2), figures.at_most("time", 1, 2)],
    )
    rows = module.rows({})
    assert rows == [Row("size", "3", "≤ 2", False), Row("time", "1", "≤ 2", True)]
    assert "| size | 3 | **≤ 2, missed** |\n| time | 1 | ≤ 2 |" in figures.table(rows)
    assert figures.at_most("t", 1.0, 2.0, figures.times).timed


def test_the_command_runs_what_is_asked_for_and_fails_when_a_limit_is_missed(monkeypatch, capsys):
    asked = []

    def loaded(name):
        return SimpleNamespace(
            __name__=name,
            TITLE=f"About {name}",
            measure=lambda quick: asked.append((name, quick)) or {"n": 3},
            rows=lambda data: [figures.at_most("size", data["n"], 2 if "heap" in name else 3)],
        )

    monkeypatch.setattr(command.importlib, "import_module", loaded)
    assert command.main(["put", "--quick"]) == 0
    assert command.main(["put", "heap", "--json"]) == 1
    assert asked == [("bench.put", True), ("bench.put", False), ("bench.heap", False)]
    out, err = capsys.readouterr()
    assert out.startswith("**About bench.put** (`python -m bench put`)")
    assert json.loads(out[out.index("{") :]) == {"put": {"n": 3}, "heap": {"n": 3}}
    assert "Missed: size" in err
    for wrong in (["nothing"], ["--quick", "--write"]):
        with pytest.raises(SystemExit):
            command.main(wrong)


def test_the_figures_take_their_place_in_the_document():
    text = "before\n\n**A** (`a`)\n\n| old |\n\n**B** (`b`)\n\n| b |\n"
    assert command.replaced(text, "**A** (`a`)\n\n| new |\n") == text.replace("old", "new")
    assert command.replaced(text, "**B** (`b`)\n\n| c |\n") == text.replace("| b |", "| c |")
    with pytest.raises(ValueError, match="no section"):
        command.replaced(text, "**C** (`c`)\n")
    # Each script has its section in the document that is there.
    for name in command.NAMES:
        title = f"**{importlib.import_module(f'bench.{name}').TITLE}** (`python -m bench {name}`)"
        assert command.MEASURED.read_text().count(title + "\n") == 1
