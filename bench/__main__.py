"""`python -m bench [NAME...] [--quick] [--json] [--write]`: measure, and print one document."""

import argparse
import importlib
import json
import sys
from pathlib import Path

from bench.figures import Row, section

#: The scripts, in the order of the document.
NAMES = (
    "least_heap",
    "heap",
    "names",
    "c_stack",
    "instructions",
    "put",
    "update",
    "idle_boot",
    "release",
    "push",
    "compare",
    "page",
    "footprint",
    "clients",
)
README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def main(argv: list[str] | None = None) -> int:
    """Measure what the command line asks for; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="smaller cases, as the tests do")
    parser.add_argument("--json", action="store_true", help="print the data, not the tables")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    options = parser.parse_args(argv)
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if options.write and (options.names or options.quick):
        parser.error("--write is for all figures in full")
    found, parts = {}, []
    every: list[Row] = []
    for name in options.names or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        module = importlib.import_module(f"bench.{name}")
        found[name] = module.measure(quick=options.quick)
        rows = module.rows(found[name])
        parts.append(section(module, rows))
        every += rows
        if not options.json:
            print(parts[-1], flush=True)
    if options.json:
        print(json.dumps(found, indent=1))
    if options.write:
        README.write_text(replaced(README.read_text(), "\n".join(parts)))
    missed = [row.what for row in every if row.met is False]
    if missed:
        print("Missed:", "; ".join(missed), file=sys.stderr)
    return 1 if missed else 0


def replaced(text: str, figures: str) -> str:
    """Return *text* with *figures* between the two marks.

    Raises:
        ValueError: the marks are not there.
    """
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"README.md has no place for figures: {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{figures}{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
