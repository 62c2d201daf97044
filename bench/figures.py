"""What a measured figure is, and how the scripts of this folder print theirs.

Each script has `measure(quick=False) -> dict`, which measures, `rows(data) -> list[Row]`, which
compares with the limits, and a TITLE. `quick` is a smaller case for the tests.

The machine may be busy: times are compared within one run, both sides in turn, and the shortest
of several rounds counts, which others have disturbed least.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Data = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of a table; `met` is None where there is no limit.

    `timed` is true where a busy machine measures more. `held` tells of a limit that is known to be
    missed whether the figure is at least no worse than it was; None where that is not looked at.
    """

    what: str
    measured: str
    limit: str = ""
    met: bool | None = None
    timed: bool = False
    held: bool | None = None


def at_most(
    what: str,
    measured: float,
    limit: float,
    show: Callable[[float], str] = str,
    no_worse: float | None = None,
) -> Row:
    """Return the row of a figure that has an upper limit; *show* writes both numbers.

    *no_worse* is what the figure may be at most as long as the limit is missed.
    """
    timed = show in (seconds, times)
    held = None if no_worse is None else measured <= no_worse
    return Row(what, show(measured), f"≤ {show(limit)}", measured <= limit, timed, held)


def kb(size: float) -> str:
    """Write a number of bytes in KB."""
    return f"{size / 1024:.1f} KB"


def times(ratio: float) -> str:
    """Write a ratio."""
    return f"{ratio:.2f}x"


def seconds(duration: float) -> str:
    """Write a time."""
    return f"{duration:.2f} s"


def table(rows: Sequence[Row]) -> str:
    """Return *rows* as a Markdown table; a limit that is missed is said in bold."""
    lines = ["| what | measured | limit |", "|---|--:|--:|"]
    for row in rows:
        limit = f"**{row.limit}, missed**" if row.met is False else row.limit
        lines.append(f"| {row.what} | {row.measured} | {limit} |")
    return "\n".join(lines)


def section(module: ModuleType, rows: Sequence[Row]) -> str:
    """Return the part of the document that *module* has measured."""
    name = module.__name__.rpartition(".")[2]
    return f"**{module.TITLE}** (`python -m bench {name}`)\n\n{table(rows)}\n"


def run(name: str, argv: Sequence[str] | None = None) -> int:
    """Be the `main()` of the script called *name*: measure and print, as JSON with `--json`."""
    module = sys.modules[name]
    argv = sys.argv[1:] if argv is None else argv
    data = module.measure(quick="--quick" in argv)
    if "--json" in argv:
        print(json.dumps(data, indent=1))
    else:
        print(table(module.rows(data)))
    return 0
