"""`pico-ota` as a process of its own, with what it costs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.board import PASSWORD
from pico_ota.sim import SimulatedPico
from tests.cli.proxy import Proxy


@dataclass(frozen=True)
class Run:
    """One run of the command line."""

    seconds: float
    out: str

    @property
    def answer(self) -> dict[str, Any]:
        """What it printed with `--json`."""
        return json.loads(self.out)


def pico_ota(*arguments: str | Path, port: int = 0, cwd: Path | None = None) -> Run:
    """Run `pico-ota` for the device at *port* of this computer.

    Raises:
        CalledProcessError: it did not end with 0; its stderr went to ours.
    """
    environment = {
        **os.environ,
        "PICO_OTA_HOST": f"127.0.0.1:{port}",
        "PICO_OTA_PASSWORD": PASSWORD,
    }
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pico_ota.cli", *map(str, arguments)],
        env=environment,
        cwd=cwd,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Run(time.perf_counter() - start, done.stdout)


def port_of(pico: SimulatedPico) -> int:
    """Return the port where *pico* listens."""
    return int(pico.url.rpartition(":")[2])


@contextmanager
def counted(pico: SimulatedPico) -> Iterator[Proxy]:
    """Return a wire to *pico* that counts connections and bytes, for a `with` block."""
    proxy = Proxy(port_of(pico))
    try:
        yield proxy
    finally:
        proxy.close()
