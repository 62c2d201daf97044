"""The least heap of a simulated board with which each kind of request works.

The board runs the small application of the measurements. Each try is a board of its own. It fails
when the board does not listen, when an answer is a refusal or breaks off, when the application
ends, and when the files are not those that were sent. Objects of the simulated board are 64-bit:
they take about twice what they take on the board, and 15 KB are the simulator's own.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from bench import board, figures, protocol
from bench.figures import Data, Row, at_most
from pico_ota import release
from pico_ota.sim import SimulatedPico
from pico_ota.sim.image import read_tree

TITLE = "The least heap"
_STEP = 5  # KB
_LEAST, _MOST = 60, 260
_AT_ONCE = 2  # tries: where garbage lies is a matter of chance
_SETTLE_S = 2.5  # until the start has been found good, and what that took is unloaded
_UPLOAD = 64 * 1024
_COUNT, _BYTES = 10, 40_000  # files of an update, and all of them together
_VERSION = "2.0.0"
_ENDS = ("prompt", "crash")
_NO_WORSE = 1.15  # of its limit: what a heap that is known to miss it may be at most
_EDITED = "/fs/data/edited.py"

Files = dict[str, bytes]
Ask = Callable[[httpx.Client], object]


class Failed(Exception):
    """The board has not done what it was asked for."""


@dataclass(frozen=True)
class Case:
    """One kind of request: what is done, and what has to be on the board before and after it."""

    name: str
    limit: int | None  # KB
    ask: Ask
    before: Files = field(default_factory=dict)
    after: Files = field(default_factory=dict)
    restarts: bool = False  # into a trial, which is waited for
    known: int | None = None  # KB with which it works where it misses its limit by far
    digest: bool = False  # the client logs in by Digest, else by Basic

    @property
    def worst(self) -> int | None:
        """With how many KB it has to work as long as its limit is missed."""
        return self.known or (int(self.limit * _NO_WORSE) if self.limit else None)


def cases(folder: Path) -> list[Case]:
    """Return everything that is measured; *folder* is for what it takes."""
    release.keygen(folder / "keys")
    sent = board.make_files(folder / "tree", _COUNT, _BYTES)
    key = folder / "keys/private.pem"
    release.build(folder / "tree", folder / "x.swu", _VERSION, sign_key=key)
    archive = (folder / "x.swu").read_bytes()
    public = {"/public.json": (folder / "keys/public.json").read_bytes()}
    files = {f"/{path}": data for path, data in sent.items()}
    upload = board.noise(_UPLOAD)
    program = b"print('one line of a program')\n" * 200
    edited = program + b"# and one more\n"

    def reads(*addresses: str) -> Ask:
        return lambda web: [protocol.read(web, address) for address in addresses]

    def put(web: httpx.Client) -> None:
        web.put("/fs/data/upload.bin", content=upload).raise_for_status()

    def daily(web: httpx.Client) -> None:
        reads(protocol.PAGE, protocol.STATUS, protocol.LOG, protocol.LISTING)(web)
        reads(protocol.CONSOLE)(web)
        opened = web.get(_EDITED).raise_for_status()
        reads(protocol.CONSOLE, protocol.STATUS)(web)
        only = {"If-Match": opened.headers["ETag"]}
        web.put(_EDITED, content=edited, headers=only).raise_for_status()
        reads(protocol.LISTING, protocol.CONSOLE, protocol.STATUS)(web)

    def as_page(web: httpx.Client) -> None:
        reads(protocol.PAGE, protocol.STATUS, protocol.LISTING, protocol.LOG)(web)
        protocol.push(web, _VERSION, files)

    return [
        Case("the page, `GET /`", 100, reads(protocol.PAGE)),
        Case("`GET /api/v1/status`", 120, reads(protocol.STATUS)),
        Case("the listing of `/`", 120, reads(protocol.LISTING)),
        Case("`PUT` of 64 KB", 130, put, {}, {"/data/upload.bin": upload}),
        Case(
            "page, status, console, and a file of 6 KB opened and saved in the editor",
            105,
            daily,
            {"/data/edited.py": program},
            {"/data/edited.py": edited},
            known=150,
        ),
        Case(
            f"push of {_COUNT} files, to its commit",
            None,
            lambda web: protocol.push(web, _VERSION, files, restart=False),
        ),
        Case(
            f"push of {_COUNT} files, through its trial",
            145,
            lambda web: protocol.push(web, _VERSION, files),
            {},
            files,
            True,
        ),
        Case(
            f"signed release of {_COUNT} files, to its commit",
            None,
            lambda web: protocol.release(web, archive, restart=False),
            public,
        ),
        Case(
            f"signed release of {_COUNT} files, through its trial",
            155,
            lambda web: protocol.release(web, archive),
            public,
            files,
            True,
        ),
        Case(
            "page, status, listing, log, then such a push, as the page does",
            None,
            as_page,
            {},
            files,
            True,
        ),
        Case(
            "the page by Digest (before there was one: 115 K)",
            120,
            reads(protocol.PAGE),
            digest=True,
        ),
        Case(
            "`PUT` of 64 KB by Digest (before there was one: 140 K)",
            145,
            put,
            after={"/data/upload.bin": upload},
            digest=True,
        ),
    ]


def failure(case: Case, heap: int) -> str | None:
    """Return why *case* does not work with *heap* KB, None when it does."""
    app = {"/main.py": (board.APP / "main.py").read_bytes()}
    content = {**board.ours(), **app, **case.before}
    with tempfile.TemporaryDirectory() as name:
        image = Path(name) / "flash.img"
        with SimulatedPico(image, device_files=content, heap=f"{heap}K") as pico:
            try:
                _carry_out(case, pico)
            except (Failed, httpx.HTTPError, TimeoutError) as error:
                return str(error).splitlines()[0]
        tree = read_tree(image)
    wrong = [path for path, data in case.after.items() if tree.get(path) != data]
    return f"{wrong[0]} is not what was sent" if wrong else None


def _carry_out(case: Case, pico: SimulatedPico) -> None:
    pico.start()
    _wait(pico, "listening", 0)
    time.sleep(_SETTLE_S)
    with board.client(pico) as web:
        if case.digest:
            web.auth = httpx.DigestAuth("admin", board.PASSWORD)
        case.ask(web)
    if case.restarts:
        before = _wait(pico, "boot", 0)
        _wait(pico, "listening", before)
        pico.wait_console(f"Version {_VERSION} is confirmed", 30)
    names = [event["event"] for event in pico.events]
    if names.count("boot") != case.restarts or any(end in names for end in _ENDS):
        raise Failed("the application has ended")


def _wait(pico: SimulatedPico, name: str, since: int, limit_s: float = 30) -> int:
    """Wait for the event *name*, and return its position. Raises Failed when it cannot come."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        names = [event["event"] for event in pico.events]
        if name in names[since:]:
            return names.index(name, since)
        if any(one in names for one in _ENDS):
            break
        time.sleep(0.02)
    raise Failed(f"no {name!r}: {pico.console().strip().splitlines()[-1:]}")


