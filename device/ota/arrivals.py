"""What has arrived of the update that is being staged, file by file."""

from ota.records import PLAN, lines
from ota.session import EACH, received


def entries():
    """Yield (kind, name, size, sha256, path) of the files in the plan; size is a number."""
    for kind, name, size, sha, path in lines(PLAN):
        if kind in EACH:
            yield kind, name, int(size), sha, path


def files():
    """Yield (path, size, received, needed) of every file of the update."""
    for kind, name, size, _, path in entries():
        if kind == "=":
            yield path, size, size, False
        else:
            here = received(name)
            yield path, size, max(here, 0), here != size


def needed():
    """Yield (path, size, received) of the files that are still to be sent, wholly or in part."""
    for path, size, here, need in files():
        if need:
            yield path, size, here
