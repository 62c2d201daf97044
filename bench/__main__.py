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
    "console",
    "page",
    "footprint",
    "clients",
    "logins",
    "pulling",
    "tls",
)
MEASURED = Path(__file__).parents[1] / "docs/measured.md"


def main(argv: list[str] | None = None) -> int:
    """Measure what the command line asks for; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="smaller cases, as the tests do")
    parser.add_argument("--json", action="store_true", help="print the data, not the tables")
    parser.add_argument("--write", action="store_true", help="renew docs/measured.md")
    options = parser.parse_args(argv)
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if options.write and options.quick:
        parser.error("--write is for figures in full")
    found = {}
    every: list[Row] = []
    for name in options.names or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        module = importlib.import_module(f"bench.{name}")
        found[name] = module.measure(quick=options.quick)
        rows = module.rows(found[name])
        every += rows
        if not options.json:
            print(section(module, rows), flush=True)
        if options.write:
            MEASURED.write_text(replaced(MEASURED.read_text(), section(module, rows)))
    if options.json:
        print(json.dumps(found, indent=1))
    missed = [row.what for row in every if row.met is False]
    if missed:
        print("Missed:", "; ".join(missed), file=sys.stderr)
    return 1 if missed else 0


def replaced(text: str, figures: str) -> str:
    """Return *text*, a document, with the section *figures* in place of the one so called.

    Raises:
        ValueError: there is none.
    """
    title = figures.partition("\n")[0]
    before, found, rest = text.partition(title + "\n")
    if not found:
        raise ValueError(f"docs/measured.md has no section {title}")
    # A section ends where the next one, or another kind of text, begins.
    _, begins, after = rest.partition("\n**")
    return before + figures + (begins + after if begins else "")


if __name__ == "__main__":
    sys.exit(main())
