"""The routes as a Microdot application; see ota/routes.py for which. Let go when idle."""

from microdot import Microdot, Request, Response

from ota import flash, load, refusal, routes
from ota.body import Body
from ota.connection import CLOSED_CSP, SAFE
from ota.errors import Gone, Refused
from ota.head import Head
from ota.request import METHODS, finish


class Table:
    """The rows as one route of Microdot, below *prefix*: pattern and handler in its shapes.

    Microdot's own patterns run `re` over the path, whose recursion per character overflows the
    8 KB stack of the board on long paths; a pattern object for each row would cost 3 KB of heap.
    """

    def __init__(self, web, prefix, admit=None):
        self.url_pattern = prefix
        self._web = web
        self._admit = admit

    def match(self, path):
        """Return {} when *path* is below the prefix, else None."""
        return {} if path.startswith(self.url_pattern + "/") else None

    async def run(self, request):
        """Answer *request*, in any case with a response."""
        web = self._web
        try:
            if self._admit:
                web.admit(request, self._admit, self.url_pattern)
            path = request.path[len(self.url_pattern) :]
            name, function, needs, request.g.rest = routes.find(
                request.method, path, web.service.require_signed
            )
            if name.startswith("direct_"):
                return await _direct(function, needs, request, web.device)
            return await getattr(web.group(name, needs), function)(request)
        except Gone:
            request.g.gone = True
            return "", 499
        except Exception as error:
            # Here and not in Microdot, whose own answer gives no reason as JSON.
            web.starved = web.starved or isinstance(error, MemoryError)
            return _refusal(error, request)


class Web:
    """All routes of *service*, for our own listener or inside another Microdot application."""

    def __init__(self, service, device):
        self.service = service
        self.device = device
        #: Whether a request has been refused for lack of memory.
        self.starved = False
        self._groups = {}
        self.app = Microdot()
        self._add(self.app, Table(self, ""))

    def mount(self, app, prefix, admit):
        """Add the routes to *app* below *prefix*; *admit* lets their requests in."""
        # Microdot refuses bodies of more than 16 KB unless told; longer ones it leaves in the
        # stream, so that this costs no memory.
        Request.max_content_length = max(Request.max_content_length, flash.space()[1])
        self._add(app, Table(self, prefix, admit))

    def _add(self, app, table):
        # Microdot's documented route() builds its own pattern type, hence its list.
        app.url_map.append((METHODS, table, table.run, "", None))

    def group(self, name, needs):
        """Return the handlers of the module *name*, loading *needs* if need be.

        Raises MemoryError.
        """
        found = self._groups.get(name)
        if found is None:
            found = self._groups[name] = load(*needs).handlers(self.service, self)
        return found

    def admit(self, request, admit, prefix):
        """Check a request that another Microdot has read already, as our listener would have."""
        headers = request.headers
        head = Head(request.method, request.url[len(prefix) :], 1)
        for name in headers:
            head.headers[name.lower()] = headers[name]
        request.after_request(_make_safe)
        finish(head)
        admit(head, request.client_addr[0])
        request.g.head = head
        request.g.body = Body(MountedSource(request, head.length or 0), head.length)

    async def handle(self, head, connection):
        """Serve the request *head* of our own listener and send the answer."""
        try:
            request = Request(
                self.app, connection.address, head.method, head.target, "1.1", head.headers
            )
        except ValueError:
            raise Refused(400, "bad_request/query")
        request.g.body = head.body
        request.g.gone = False
        response = await self.app.dispatch_request(request)
        if request.g.gone:
            raise Gone(104)
        await _send(response, connection)


async def _direct(function, needs, request, device):
    """Return what a direct route answers to *request* as a response of Microdot."""
    head = request.g.head
    head.rest, head.body = request.g.rest, request.g.body
    answer = await getattr(load(*needs), function)(device, head)
    status, body = answer[:2]
    headers = dict(answer[2]) if len(answer) > 2 else {}
    if body is None:
        body = b""
    elif not isinstance(body, dict):
        headers["Content-Type"] = "application/json"
    return Response(body, status, headers)


def _make_safe(request, response):
    """Add what our own listener says with every answer."""
    for line in SAFE.strip().split("\r\n"):
        name, _, value = line.partition(": ")
        response.headers[name] = value
    if response.headers.get("Content-Security-Policy") is None:
        response.headers["Content-Security-Policy"] = CLOSED_CSP
    return response


def _refusal(error, request):
    refused = refusal.reason(error)
    headers = dict(refusal.headers(refused, request))
    return Response(refused.body(), refused.status, headers, refused.word)


async def _send(response, connection):
    body = response.body
    is_bytes = isinstance(body, (bytes, bytearray))
    headers = response.headers
    length = len(body) if is_bytes else headers.get("content-length")
    csp = headers.get("content-security-policy")
    try:
        await connection.start_answer(
            response.status_code,
            response.reason or "OK",
            _pairs(headers),
            None if length is None else int(length),
            csp,
        )
        if not response.is_head and body:
            if is_bytes:
                await connection.write(body)
            elif hasattr(body, "readinto"):
                await _send_file(body, connection)
            else:
                await connection.write_pieces(body)
    finally:
        if hasattr(body, "close"):
            body.close()


def _pairs(headers):
    # These two are said by the connection, once.
    for name in headers:
        if name.lower() not in ("content-length", "content-security-policy"):
            yield name, headers[name]


async def _send_file(source, connection):
    view = memoryview(bytearray(1024))
    while True:
        count = source.readinto(view)
        if not count:
            return
        await connection.write(view[:count])


class MountedSource:
    """The body of a request that an application's own Microdot has already received.

    Microdot has read a short body whole, and left a long one in the stream.
    """

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
        data = await self._stream.read(min(len(view), self._left))
        if not data:
            raise Gone(104)
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)
