"""An update server for a test, and light boards that poll it in a thread."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from bench.fleet.light import LightBoard

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-c", "from pico_ota.cli import run; run()"]


def environment(**more):
    """This process's environment without what would name another server."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PICO_OTA")}
    paths = [str(ROOT / "src"), *kept.get("PYTHONPATH", "").split(":")]
    return kept | {"PYTHONPATH": ":".join(filter(None, paths))} | more


def pico_ota(*words, check=None, **env):
    """Run the command line; returns the finished process, with its output as text."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=280,
        stdin=subprocess.DEVNULL,
    )
    if check is not None:
        assert done.returncode == check, (done.returncode, done.stdout, done.stderr)
    return done


class Server:
    """`pico-ota fleet serve` in a process of its own."""

    def __init__(self, folder, *options, port=0):
        self.folder = folder
        words = ["fleet", "serve", "--data", str(folder), "--port", str(port), "--json"]
        self.process = subprocess.Popen(
            [*COMMAND, *words, *options],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=(folder.parent / f"{folder.name}.log").open("ab"),
            text=True,
            start_new_session=True,
        )
        line = self.process.stdout.readline()
        self.told = json.loads(line) if line else {}
        self.url = self.told.get("url")

    @property
    def log(self):
        """What it has said on standard error."""
        return (self.folder.parent / f"{self.folder.name}.log").read_text()

    def __call__(self, *words, check=0):
        """A fleet verb at this server; returns its JSON."""
        done = pico_ota("fleet", *words, "--data", self.folder, "--json", check=check)
        return json.loads(done.stdout)

    def stop(self, number=signal.SIGTERM):
        """End it, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30)
        self.process.stdout.close()
        return status


class Boards:
    """Light boards that poll in a thread, until the end of the ``with`` block."""

    def __init__(self, boards):
        self.boards = boards
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *what):
        self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join()

    def _run(self):
        async def together():
            await asyncio.gather(*(board.run() for board in self.boards))

        self._main = self._loop.create_task(together())
        try:
            self._loop.run_until_complete(self._main)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    def ran(self, version):
        """The ids of the boards that ever ran *version*."""
        return [board.id for board in self.boards if version in board.ran]


def known(server, count, **more):
    """*count* boards that the server knows, with their tokens."""
    ids = [f"pico-{number:03}" for number in range(count)]
    rows = server("token", *ids) if ids else []
    rows = rows if isinstance(rows, list) else [rows]
    more.setdefault("poll_s", 0.3)
    return [LightBoard(server.url, row["id"], row["token"], **more) for row in rows]
