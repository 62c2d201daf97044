"""The routes inside of an application's own Microdot, instead of behind our listener.

    service.mount(app, "/ota")

Microdot is the application's; nothing else of the updater needs it.
"""

import json

from microdot import Request, Response

import ota
from ota.connection import POLICY, SAFE, answer_for
from ota.errors import Gone, Refused
from ota.flash import space
from ota.request import METHODS, Head
from ota.server import respond


def mount(service, app, prefix):
    """Add the routes to *app*, a Microdot, below *prefix*. Raises ValueError for a bad prefix."""
    if prefix and (prefix[0] != "/" or prefix[-1] == "/"):
        raise ValueError("prefix looks like '/ota', got %r" % prefix)
    # Microdot refuses bodies of more than 16 KB unless told; longer ones it leaves in the
    # stream, so that this costs no memory.
    Request.max_content_length = max(Request.max_content_length, space()[1])
    routes = _Routes(service, prefix)
    # Microdot's documented route() builds its own pattern type, hence its list. That runs `re`
    # over the path, whose recursion per character overflows the stack of the board.
    app.url_map.append((METHODS.split(", "), routes, routes.run, "", None))


class _Routes:
    """All routes below *prefix* as one route of Microdot: pattern and handler in its shapes."""

    def __init__(self, service, prefix):
        self.url_pattern = prefix
        self._service = service

    def match(self, path):
        """Return {} when *path* is below the prefix, else None."""
        return {} if path.startswith(self.url_pattern + "/") else None

    async def run(self, request):
        """Answer *request*, in any case with a response."""
        ota.busy += 1
        try:
            return _response(*await self._answer(request))
        except Gone:  # nobody reads it: for the application's own log
            return _response(*answer_for(Refused(408, "timeout")))
        except Exception as error:
            # Here and not in Microdot, whose own answer gives no reason as JSON.
            if isinstance(error, MemoryError):
                ota.use(None)
            return _response(*answer_for(error, request.headers.get("Accept", "")))
        finally:
            ota.busy -= 1

    async def _answer(self, request):
        head = Head(request.method, request.url[len(self.url_pattern) :], 1)
        head.target = request.url
        for name in request.headers:
            head.headers[name.lower()] = request.headers[name]
        head.finish()
        head.source = _Source(request, head.length or 0)
        self._service.access.check(head, request.client_addr[0])
        self._service.requests += 1
        return await respond(self._service, head)


def _response(status, body, headers):
    found = {}
    for line in (SAFE + POLICY).strip().split("\r\n"):
        name, _, value = line.partition(": ")
        found[name] = value
    if body is None:
        body = b""
    elif isinstance(body, dict):
        found["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    elif hasattr(body, "readinto"):
        found["Content-Length"] = str(body.left)
        body = _File(body)
    else:
        found["Content-Type"] = "application/json"
        # Made before the head is sent, as in ota/connection.py.
        body = _pieces(next(body, b""), body)
    for name, value in headers:
        if name in found and name == "WWW-Authenticate":
            value = [found[name], value]  # Microdot's way to say a header twice
        found[name] = value
    return Response(body, status, found)


def _pieces(first, rest):
    yield first
    yield from rest


class _File:
    """An open file of a handler, as Microdot reads one."""

    def __init__(self, file):
        self._file = file
        self.close = file.close

    def read(self, size):
        """Return up to *size* bytes, b"" at the end."""
        data = bytearray(size)
        return bytes(memoryview(data)[: self._file.readinto(memoryview(data))])


class _Source:
    """The body of a request that Microdot has received: a short one whole, a long one not yet."""

    def __init__(self, request, length):
        self._stream = request.stream
        self._left = length

    def take(self, view):
        """Return 0: nothing can be had without a wait."""
        return 0

    async def readinto(self, view):
        """Read into memoryview *view*; return the count, 0 at the end. Raises Gone."""
        if not self._left:
            return 0
        try:
            data = await self._stream.read(min(len(view), self._left))
        except OSError:
            data = b""
        if not data:
            raise Gone(104)
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)
