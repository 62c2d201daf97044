"""`make demo`: a simulated Pico W with the sample application, until Ctrl-C.

Leaves nothing behind: the flash image lives in a temporary folder.
"""

import argparse
import shutil
import signal
import tempfile
import time
from pathlib import Path

from pico_ota.sim import SimulatedPico
from pico_ota.sim.boards import heap_of

SAMPLE = Path(__file__).resolve().parent.parent / "examples" / "ota_sample.py"


def main() -> None:
    """Run the board until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="port to listen at; 0: a free one")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="pico-ota-demo-") as folder:
        app = Path(folder) / "app"
        app.mkdir()
        shutil.copyfile(SAMPLE, app / "main.py")
        pico = SimulatedPico(
            Path(folder) / "flash.img",
            app=app,
            port=_free_or(arguments.port),
            heap=heap_of("pico_w"),
            flash_timing=True,
            quiet=False,
        )
        with pico:
            pico.start()
            _greet(pico.wait_listening(30))
            _wait()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _free_or(port: int) -> int:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            print(f"Port {port} is taken; another one will do.")
            return 0
    return port


def _greet(url: str) -> None:
    print(
        f"""
  A simulated Pico W runs the sample application, its flash as slow as a real one.

    page        {url}/
    user        admin
    password    otapico

  Drop files on the page, or in another terminal:

    export PICO_OTA_HOST={url.removeprefix("http://")} PICO_OTA_PASSWORD=otapico
    .venv/bin/pico-ota status
    .venv/bin/pico-ota cp README.md :

  Ctrl-C ends it and leaves nothing behind.
""",
        flush=True,
    )


def _wait() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print("\nThe simulated Pico is switched off.")


if __name__ == "__main__":
    main()
