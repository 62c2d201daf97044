"""The same new version of an application, brought to the same board in four ways.

The board's flash takes its time; Wi-Fi is as fast as this computer, for all of them. WebREPL and
micropython-ota are stand-ins written from their public descriptions (bench/app/others.py, and
webrepl_cli.py's side below); files, flash and network are real, `curl` is the program itself.
"""

import base64
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from bench import board, figures
from bench.figures import Data, Row, seconds
from bench.terminal import pico_ota, port_of
from pico_ota.sim import SimulatedPico
from pico_ota.sim.image import read_tree

TITLE = "A whole application, in four ways"
Files = dict[str, bytes]
_REQUEST = "<2sBBQLH64s"
_WEBREPL_PIECE = 1024


def texts(count: int, size: int, seed: int) -> Files:
    """Return files of text, since micropython-ota carries nothing else."""
    files = board.some_files(count, size, seed)
    return {path: base64.b85encode(data)[: len(data)] for path, data in files.items()}


def by_push(pico: SimulatedPico, folder: Path, files: Files) -> None:
    """`pico-ota push`: staged, checked, committed."""
    pico_ota("push", folder, "--no-wait", "--no-restart", port=port_of(pico), cwd=folder)


def by_curl(pico: SimulatedPico, folder: Path, files: Files) -> None:
    """`curl -T`, one process and one connection: each file replaced when it has come."""
    command = ["curl", "--silent", "--fail", "--user", f"admin:{board.PASSWORD}"]
    command += ["--header", "X-Requested-With: curl"]
    for path in files:
        command += ["--upload-file", str(folder / path), f"{pico.url}/fs/{path}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def by_webrepl(pico: SimulatedPico, folder: Path, files: Files) -> None:
    """`webrepl_cli.py FILE HOST:/FILE` for each file: a connection each, written in place."""
    for path, data in files.items():
        with board.dial(pico, 8266) as wire, wire.makefile("rb") as answers:
            key = base64.b64encode(os.urandom(16))
            wire.sendall(
                b"GET / HTTP/1.1\r\nHost: board\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: " + key + b"\r\n\r\n"
            )
            while answers.readline() != b"\r\n":
                pass
            _frame(answers)
            _send(wire.sendall, b"bench\r")
            _frame(answers)
            name = f"/{path}".encode()
            head = struct.pack(_REQUEST, b"WA", 1, 0, 0, len(data), len(name), name)
            _send(wire.sendall, head[:10])
            _send(wire.sendall, head[10:])
            _frame(answers)
            for at in range(0, len(data), _WEBREPL_PIECE):
                _send(wire.sendall, data[at : at + _WEBREPL_PIECE])
            _frame(answers)


def _send(send: Callable[[bytes], None], data: bytes) -> None:
    short = len(data) < 126
    head = (
        struct.pack(">BB", 0x82, len(data)) if short else struct.pack(">BBH", 0x82, 126, len(data))
    )
    send(head)
    send(data)


def _frame(answers: BinaryIO) -> bytes:
    head = answers.read(2)
    return answers.read(head[1])


def by_download(pico: SimulatedPico, folder: Path, files: Files) -> None:
    """micropython-ota: the board fetches each file from a web server, over a connection each."""

    class Served(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = files[self.path.partition("_")[2]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Served) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        board.order(pico, "download", host=host, project="app", version="2", names=list(files))
        server.shutdown()


WAYS: dict[str, Callable[[SimulatedPico, Path, Files], None]] = {
    "`pico-ota push`": by_push,
    "`curl -T`, one connection": by_curl,
    "WebREPL, as webrepl_cli.py": by_webrepl,
    "download, as micropython-ota": by_download,
}
#: What each of them promises about a power cut in the middle, and about a damaged transfer.
PROMISES = {
    "`pico-ota push`": "old or new, checked",
    "`curl -T`, one connection": "each file old or new",
    "WebREPL, as webrepl_cli.py": "mixed",
    "download, as micropython-ota": "mixed",
}


def measure(quick: bool = False) -> Data:
    """Measure all of them."""
    count, size = (4, 16_000) if quick else (50, 400_000)
    old, new = texts(count, size, 1), texts(count, size, 2)
    found: Data = {"files": count, "bytes": size, "ways": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, data in new.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        for way, bring in WAYS.items():
            if bring is by_curl and not shutil.which("curl"):
                continue
            found["ways"][way] = one_way(bring, folder, old, new)
    return found


def one_way(
    bring: Callable[[SimulatedPico, Path, Files], None], folder: Path, old: Files, new: Files
) -> Data:
    """Return what *bring* takes until the files are there, and until the board runs them.

    Raises:
        ValueError: other files are there afterwards.
    """
    content = {f"/{path}": data for path, data in old.items()}
    with board.started(control=True, files=content, board=board.LARGE, flash_timing=True) as pico:
        before = pico.flash_counts["erases"]
        start = time.perf_counter()
        bring(pico, folder, new)
        there = time.perf_counter() - start
        seen = len(pico.events)
        # Whoever brought them: a program runs its new files after a restart.
        with board.dial(pico, 9000) as wire:
            wire.sendall(json.dumps({"do": "restart"}).encode() + b"\n")
        pico.wait_event("listening", 60, seen)
        running = time.perf_counter() - start
        erases = pico.flash_counts["erases"] - before
        pico.stop()
        tree = read_tree(pico.image)
    wrong = [path for path, data in new.items() if tree[f"/{path}"] != data]
    if wrong:
        raise ValueError(f"{len(wrong)} files are not the new ones: {wrong[:3]}")
    return {"there": there, "running": running, "erases": erases}


def rows(data: Data) -> list[Row]:
    """Return a line for each way."""
    ours = data["ways"]["`pico-ota push`"]["running"]
    found = []
    for way, entry in data["ways"].items():
        text = f"{seconds(entry['there'])}, running after {seconds(entry['running'])}"
        text += f", {entry['erases']} erases"
        found.append(Row(f"{way} (cut in the middle: {PROMISES[way]})", text))
    fastest = min(entry["running"] for entry in data["ways"].values())
    found.append(Row("`pico-ota push` against the fastest of them", f"{ours / fastest:.2f}x"))
    return found


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
