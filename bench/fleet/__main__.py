"""`python -m bench.fleet [--boards 10,100,1000] [--minutes 5]`: one server, many boards.

Everything stays on the loopback interface of this computer, and is bounded in count and time. Two
of the boards are simulated Picos, which run the client itself; all others are `light.py`: they
send what it sends and install nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from bench import board as simulated
from bench.fleet import postgres
from bench.fleet.light import CONFIRM, FAIL, LightBoard, Tally
from pico_ota.release import build

_COLUMNS = (
    "database", "boards", "polls/s held", "all have it after", "polls", "requests", "MB", "lost",
    "5xx", "other refusals", "broken connections",
)  # fmt: skip
_POLL_S = 10.0
_HOLD_S = 10
_COMMAND = [sys.executable, "-c", "from pico_ota.cli import run; run()"]


def main():
    """Measure, and print tables for docs/scale.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--boards", default="10,100,1000", help="how many, with commas")
    parser.add_argument("--minutes", type=float, default=5, help="at most so long a roll-out")
    parser.add_argument("--picos", type=int, default=2, help="simulated Picos among them")
    parser.add_argument("--database", choices=("SQLite", "PostgreSQL"), help="only this one")
    parser.add_argument("--broken", type=int, default=200, help="boards for the broken release")
    options = parser.parse_args()
    counts = [int(text) for text in options.boards.split(",")]
    if max(counts) > 2000 or options.minutes > 30:
        parser.error("at most 2000 boards and 30 minutes")
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    databases = [options.database] if options.database else ["SQLite", "PostgreSQL"]
    if "PostgreSQL" in databases and postgres.programs() is None:
        print("PostgreSQL is not measured: it was not found.")
        databases.remove("PostgreSQL")
    print(f"\n| {' | '.join(_COLUMNS)} |\n|---|{'--:|' * (len(_COLUMNS) - 1)}")
    worst = 0
    for database in databases:
        for boards in counts:
            found = measure(database, boards, options.picos, options.minutes * 60)
            tally = found["tally"]
            errors = sum(n for status, n in tally.refused.items() if status >= 500)
            others = sum(tally.refused.values()) - errors
            print(
                f"| {database} | {boards} | {found['held']:.0f} | {found['took']:.0f} s | "
                f"{tally.polls} | {tally.requests} | {tally.bytes / 1e6:.1f} | {found['lost']} | "
                f"{errors} | {others} | {tally.broken} |",
                flush=True,
            )
            worst = max(worst, found["lost"] + errors)
    if options.broken:
        ran, reverted, status, told = broken(options.broken)
        print(
            f"\nBroken release, {options.broken} boards, --stages 2,10%,100% --max-failures 1: "
            f"{ran} boards ever ran it, {reverted} of them reverted, status {status}: {told}"
        )
        worst = max(worst, ran > 2 or status != 5)
    return 1 if worst else 0


class Server:
    """`pico-ota fleet serve` in a process of its own, with boards that share a token."""

    def __init__(self, folder, database, boards, picos=0):
        command = [*_COMMAND, "fleet", "serve", "--data", str(folder), "--port", "0", "--json"]
        if database:
            command += ["--database", database]
        self.folder = folder
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.ids = [f"pico-{number:06}" for number in range(boards - picos)]
        self.picos = [f"simulated-{number}" for number in range(picos)]
        self.token = "0123456789abcdef"
        admin = json.loads((folder / "admin.json").read_text())
        with httpx.Client(base_url=self.url, timeout=120) as client:
            form = {"username": admin["name"], "password": admin["password"]}
            token = client.post("/login", data=form).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            body = {"devices": self.ids + self.picos, "auth_token": self.token}
            client.put("/api/v1/devices", json=body).raise_for_status()

    def rollout(self, swu, *options):
        """Start the roll-out; returns its process, and the file with what it says."""
        said = self.folder.parent / "said.json"
        command = [*_COMMAND, "fleet", "rollout", str(swu), "--data", str(self.folder), *options]
        # A pipe would fill, with a thousand boards in the report.
        with said.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        return process, said

    def stop(self):
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            print("The server had to be killed.", file=sys.stderr)
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def release(folder, version):
    """A release of about 64 KB."""
    app = folder / "app"
    app.mkdir(exist_ok=True)
    main = (simulated.APP / "main.py").read_text()
    (app / "main.py").write_text(f"# {version}\n{main}")
    (app / "data.bin").write_bytes(random.Random(1).randbytes(64 * 1024))
    path = folder / f"{version}.swu"
    build(app, path, version)
    return path


