"""Debian's swupdate, which nobody here wrote."""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

_TRIES = 30
_REFUSALS = 4


def swupdate(archive, certificate, board="RPI_PICO_W:1.0", purpose="emailProtection", hoped=True):
    """Return (whether ``swupdate -c`` accepts *archive*, its log).

    This version (2022.12) starts a thread for the check and may ask for its result before it has
    begun: rarely on an idle machine, every third time on a busy one, whatever the archive is. It
    then ends too early and takes its files away from under the check. Runs without a verdict are
    repeated, and so are refusals where an acceptance is *hoped* for; an acceptance is final.
    """
    refusals = 0
    log = ""
    for _ in range(_TRIES):
        log = _run(archive, ["--cert-purpose", purpose, "-H", board, "-k", str(certificate)])
        if "SWUPDATE successful !" in log:
            return True, log
        if "Image invalid or corrupted" in log and "SWUpdate was successful" not in log:
            refusals += 1
            if refusals == _REFUSALS or not hoped:
                return False, log
    raise RuntimeError(f"no verdict of swupdate in {_TRIES} runs: {log[-2000:]}")


@functools.cache
def _alone():
    """Return what puts a command into a network of its own: some of its sockets are for all."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and not subprocess.run([*command, "true"]).returncode:
            return command
    return []


def _run(archive, options):
    # It unpacks into TMPDIR and keeps its sockets there; children may outlive it.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, "x.swu")
        path.write_bytes(archive)
        process = subprocess.Popen(
            [*_alone(), "swupdate", "-v", "-c", *options, "-i", str(path)],
            env={**os.environ, "TMPDIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            out = b""
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
        return out.decode(errors="replace")
