"""Debian's swupdate, which nobody here wrote."""

import os
import subprocess
import tempfile
from pathlib import Path

_TRIES = 8


def swupdate(archive, certificate, board="RPI_PICO_W:1.0", purpose="emailProtection"):
    """Return (whether ``swupdate -c`` accepts *archive*, its log).

    Now and then, on a busy machine often, this version (2022.12) takes the state before the check
    for its result and ends too early, whatever the archive is. Such a run has no verdict in its
    log, and is repeated.
    """
    with tempfile.TemporaryDirectory() as folder:
        # It unpacks into TMPDIR, and keeps its sockets there.
        path = Path(folder, "x.swu")
        path.write_bytes(archive)
        command = ["swupdate", "-v", "-c", "--cert-purpose", purpose, "-H", board,
                   "-k", str(certificate), "-i", str(path)]  # fmt: skip
        for _ in range(_TRIES):
            done = subprocess.run(
                command,
                env={**os.environ, "TMPDIR": folder},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
            )
            log = done.stdout.decode(errors="replace")
            if "SWUPDATE successful !" in log:
                return True, log
            if "Image invalid or corrupted" in log and "SWUpdate was successful" not in log:
                return False, log
    raise RuntimeError(f"no verdict of swupdate in {_TRIES} runs: {log[-2000:]}")
