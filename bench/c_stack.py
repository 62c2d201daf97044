"""How deep the C stack gets while the board answers, in normal and in rescue mode.

A Pico W has 8 KB of it. The simulated board has more, with 64-bit frames, and Python where the
board has C. So its flash driver notes how much of the stack is in use when littlefs calls it: that
is where imports, reads and writes are deepest. 4 KB are taken off for each import under way, since
the unix port has the path there, of up to 4096 bytes where the board has 128. What is left is
converted into what real firmware used for the same. Each request is the first of its board, so
that what it needs is imported on the way.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import httpx

from bench import board, figures, protocol
from bench.figures import Data, Row
from pico_ota import release
from pico_ota.devicefiles import compile_tree, device_files
from pico_ota.pack import packed
from pico_ota.sim import SimulatedPico, rom

TITLE = "The C stack"
_LIMIT = 6200  # on the board
_SETTLE_S = 2.5
_WORD = 100  # three registers of the simulated board that nothing else uses
#: What real firmware used (MicroPython 1.28, RP2040) and what was noted here, with 0.1.0.
#: Page, status, listing, `PUT` and a release in both modes: within 250 bytes but for one (390).
_FACTOR, _OFFSET = 0.63, -840

# Added to the firmware of the simulated board. An import is on its way while modules are being
# executed, which says nothing of the one that they import, or when one is looked for in the pack.
_DEEP = f"""
from _chip import W
def looking():
    W[{_WORD + 2}] = 1
def entered():
    W[{_WORD + 1}] += 1
    W[{_WORD + 2}] = 1
def found():
    W[{_WORD + 2}] = 1 if W[{_WORD + 1}] else 0
def left():
    W[{_WORD + 1}] -= 1
    W[{_WORD + 2}] = 1 if W[{_WORD + 1}] else 0
"""
_NOTED = "_busy[0] = 1\n"
_NOTE = f"""{_NOTED}        used = stack_use() - (W[{_WORD + 1}] + W[{_WORD + 2}]) * 3968
        if used > W[{_WORD}]:
            W[{_WORD}] = used
"""
_CONST = "from micropython import const\n"
_TAKE_NAMES = '    for name in names + ["chip", "rom", "flash"]:\n'
_LOOKS_UP = b'    wanted = b"\\n%s " % path[1:]\n'
# The firmware's own function imports two modules before it waits, and looks for files first.
_OPENS = b"            pair = await asyncio.open_connection("
_OPENED = b"        self._stream = pair[0]"

#: The deepest two.
_QUICK = ("status", "signed release of 6 files")

Ask = Callable[[httpx.Client], object]


@contextmanager
def noting() -> Iterator[None]:
    """Give boards that are started in a `with` block such a firmware."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "firmware"
        shutil.copytree(rom._FIRMWARE, folder)
        (folder / "_deep.py").write_text(_DEEP)
        _replace(folder / "_flash.py", _NOTED, _NOTE)
        _replace(folder / "_flash.py", _CONST, _CONST.replace("const", "const, stack_use"))
        more = '    modules["_deep"] = __import__("_deep")\n'
        _replace(folder / "_rom.py", _TAKE_NAMES, more + _TAKE_NAMES)
        with mock.patch.object(rom, "_FIRMWARE", folder):
            content = rom.content.__wrapped__()
    with mock.patch.object(rom, "content", return_value=content):
        yield


def _replace(file: Path, text: str, by: str) -> None:
    source = file.read_text()
    if text not in source:
        raise ValueError(f"{file.name} of the simulated board looks different")
    file.write_text(source.replace(text, by))


def telling_files() -> board.Files:
    """Return the device files, with modules that say when they are imported.

    Raises:
        ValueError: the package looks different.
    """
    files = {}
    for path, data in device_files(mpy=False).items():
        if path.endswith(".py") and path != "/boot.py":
            data = b"import _deep\n_deep.entered()\n" + data + b"\n_deep.left()\n"
        files[path] = data
    package = files["/ota/__init__.py"]
    if package.count(_LOOKS_UP) != 1:
        raise ValueError("ota/__init__.py looks for modules in another way")
    web = files["/ota/web.py"]
    if web.count(_OPENS) != 1 or web.count(_OPENED) != 1:
        raise ValueError("ota/web.py opens a connection in another way")
    web = web.replace(_OPENS, b"            _deep.looking()\n" + _OPENS)
    files["/ota/web.py"] = web.replace(_OPENED, b"        _deep.found()\n" + _OPENED)
    files["/ota/__init__.py"] = package.replace(_LOOKS_UP, b"    _deep.looking()\n" + _LOOKS_UP)
    main = (board.APP / "main.py").read_bytes()
    files["/main.py"] = b"import _deep\n_deep.looking()\n" + main
    return packed(compile_tree(files), files)


