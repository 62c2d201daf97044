"""How soon a board is reachable again, whatever became of its program and whatever brought it.

    python -m bench.contact [--write]

Every bad end of a program, brought in every way, on the simulated Pico; and healthy programs that
must not be taken for one. The cases are those of tests/trial/test_changed_by_hand.py. Prints both
tables of docs/losing-contact.md as Markdown, which --write renews.
"""

import argparse
import itertools
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pico_ota.devicefiles import device_files
from pico_ota.sim.image import create

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs/losing-contact.md"
_AT_ONCE = 8
_BEGIN, _END = "<!-- measured -->\n", "<!-- end -->\n"

Cells = dict[tuple[str, str], tuple[float, str, str] | Exception]
Starts = dict[str, int | Exception]


def measure() -> tuple[Cells, Starts]:
    """Return what each bad end came to, and how many starts each healthy program has had.

    A bad end: (seconds, mode, reason). In place of either stands the exception where a board was
    lost, or a healthy program reverted or put into rescue mode.
    """
    sys.path.insert(0, str(ROOT / "tests/trial"))
    import rig
    import test_changed_by_hand as cases
    import test_trial

    asleep = "an update whose program sleeps (`machine.lightsleep`) longer than the watchdog waits"
    healthy = (
        *cases.HEALTHY,
        (asleep, test_trial.a_program_that_sleeps_between_its_turns_is_confirmed, "pico_w"),
    )
    files = device_files()
    number = itertools.count()
    boards = []
    with tempfile.TemporaryDirectory() as folder:

        def make_board(main=None, more=None, **options):
            options.pop("kind", None)  # all are of one
            image = Path(folder, f"board{next(number)}.img")
            create(image, "pico_w", files)
            content = {"/main.py": main or rig.app(), **rig.DATA, **(more or {})}
            board = rig.Board(image, content, **options)
            boards.append(board)
            return board

        def run(function, *arguments):
            try:
                return function(make_board, *arguments)
            except Exception as error:
                return error

        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                cells = {
                    cell: pool.submit(run, cases.is_reachable_again, *cell) for cell in cases.CELLS
                }
                starts = {what: pool.submit(run, *case) for what, *case in healthy}
            return (
                {cell: done.result() for cell, done in cells.items()},
                {what: done.result() for what, done in starts.items()},
            )
        finally:
            for board in boards:
                board.close()
                board.client.close()


def table(found: Cells) -> str:
    """Return *found* as a Markdown table."""
    ways = list(dict.fromkeys(way for way, _ in found))
    lines = [f"| the program … | {' | '.join(ways)} |", f"|---|{'--:|' * len(ways)}"]
    for bad in dict.fromkeys(bad for _, bad in found):
        cells = []
        for way in ways:
            cell = found.get((way, bad))
            if isinstance(cell, tuple):
                cells.append(f"{cell[0]:.0f} s, {cell[1]}")
            else:
                cells.append("—" if cell is None else f"**lost**: {type(cell).__name__}")
        lines.append(f"| {bad} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def healthy_table(found: Starts) -> str:
    """Return *found* as a Markdown table."""
    lines = ["| a healthy program | starts | reverted, or in rescue mode |", "|---|--:|--:|"]
    for what, starts in found.items():
        if isinstance(starts, int):
            lines.append(f"| {what} | {starts} | 0 |")
        else:
            lines.append(f"| {what} | | **{type(starts).__name__}** |")
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Measure; 1 when a board was lost, or a healthy program was not left alone."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"renew {DOCUMENT.name}")
    options = parser.parse_args(argv)
    cells, starts = measure()
    tables = [table(cells), healthy_table(starts)]
    print("\n".join(tables))
    wrong = {what: done for what, done in (cells | starts).items() if isinstance(done, Exception)}
    for what, error in wrong.items():
        print(what, error, file=sys.stderr)
    if options.write and not wrong:
        text = ""
        rest = DOCUMENT.read_text()
        for measured in tables:
            before, _, rest = rest.partition(_BEGIN)
            text += before + _BEGIN + measured + _END
            rest = rest.partition(_END)[2]
        DOCUMENT.write_text(text + rest)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
