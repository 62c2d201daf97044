"""Proves, before a release is confirmed, that the one after it could still get in.

A release may replace the updater itself. What is loaded only when a client comes would be found
broken by the first client after the confirmation, on a board that nobody can reach any more.
"""

import json
import os
import sys

import ota
from ota.errors import Refused

# What the updater uses of the firmware: a file of the application that is called like one of
# these modules comes before it, and may lack some.
_USES = """\
asyncio CancelledError StreamReader core create_task get_event_loop run sleep_ms
binascii b2a_base64 crc32 hexlify unhexlify
gc collect mem_alloc mem_free
hashlib sha256
io IOBase
json dump dumps loads
machine Timer reset
os ilistdir mkdir remove rename rmdir stat statvfs urandom
random randint
socket AF_INET SOCK_DGRAM SOCK_STREAM getaddrinfo socket
time sleep_ms ticks_add ticks_diff ticks_ms
"""


def run(service):
    """Load everything that may be needed to answer a request. Raises Refused(409).

    What the application leaves no memory for is passed over: that is nothing new.
    """
    seen = []
    for line in _USES[:-1].split("\n"):
        _attempt(line.split(" ")[0], seen, _look_up, line)
    for file in _files():
        name, _, kind = file.partition(".")
        if name != "__init__" and name not in seen and kind in ("mpy", "py"):
            _attempt(name, seen, ota.load, name)
    _attempt("web", seen, _start, service)


def _files():
    """Yield the names of the files of the package."""
    try:
        with open(ota.PACK) as index:
            for line in index:
                if line == "\n":
                    return
                yield line.split(" ")[0]
    except OSError:  # there is none
        for entry in os.ilistdir(ota.__path__):
            yield entry[0]


def _attempt(name, seen, function, argument):
    known = list(sys.modules)
    try:
        function(argument)
    except MemoryError:
        pass
    except Exception as error:
        raise Refused(409, "broken", name, error)
    finally:
        fresh = [full[4:] for full in sys.modules if full not in known and full[:4] == "ota."]
        seen.extend(fresh)
        if "microdot" not in known:
            sys.modules.pop("microdot", None)
        if fresh:  # without a name all others would go
            ota.let_go(*fresh)


def _start(service):
    from ota import routes
    from ota.reception import Reception

    web = Reception(service).load_web()
    for name, function, needs in routes.every():
        direct = name.startswith("direct_")
        getattr(ota.load(*needs) if direct else web.group(name, needs), function)
    _ask(web)


def _look_up(line):
    names = line.split(" ")
    module = __import__(names[0])
    for name in names[1:]:
        getattr(module, name)


def _ask(web):
    """Let one request be answered, as far as that needs no network and no waiting."""
    from ota.head import Head

    head = Head("GET", "/api/v1/status", 1)
    client = _Client()
    answering = web.handle(head, client)
    try:
        answering.send(None)
    except StopIteration:
        pass
    if web.starved:
        raise MemoryError
    if client.status != 200 or "state" not in json.loads(client.said):
        raise ValueError("status is answered with %r" % client.status)


class _Client:
    """Stands in for a connection."""

    address = "127.0.0.1"
    status = None
    said = b""

    async def start_answer(self, status, reason, headers, length, csp=None):
        self.status = status

    async def write(self, data):
        self.said += data
