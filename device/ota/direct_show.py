"""`GET /api/v1/update`: what has arrived of the update that is being staged."""

import json

from ota import arrivals, current
from ota.errors import Refused


async def show(device, head):
    """Tell what has arrived."""
    record = current.load()
    if record["state"] != "staging":
        raise Refused(404, "no_update")
    return 200, _shown(record)


def begun(session):
    """Yield the answer to a manifest: which files are needed."""
    yield b'{"id":"%s","state":"staging","need":[' % session.encode()
    comma, left = b"", 0
    for path, size, received in arrivals.needed():
        yield comma + json.dumps(path).encode()
        comma = b","
        left += size - received
    yield b'],"bytes":%d}' % left


def _shown(record):
    about = {"id": record["id"], "version": record["next"], "state": record["state"]}
    yield json.dumps(about)[:-1].encode() + b', "files":['
    comma = b""
    for path, size, received, needed in arrivals.files():
        row = {"path": path, "size": size, "received": received, "needed": needed}
        yield comma + json.dumps(row).encode()
        comma = b","
    yield b"]}"
