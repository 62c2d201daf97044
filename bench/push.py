"""What a developer waits for: `pico-ota push` of one changed file, and the command itself."""

import sys
import tempfile
from pathlib import Path

from bench import board, figures
from bench.figures import Data, Row, at_most, kb, seconds
from bench.terminal import counted, pico_ota, port_of
from bench.update import places

TITLE = "The command line"
_CHANGED = 2048
_HELP_S = 0.35


def one_changed(count: int, size: int, rounds: int) -> Data:
    """Return what `push` sends, and how long it takes, when one file of 2 KB has changed.

    The time is that of the whole process up to the commit, the shortest of *rounds*.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = board.make_files(folder, count - 1, size - _CHANGED)
        changed = folder / "app/part0/changed.py"
        changed.write_bytes(board.noise(_CHANGED, 100))
        content = {f"/{path}": data for path, data in files.items()}
        found: Data = {"files": count, "bytes": size, "sent": [], "seconds": []}
        with (
            board.started(files=content, board=board.LARGE) as pico,
            board.client(pico) as web,
            counted(pico) as wire,
        ):
            there = places(pico.image, content)
            for number in range(rounds):
                changed.write_bytes(board.noise(_CHANGED, 101 + number))
                sent, version = wire.sent, f"1.0.{number}"
                push = pico_ota(
                    *("push", name, "--no-wait", "--json", "--version", version),
                    port=wire.port,
                    cwd=folder,
                )
                if [*push.answer["new"], *push.answer["changed"]] != ["/app/part0/changed.py"]:
                    raise ValueError(f"one file should have been sent: {push.out}")
                found["sent"].append(wire.sent - sent)
                found["seconds"].append(push.seconds)
                board.wait_state(web, version)
            found["rewritten"] = len(places(pico.image, content) ^ there)
        return found


def confirmed(rounds: int) -> list[float]:
    """Return the seconds of `push --confirm` of one changed line, flash timing, each round."""
    program = (board.APP / "main.py").read_text().replace("after_s=1", "after_s=60")
    with tempfile.TemporaryDirectory() as name, board.started(flash_timing=True) as pico:
        taken = []
        for number in range(rounds):
            (Path(name) / "main.py").write_text(f"{program}# {number}\n")
            push = pico_ota("push", name, "--confirm", "--json", port=port_of(pico))
            if push.answer["outcome"] != "confirmed":
                raise ValueError(f"it should have been confirmed: {push.out}")
            taken.append(push.seconds)
    return taken


def help_text(rounds: int) -> list[float]:
    """Return the seconds that `pico-ota --help` takes, each round."""
    return [pico_ota("--help").seconds for _ in range(rounds)]


def measure(quick: bool = False) -> Data:
    """Measure all."""
    count, size, rounds = (5, 20_000, 1) if quick else (50, 400_000, 5)
    return {
        **one_changed(count, size, rounds),
        "confirmed": confirmed(rounds),
        "help": help_text(1 if quick else 15),
    }


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    app = f"{data['files']} files, {data['bytes'] // 1000} KB"
    return [
        at_most(
            f"bytes sent by `push`, one file of 2 KB changed of {app}",
            max(data["sent"]),
            12 * 1024,
            kb,
        ),
        at_most("… unchanged files that were written again", data["rewritten"], 0),
        at_most(
            "… until the device has committed, the process and all",
            min(data["seconds"]),
            1.5,
            seconds,
        ),
        at_most(
            "`push --confirm` of one changed line, with flash timing, the process and all",
            min(data["confirmed"]),
            4.0,
            seconds,
        ),
        at_most("`pico-ota --help`", min(data["help"]), _HELP_S, seconds),
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
