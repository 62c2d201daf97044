"""What a poll of a server behind TLS takes of memory.

Measured on the MicroPython of the simulated Pico, whose Mbed TLS is of the same kind as that of
the firmware, by valgrind's massif: what it takes beside MicroPython's heap, from which the
firmware takes it. Pointers have 64 bits there, and the two buffers may have other sizes.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import certificate, figures
from bench.ddi import Ddi
from bench.figures import Data, Row, kb

TITLE = "An update server behind TLS"
_POLL = """
import asyncio, gc, time

async def poll():
    # As ota/web.py does it.
    gc.collect()
    before = gc.mem_alloc()
    more = ()
    if CERTIFICATE:
        import ssl
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        with open(CERTIFICATE, "rb") as file:
            context.load_verify_locations(cadata=file.read(4096))
        more = context, "127.0.0.1"
    stream, _ = await asyncio.open_connection("127.0.0.1", PORT, *more)
    stream.write(b"GET /DEFAULT/controller/v1/pico HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n")
    await stream.drain()
    assert (await stream.read(12)) == b"HTTP/1.1 200"
    gc.collect()
    print(gc.mem_alloc() - before)
    while True:
        time.sleep(1)

asyncio.run(poll())
"""
_RUN = "import sys; from micropython_run import run_main; run_main(['micropython', '-c', {!r}])"


def poll(kind: str | None) -> dict[str, int]:
    """Return the bytes that a poll takes: at most, while the connection is held, and of the heap.

    *kind* is the certificate's; None is plain HTTP.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = certificate.make(folder, kind) if kind else None
        server = Ddi(tls=made and made[:2])
        if made:
            (folder / "der").write_bytes(made.der)
        port = server.url.rpartition(":")[2]
        where = str(folder / "der") if made else None
        code = f"PORT = {port}\nCERTIFICATE = {where!r}\n{_POLL}"
        out = folder / "massif"
        process = subprocess.Popen(
            [
                *("valgrind", "--quiet", "--tool=massif", "--peak-inaccuracy=0.0"),
                *(f"--massif-out-file={out}", sys.executable, "-c", _RUN.format(code)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            heap = int(process.stdout.readline())
            process.terminate()  # with the connection open, of which massif then tells
            process.wait(60)
        finally:
            process.kill()
            process.communicate()
            server.close()
        sizes = [int(size) for size in re.findall(r"mem_heap_B=(\d+)", out.read_text())]
        return {"most": max(sizes), "held": sizes[-1], "heap": heap}


def measure(quick: bool = False) -> Data:
    """Measure a poll with each kind of certificate; *quick* with one."""
    plain = poll(None)
    kinds = ["P-256"] if quick else ["P-256", "RSA-2048"]
    found = {}
    for kind in kinds:
        took = poll(kind)
        # What Python and MicroPython themselves have is the same for both.
        found[kind] = {
            name: took[name] - plain["held" if name == "most" else name] for name in took
        }
    return found


def rows(data: Data) -> list[Row]:
    """List what was measured; there is no limit."""
    found = []
    for kind, took in data.items():
        found += [
            Row(f"certificate of {kind}: at the worst moment of the handshake", kb(took["most"])),
            Row("… while the connection is open", kb(took["held"])),
            Row("… and of MicroPython's own objects, 64-bit", kb(took["heap"])),
        ]
    return found


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
