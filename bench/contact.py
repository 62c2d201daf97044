"""How soon a board is reachable again, whatever became of its program and whatever brought it.

    python -m bench.contact [--write]

Every bad end of a program, brought in every way, on the simulated Pico; the cases are those of
tests/trial/test_changed_by_hand.py. Prints the table of docs/losing-contact.md as Markdown, which
--write renews.
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


def measure(at_once: int = _AT_ONCE) -> dict[tuple[str, str], tuple[float, str, str] | Exception]:
    """Return (seconds, mode, reason) of each cell, or what went wrong there."""
    sys.path.insert(0, str(ROOT / "tests/trial"))
    import rig
    import test_changed_by_hand as cases

    files = device_files()
    number = itertools.count()
    boards = []
    with tempfile.TemporaryDirectory() as folder:

        def make_board(main, more, **options):
            image = Path(folder, f"board{next(number)}.img")
            create(image, "pico_w", files)
            board = rig.Board(image, {"/main.py": main, **rig.DATA, **more}, **options)
            boards.append(board)
            return board

        def run(cell):
            try:
                return cases.is_reachable_again(make_board, *cell)
            except Exception as error:
                return error

        try:
            with ThreadPoolExecutor(at_once) as pool:
                return dict(zip(cases.CELLS, pool.map(run, cases.CELLS), strict=True))
        finally:
            for board in boards:
                board.close()
                board.client.close()


def table(found: dict[tuple[str, str], tuple[float, str, str] | Exception]) -> str:
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


def main(argv: list[str] | None = None) -> int:
    """Measure; 1 when a board was lost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"renew {DOCUMENT.name}")
    options = parser.parse_args(argv)
    found = measure()
    text = table(found)
    print(text)
    lost = [cell for cell, what in found.items() if isinstance(what, Exception)]
    for cell in lost:
        print(cell, found[cell], file=sys.stderr)
    if options.write and not lost:
        before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
        DOCUMENT.write_text(before + _BEGIN + text + _END + rest.partition(_END)[2])
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
