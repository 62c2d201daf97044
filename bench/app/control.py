# Takes orders of the measurements, one JSON line on a connection, and answers with a line.
import asyncio
import gc
import hashlib
import json
import micropython
import os
import time

_PORT = 9000
_CHUNK = 3072  # the buffer of the service


async def start():
    await asyncio.start_server(_serve, "0.0.0.0", _PORT)


async def _serve(reader, writer):
    given = json.loads(await reader.readline())
    answer = _ORDERS[given.pop("do")](**given)
    writer.write(json.dumps(answer).encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def write(files, chunk=4096, digest=True, folders=()):
    """Write [path, size] of *files* as plainly as can be; return the microseconds.

    With a *chunk* of 0 the buffer has the size of that of the service.
    """
    chunk = chunk or _CHUNK
    buffer = memoryview(bytearray(os.urandom(chunk)))
    start = time.ticks_us()
    for folder in folders:
        os.mkdir(folder)
    for path, left in files:
        sha = hashlib.sha256()
        with open(path, "wb") as out:
            while left:
                piece = buffer[: min(left, chunk)]
                if digest:
                    sha.update(piece)
                out.write(piece)
                left -= len(piece)
        sha.digest()
    return time.ticks_diff(time.ticks_us(), start)


def remove(paths):
    for path in paths:
        os.remove(path)


def names():
    """Print the names that MicroPython has interned."""
    micropython.qstr_info(1)


def piece():
    """Return the size of the largest piece of free heap, to 64 bytes."""
    gc.collect()
    low, high = 0, gc.mem_free()
    while high - low > 64:
        middle = (low + high) // 2
        try:
            bytearray(middle)
            low = middle
        except MemoryError:
            high = middle
    return low


def download(**given):
    import others

    others.download(**given)


def restart():
    import machine

    machine.reset()


_ORDERS = {
    "write": write,
    "remove": remove,
    "names": names,
    "piece": piece,
    "download": download,
    "restart": restart,
}
