"""What becomes of a request that is refused, or that fails: the reason and the answer."""

import sys
from micropython import const

from ota.errors import Refused

_ENOSPC = const(28)
# Not in the catalogue of reasons, which may not be read with next to no memory.
_ADVICE = (
    "The application leaves too little memory for this. Restart into rescue mode"
    ' (POST /api/v1/reboot {"mode": "rescue"}), where all of it is free.'
)


def reason(error):
    """Return the Refused for *error*, any exception; show it on the console if it is a defect."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, MemoryError):
        return Refused(503, "low_memory", _ADVICE, retry_after=5)
    if isinstance(error, OSError) and error.errno == _ENOSPC:
        return Refused(507, "no_space/full")
    sys.print_exception(error)
    return Refused(500, "internal/defect", error)


def headers(refused, head):
    """Return the headers, pairs of name and value, that belong to *refused*."""
    found = []
    if refused.status == 401:
        from ota.access import challenge

        found.append(("WWW-Authenticate", challenge(head)))
    for name, header in (("retry_after", "Retry-After"), ("allow", "Allow")):
        if name in refused.extra:
            found.append((header, str(refused.extra[name])))
    return found


async def answer(connection, error):
    """Answer the present request of *connection* with the reason for *error* as JSON."""
    refused = reason(error)
    head = connection.head
    await connection.send_json(
        refused.status, refused.word, refused.body(), headers(refused, head)
    )