def failures(case: Case, heap: int, times: int = _AT_ONCE) -> list[str]:
    """Return why *case* has not worked with *heap* KB, for each of several tries at once."""
    with ThreadPoolExecutor(times) as pool:
        tries = pool.map(lambda _: failure(case, heap), range(times))
        found = [why for why in tries if why is not None]
    print(f"{case.name}: {heap} K: {'; '.join(found) or 'works'}", file=sys.stderr)
    return found


def least(case: Case, low: int = _LEAST, high: int = _MOST) -> int:
    """Return the least heap in KB, a multiple of 5, with which *case* works each time."""
    while high - low > _STEP:
        middle = low + (high - low) // (2 * _STEP) * _STEP
        if failures(case, middle):
            low = middle
        else:
            high = middle
    return high


def measure(quick: bool = False) -> Data:
    """Measure each: the least heap and the limit; *quick* only tries the limits, once.

    Where that fails, it tries what the figure may be at most as long as its limit is missed.
    """
    with tempfile.TemporaryDirectory() as name:
        every = cases(Path(name))
        if not quick:
            return {case.name: [least(case), case.limit, case.worst] for case in every}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(pool.map(_tried, (case for case in every if case.limit)))


def _tried(case: Case) -> tuple[str, list[int]]:
    assert case.limit
    assert case.worst
    for heap in (case.limit, case.worst):
        if not failures(case, heap, times=1):
            return case.name, [heap, case.limit, case.worst]
    return case.name, [case.worst + _STEP, case.limit, case.worst]


def rows(data: Data) -> list[Row]:
    """Compare with the limits."""
    return [
        # What waits for a trial has time limits of its own, which a busy machine misses.
        replace(at_most(name, heap, limit, _size, no_worse=worst), timed="trial" in name)
        if limit
        else Row(name, _size(heap))
        for name, (heap, limit, worst) in data.items()
    ]


def _size(heap: float) -> str:
    return f"{heap:.0f} K"


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
