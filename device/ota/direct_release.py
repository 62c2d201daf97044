"""`/api/v1/update/release`: a whole release, a signed archive, in one request or in pieces."""

import asyncio
from micropython import const

from ota import load, release
from ota.errors import Refused
from ota.ranges import content_range

# Bytes taken in at a time before the files: what plans the update needs the room of the buffer.
_SMALL = const(512)
_INSTALL = ("records", "states", "space", "arrivals", "transaction", "commit", "install")


async def show(device, head):
    """Tell of a release that is half here."""
    found = load("records", "session", "arrivals", "release_resume").pending()
    if found is None:
        raise Refused(404, "no_release")
    return 200, found


async def put(device, head):
    """Take in an archive, or a piece of it; after the last one, install it and restart."""
    offset, total = content_range(head)
    length = head.body.length
    async with device.uploads.turn("release", length) as turn:
        device.uploads.free_buffer()
        reader = _reader(device)
        if offset:
            reader.resume(offset)
        await _receive(head.body, reader, turn, device.uploads)
        if total is not None and offset + length < total:
            reader.pause()
            return 202, {"state": "staging", "received": reader.received}
        return 202, await _install(device, reader, "restart=no" not in head.query.split("&"))


def _reader(device):
    service = device.service
    return release.Reader(
        service.public_key,
        required=service.require_signed,
        min_version=service.min_version,
        trial_s=service.trial_deadline_s,
        force=device.lease_over(),
    )


async def _receive(body, reader, turn, uploads):
    view = memoryview(bytearray(_SMALL))
    feed = turn.counting(lambda data: None)
    try:
        while True:
            if len(view) == _SMALL and reader.version is not None:
                view = memoryview(uploads.buffer)
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


async def _install(device, reader, restart):
    while reader.busy:
        reader.feed(memoryview(b""))
        await asyncio.sleep_ms(0)
    reader.finish()
    device.uploads.free_buffer()
    install = load(*_INSTALL)
    try:
        await install.ask_application(device.service)
        answer = await install.go_live(device, restart)
    finally:
        # When that failed: complete and checked, POST /api/v1/update/commit installs it later.
        reader.close()
    answer["version"] = reader.version
    answer["signer"] = reader.signer
    return answer