def depth(before: board.Files, ask: Ask, rescue: bool, goes_live: bool = False) -> int:
    """Return the most of the stack that is in use during *ask*, as bytes of the 64-bit port.

    With *goes_live* it is what is used after the restart, from listening to the confirmation.
    """
    with board.started(files={**telling_files(), **before}) as pico:
        time.sleep(_SETTLE_S)
        if rescue:
            _restarted(pico, lambda web: web.post("/api/v1/reboot", json={"mode": "rescue"}))
            time.sleep(_SETTLE_S)
        if goes_live:
            _restarted(pico, ask)
            pico.wait_console("is confirmed", 30)
        else:
            with board.client(pico) as web:
                _words(pico)[_WORD] = 0
                ask(web)
        return _words(pico)[_WORD]


def _restarted(pico: SimulatedPico, ask: Ask) -> None:
    since = len(pico.events)
    with board.client(pico) as web:
        ask(web)
    pico.wait_event("boot", 20, since)
    pico.wait_listening(20)
    _words(pico)[_WORD] = 0


def _words(pico: SimulatedPico) -> memoryview:
    hardware = pico._hardware
    if hardware is None:
        raise TimeoutError(f"the board is off:\n{pico.console()}")
    return hardware.registers.words


def on_board(used: float) -> int:
    """Return what the board uses where *used* bytes are read here."""
    return round(used * _FACTOR + _OFFSET)


def requests(folder: Path, many: int, count: int) -> dict[str, tuple[board.Files, Ask]]:
    """Return what is asked for, by name: the files that it takes on the board, and the request."""
    release.keygen(folder / "keys")
    board.make_files(folder / "tree", count, count * 1000)
    archive = folder / "release.swu"
    release.build(folder / "tree", archive, "2.0.0", sign_key=folder / "keys/private.pem")
    public = {"/public.json": (folder / "keys/public.json").read_bytes()}
    data = archive.read_bytes()
    listed = {f"/many/file{n:03}.txt": b"x" for n in range(many)}
    deep = "/fs/" + "/".join("abcdefghijklmno") + "/x.txt"
    files = {f"/{path}": content for path, content in board.some_files(10, 20_000).items()}
    return {
        "`GET /`": ({}, lambda web: protocol.read(web, protocol.PAGE)),
        "status": ({}, lambda web: protocol.read(web, protocol.STATUS)),
        f"listing of {many} files": (listed, lambda web: protocol.read(web, "/fs/many/")),
        "`PUT` into 15 new folders": (
            {},
            lambda web: web.put(deep, content=bytes(5000)).raise_for_status(),
        ),
        "push of 10 files": ({}, lambda web: protocol.push(web, "2.0.0", files, restart=False)),
        f"signed release of {count} files": (
            public,
            lambda web: protocol.release(web, data, restart=False),
        ),
    }


def measure(quick: bool = False) -> Data:
    """Measure each in both modes, and a trial."""
    many, count = (20, 6) if quick else (200, 60)
    with tempfile.TemporaryDirectory() as name, noting(), ThreadPoolExecutor(2) as pool:
        jobs = {}
        for what, given in requests(Path(name), many, count).items():
            if quick and what not in _QUICK:
                continue
            jobs[what] = {
                mode: pool.submit(depth, *given, mode == "rescue") for mode in ("normal", "rescue")
            }
        update = {"/data.txt": b"new"}
        jobs["the trial of an update"] = {
            "normal": pool.submit(
                depth, {}, lambda web: protocol.push(web, "2.0.0", update), False, True
            )
        }
        return {
            what: {mode: job.result() for mode, job in modes.items()}
            for what, modes in jobs.items()
        }


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    return [
        Row(
            what,
            ", ".join(f"{mode} {on_board(used)} B" for mode, used in modes.items()),
            f"≤ {_LIMIT} B",
            max(map(on_board, modes.values())) <= _LIMIT,
        )
        for what, modes in data.items()
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