def measure(database, boards, picos, limit_s):
    """Polls held, then a roll-out to *boards* on *database*."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = stack.enter_context(postgres.cluster()) if database == "PostgreSQL" else None
        server = Server(folder / "fleet", address, boards, picos)
        stack.callback(server.stop)
        for one in server.picos:
            known = {"url": server.url, "token": server.token, "id": one, "poll_s": _POLL_S}
            files = {"/fleet.json": json.dumps(known).encode()}
            stack.enter_context(simulated.started(files=files))
        return asyncio.run(_measure(server, release(folder, "1.1.0"), limit_s))


async def _measure(server, swu, limit_s):
    tally = Tally()
    fleet = [
        LightBoard(server.url, one, server.token, poll_s=_POLL_S, tally=tally, trial_s=2.0)
        for one in server.ids
    ]
    # Registered first, a few at a time.
    gate = asyncio.Semaphore(8)

    async def once(board):
        async with gate:
            await board.poll()

    await asyncio.gather(*(once(board) for board in fleet))
    held = await _held(fleet)

    async def run(board):
        await asyncio.sleep(random.uniform(0, _POLL_S))
        await board.run()

    tally.polls = tally.requests = tally.bytes = 0
    tasks = [asyncio.create_task(run(board)) for board in fleet]
    await asyncio.sleep(_POLL_S)
    began = time.monotonic()
    options = ("--stages", "1%,10%,100%", "--max-failures", "100%")
    options += ("--deadline", f"{limit_s:.0f}s", "--wait", "--json")
    rollout, said = server.rollout(swu, *options)
    while rollout.poll() is None and time.monotonic() - began < 3 * limit_s:
        await asyncio.sleep(0.5)
    took = time.monotonic() - began
    rollout.kill()
    rollout.wait()
    told = json.loads(said.read_text() or "{}")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    lost = len(server.ids) + len(server.picos) - told.get("confirmed", 0)
    return {"held": held, "took": took, "tally": tally, "lost": lost}


async def _held(fleet):
    """Polls a second that the server answers when as many come as it can take, 8 at a time."""
    end = time.monotonic() + _HOLD_S
    count = 0

    async def worker(number):
        nonlocal count
        for board in itertools.cycle(fleet[number::8]):
            if time.monotonic() > end:
                return
            await board.poll()
            count += 1

    began = time.monotonic()
    await asyncio.gather(*(worker(number) for number in range(8)))
    return count / (time.monotonic() - began)


def broken(boards):
    """Roll a release out that breaks every board; who ever ran it?"""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = Server(folder / "fleet", None, boards)
        stack.callback(server.stop)
        return asyncio.run(_broken(server, release(folder, "1.2.0")))


async def _broken(server, swu):
    fleet = [
        LightBoard(
            server.url,
            one,
            server.token,
            poll_s=3.0,
            behave=lambda version: FAIL if version == "1.2.0" else CONFIRM,
        )
        for one in server.ids
    ]
    tasks = [asyncio.create_task(board.run()) for board in fleet]
    await asyncio.sleep(10)
    options = ("--stages", "2,10%,100%", "--max-failures", "1", "--wait", "--json")
    rollout, said = server.rollout(swu, *options)
    while rollout.poll() is None:
        await asyncio.sleep(0.2)
    await asyncio.sleep(10)  # would anybody still begin?
    told = json.loads(said.read_text())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    ran = [board for board in fleet if "1.2.0" in board.ran]
    reverted = [board for board in ran if board.version == "1.0.0"]
    return len(ran), len(reverted), rollout.returncode, told["message"]


if __name__ == "__main__":
    sys.exit(main())
