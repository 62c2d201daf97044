"""`/api/v1/update/release`: a whole release, a signed archive, in one request or in pieces."""

import asyncio
from micropython import const

from ota import call, let_go, load
from ota.device import ENTRANCE

# Bytes taken in at a time: before the files, when planning the update needs the room, and then.
_SMALL = const(128)
_LARGE = const(2048)
# What is loaded to take it in, with what that loads itself, and to install it.
_RECEIVE = ("release",)
_RECEIVED = ("cpio", "staging", "release_store", "release_files", "mpy")
_INSTALL = (
    "records",
    "session",
    "arrivals",
    "states",
    "current",
    "flash",
    "space",
    "commit",
    "install",
)


async def put(device, head):
    """Take in an archive, or a piece of it; after the last one, install it and restart."""
    offset, total = call(("ranges",), "content_range", head)
    length = head.body.length
    async with device.uploads.turn("release", length) as turn:
        device.uploads.free_buffer()
        let_go("ranges", *ENTRANCE)
        head.headers = {}  # have been read
        last = total is None or offset + length == total
        done = await _take_in(head.body, offset, device, turn, last)
        if not last:
            return 202, {"state": "staging", "received": done}
        let_go(*_RECEIVE + _RECEIVED)
        return 202, await _install(device, done, "restart=no" not in head.query.split("&"))


async def _take_in(body, offset, device, turn, last):
    """Return (version, signer) of the release after its *last* piece, else the bytes received."""
    reader = _reader(device)
    if offset:
        reader.resume(offset)
    try:
        await _receive(body, reader, turn)
    finally:
        if reader.version is not None:  # it was accepted, and whoever sends it has time to go on
            device.renew_lease()
    if last:
        while reader.busy:
            reader.feed(memoryview(b""))
            await asyncio.sleep_ms(0)
        reader.finish()
    reader.pause()
    return (reader.version, reader.signer) if last else reader.received


def _reader(device):
    service = device.service
    return load(*_RECEIVE).Reader(
        service.public_key,
        required=service.require_signed,
        min_version=service.min_version,
        trial_s=service.trial_deadline_s,
        force=device.lease_over(),
    )


async def _receive(body, reader, turn):
    view = memoryview(bytearray(_SMALL))
    feed = turn.counting(lambda data: None)
    try:
        while True:
            if len(view) == _SMALL and reader.version is not None:
                view = memoryview(bytearray(_LARGE))
            count = await body.readinto(view)
            if not count:
                return
            data = view[:count]
            while data:
                data = data[reader.feed(data) :]
                await asyncio.sleep_ms(0)
            feed(view[:count])
    except BaseException:
        # Also when the client stalls, which is Refused, too. Nothing to pause after a feed()
        # that refused: the reader has let everything go by then.
        reader.pause()
        raise


async def _install(device, about, restart):
    load(*_INSTALL)
    try:
        await call(("install",), "ask_application", device.service)
        answer = await call(("install",), "go_live", device, restart)
    finally:
        # When that failed: complete and checked, POST /api/v1/update/commit installs it later.
        call(("release_store",), "remove")
    answer["version"], answer["signer"] = about
    return answer
