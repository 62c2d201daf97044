# Takes orders of the measurements, one JSON line on a connection, and answers with a line.
import asyncio
import hashlib
import json
import os
import time

from ota.body import CHUNK

_PORT = 9000


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
    chunk = chunk or CHUNK
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


def download(**given):
    import others

    others.download(**given)


def restart():
    import machine

    machine.reset()


_ORDERS = {"write": write, "remove": remove, "download": download, "restart": restart}
