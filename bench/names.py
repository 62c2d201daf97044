"""What stays on the heap after everything was used once and unloaded: names, and where they lie.

MicroPython interns the names in each module that it loads and frees none of them. They are counted
above those of asyncio, of what takes the orders here, and of the simulator's stand-ins for modules
of the firmware, whose names are in the firmware. The heap has as many blocks as a Pico W's.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

from bench import board, figures, protocol
from bench.figures import Data, Row, at_most
from pico_ota import release
from pico_ota.sim import SimulatedPico

TITLE = "What stays in the heap"
_HEAP = "400K"
_SETTLE_S = 2.5
_REST_S = 75  # unused for a minute, the service unloads what it has loaded
_NAME = re.compile(r"^Q\((.*)\)$", re.MULTILINE)
_LIST = b"""
import micropython, asyncio, control, others
asyncio.run(control.start())
micropython.qstr_info(1)
"""
_END = "n_total_bytes="


def without_ours() -> set[str]:
    """Return the names that are interned where there is no updater."""
    files = {f"/{name}": (board.APP / name).read_bytes() for name in ("control.py", "others.py")}
    files["/main.py"] = _LIST
    with (
        tempfile.TemporaryDirectory() as name,
        SimulatedPico(Path(name) / "flash.img", device_files=files, heap=_HEAP) as pico,
    ):
        pico.start()
        pico.wait_event("prompt", 20)
        return set(_NAME.findall(pico.console()))


def _names(pico: SimulatedPico) -> set[str]:
    before = len(pico.console())
    board.order(pico, "names")
    end = time.monotonic() + 20
    while _END not in (printed := pico.console()[before:]) and time.monotonic() < end:
        time.sleep(0.1)
    return set(_NAME.findall(printed))


def after_everything(rest_s: float) -> Data:
    """Return what is there before the first request, and after each kind and *rest_s* of rest."""
    own = without_ours()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release.keygen(folder / "keys")
        board.make_files(folder / "tree", 6, 20_000)
        archive = folder / "release.swu"
        release.build(folder / "tree", archive, "2.0.0", sign_key=folder / "keys/private.pem")
        data = archive.read_bytes()
    files = {f"/{path}": content for path, content in board.some_files(6, 20_000, 3).items()}
    with board.started(control=True, heap=_HEAP) as pico:
        time.sleep(_SETTLE_S)
        found: Data = {"before": [len(_names(pico) - own), board.order(pico, "piece")]}
        with board.client(pico) as web:
            for address in (protocol.PAGE, protocol.STATUS, protocol.LISTING, protocol.LOG):
                protocol.read(web, address)
            web.put("/fs/put.bin", content=bytes(65536)).raise_for_status()
            for step in protocol.pushing(web, "1.0.0", files):
                if step == "files":
                    break
            web.delete(protocol.UPDATE).raise_for_status()
            protocol.release(web, data, restart=False)
        time.sleep(rest_s)
        left = _names(pico) - own
        found["after"] = [len(left), board.order(pico, "piece")]
        found["names"] = sorted(left)
    return {**found, "rested": rest_s >= _REST_S}


def measure(quick: bool = False) -> Data:
    """Measure it; *quick* without the rest."""
    return after_everything(1 if quick else _REST_S)


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    (names_before, before), (names_after, after) = data["before"], data["after"]
    return [
        at_most(
            f"interned names, {names_before} of them before the first request",
            names_after,
            480,
            no_worse=495,
        ),
        Row(
            "largest free piece of the heap, of what it was before the first request",
            f"{after / before:.0%} ({after // 1024} of {before // 1024} K)",
            "≥ 75%" if data["rested"] else "",
            after >= 0.75 * before if data["rested"] else None,
        ),
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
