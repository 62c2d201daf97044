"""A PostgreSQL cluster of one's own, on a free port of this computer, for as long as a block."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path


def programs():
    """The folder with initdb and pg_ctl; None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


@contextmanager
def cluster():
    """Yield the address of an empty database, ``postgres://…``."""
    bin = programs()
    folder = Path(tempfile.mkdtemp(prefix="pico-ota-postgres-"))
    before = []
    if os.geteuid() == 0:  # which it refuses to run as
        user = next((u.pw_name for u in pwd.getpwall() if u.pw_name == "postgres"), "nobody")
        shutil.chown(folder, user)
        before = ["runuser", "-u", user, "--"]
    data = folder / "data"

    def run(program, *words):
        command = [*before, str(bin / program), *words]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)

    try:
        run("initdb", "-D", str(data), "-U", "fleet", "-A", "trust", "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        log = folder / "log"
        run("pg_ctl", "-D", str(data), "-w", "-l", str(log), "-o", options, "start")
        try:
            yield f"postgres://fleet:fleet@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
