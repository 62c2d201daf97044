"""`PUT /api/v1/update/files/…`: the files of the update that is being staged."""

import asyncio

from ota import paths, session, staging, urls
from ota.ranges import content_range


async def put(device, head):
    """Take a file of the update, or a piece of it; see ota/routes.py."""
    path = paths.check("/" + urls.decode(head.rest))
    offset, total = content_range(head)
    length = head.body.length
    if total is None:
        total = offset + length
    async with device.uploads.turn(path, length) as turn:
        session.check(head)
        writer = None
        for writer in staging.open_steps(path, offset, total):
            await asyncio.sleep_ms(0)
        try:
            await head.body.pump(turn.counting(writer.write), device.uploads.buffer)
            complete = writer.close()
        except BaseException:
            writer.abandon()
            raise
    device.renew_lease()
    return 201 if complete else 202, {"received": writer.received, "size": writer.size}
