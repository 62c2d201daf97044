"""What the console costs a program: print() while it is kept, only watched, and not heard at all.

MicroPython prints onto a terminal that is read, as a board does over USB, and hands each piece to
the console as the firmware does. The end of the program is watched for in any case; what is new is
that the text is kept. The shortest of many short rounds.
"""

import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

from bench import figures
from bench.figures import Data, Row, at_most, times

TITLE = "The console"
MICROPYTHON = Path(sys.executable).with_name("micropython")
DEVICE = Path(__file__).parents[1] / "device"

# The text comes in one piece, its end in another, as bytearrays (extmod/os_dupterm.c).
_PROGRAM = """
import sys, time

class Machine:
    class Timer:
        def __init__(self, number):
            pass

class Os:
    @staticmethod
    def dupterm(stream):
        pass

import ota
sys.modules["machine"], sys.modules["os"] = Machine, Os
from ota.console import Console

text = "40 characters are a line of many a log.."
assert len(text) == 40
piece, end = bytearray(text.encode()), bytearray(b"\\r\\n")
kept = Console(False)
globals_of_it = {"__name__": "watching"}
exec(WATCHING, globals_of_it)
watching = globals_of_it["Console"](False)

def alone(count):
    start = time.ticks_us()
    for _ in range(count):
        print(text)
    return time.ticks_diff(time.ticks_us(), start)

def heard(count, write):
    start = time.ticks_us()
    for _ in range(count):
        print(text)
        write(piece)
        write(end)
    return time.ticks_diff(time.ticks_us(), start)

least = [1 << 29, 1 << 29, 1 << 29]
for _ in range(ROUNDS):
    least[0] = min(least[0], alone(COUNT))
    least[1] = min(least[1], heard(COUNT, watching.write))
    least[2] = min(least[2], heard(COUNT, kept.write))
print("measured", *least)
"""


_KEEPING = "        self.ring.write(data)\n"


def printing(rounds: int, count: int) -> list[int]:
    """Return the microseconds that *count* prints take: unheard, watched, and kept as well."""
    master, slave = pty.openpty()
    watching = (DEVICE / "ota/console.py").read_text()
    assert _KEEPING in watching
    head = f"WATCHING = {watching.replace(_KEEPING, '')!r}\n"
    code = head + _PROGRAM.replace("ROUNDS", str(rounds)).replace("COUNT", str(count))
    environment = {**os.environ, "MICROPYPATH": f"{DEVICE}:.frozen"}
    process = subprocess.Popen(
        [MICROPYTHON, "-c", code], stdout=slave, stderr=subprocess.PIPE, env=environment
    )
    os.close(slave)
    kept = bytearray()

    def read() -> None:
        try:
            while data := os.read(master, 65536):
                kept.extend(data)
                del kept[:-65536]
        except OSError:
            pass  # its other end is closed

    reader = threading.Thread(target=read)
    reader.start()
    _, said = process.communicate(timeout=300)
    reader.join()
    os.close(master)
    if process.returncode:
        raise RuntimeError((bytes(kept[-1000:]) + said).decode())
    return [int(part) for part in bytes(kept).split(b"measured ")[1].split()[:3]]


def measure(quick: bool = False) -> Data:
    """Measure the three in turn."""
    count = 100
    alone, watched, kept = printing(30 if quick else 500, count)
    return {"count": count, "alone": alone, "watched": watched, "kept": kept}


def rows(data: Data) -> list[Row]:
    """Compare with the limit."""
    return [
        at_most(
            "print() of 40 characters onto a terminal that is read, with the console on, against "
            "without (where the end of the program is only watched for)",
            data["kept"] / data["watched"],
            1.3,
            times,
        ),
        Row("… against a print() that nothing listens to", times(data["kept"] / data["alone"])),
        Row("… which takes", f"{data['alone'] / data['count']:.1f} µs"),
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
