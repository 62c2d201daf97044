"""The command line ``pico-ota``: one file per verb, heavy imports inside the verbs."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments after the program's name; None takes those of the process.

    Returns:
        The exit status: 0 done, 1 failed, 2 usage, 3 unreachable, 4 credentials, 5 reverted,
        130 interrupted.
    """
    from .app import call

    return call(sys.argv[1:] if argv is None else argv)


def run() -> None:
    """The console script."""
    sys.exit(main())
