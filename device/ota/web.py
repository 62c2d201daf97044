"""The routes as a Microdot application. Loaded at the first request, let go when idle."""

import gc

from microdot import Microdot, Request, Response

from ota import flash
from ota.body import CHUNK, Body, MountedSource
from ota.connection import CLOSED_CSP, SAFE, internal, low_memory
from ota.errors import Gone, Refused
from ota.head import METHODS, Head
from ota.uploads import Uploads

# Method, path (one that ends in "/" stands for all below it), module, handler. A module is loaded
# when its first request comes: an upload of one file needs a third of them all.
_ROUTES = (
    ("GET", "/", "routes_page", "page"),
    ("GET", "/fs/", "routes_fs", "get"),
    ("PUT", "/fs/", "routes_fs", "put"),
    ("DELETE", "/fs/", "routes_fs", "delete"),
    ("MOVE", "/fs/", "routes_fs", "move"),
    ("GET", "/api/v1/info", "routes_system", "info"),
    ("GET", "/api/v1/status", "routes_system", "status"),
    ("GET", "/api/v1/log", "routes_system", "log"),
    ("POST", "/api/v1/reboot", "routes_system", "reboot"),
    ("PUT", "/api/v1/password", "routes_system", "password"),
    ("POST", "/api/v1/update", "routes_update", "begin"),
    ("GET", "/api/v1/update", "routes_update", "show"),
    ("DELETE", "/api/v1/update", "routes_update", "abort"),
    ("PUT", "/api/v1/update/files/", "routes_update", "put"),
    ("GET", "/api/v1/update/release", "routes_release", "show"),
    ("PUT", "/api/v1/update/release", "routes_release", "put"),
    ("POST", "/api/v1/update/commit", "routes_update", "commit"),
    ("POST", "/api/v1/confirm", "routes_update", "confirm"),
    ("POST", "/api/v1/rollback", "routes_update", "rollback"),
)
# What a module is made of, each after all that it imports itself. An import inside of an import
# takes about 700 bytes of C stack (ports/rp2: 7936 in all), and a request is answered deep down.
_UPDATE = ("paths", "manifest", "space", "plan", "states", "staging", "draft")
_NEEDS = {
    "routes_fs": ("paths", "store"),
    "routes_system": _UPDATE,
    "routes_update": _UPDATE + ("settings",),
    "routes_release": ("paths", "manifest", "staging", "release_store", "cpio"),
}
# What a device that takes signed releases only refuses: ways to change files without a signature.
_UNSIGNED = (
    ("routes_fs", "put"),
    ("routes_fs", "delete"),
    ("routes_fs", "move"),
    ("routes_update", "begin"),
    ("routes_update", "put"),
)
_ENOSPC = 28


class Table:
    """The rows as one route of Microdot, below *prefix*: pattern and handler in its shapes.

    Microdot's own patterns run `re` over the path, whose recursion per character overflows the
    8 KB stack of the board on long paths; a pattern object for each row would cost 3 KB of heap.
    """

    def __init__(self, web, prefix, access=None):
        self.url_pattern = prefix
        self._web = web
        self._access = access

    def rows(self, path):
        """Yield the rows that *path* belongs to, whatever their method."""
        at = len(self.url_pattern)
        if not path.startswith(self.url_pattern):
            return
        for row in _ROUTES:
            pattern = row[1]
            whole = pattern == "/" or not pattern.endswith("/")
            if path[at:] == pattern if whole else path.startswith(pattern, at):
                yield row

    def match(self, path):
        """Return {} when *path* is below the prefix, else None."""
        return {} if path.startswith(self.url_pattern + "/") else None

    async def run(self, request):
        """Answer *request*, in any case with a response."""
        try:
            if self._access:
                self._web.admit(request, self._access, self.url_pattern)
            _, pattern, module, handler = self._row(request.path, request.method)
            if self._web.service.require_signed and (module, handler) in _UNSIGNED:
                raise _signed_only()
            request.g.rest = request.path[len(self.url_pattern) + len(pattern) :]
            return await getattr(self._web.group(module), handler)(request)
        except Refused as refused:
            return _refusal(refused, request)
        except MemoryError:
            self._web.starved = True
            return _refusal(low_memory(), request)
        except Gone:
            request.g.gone = True
            return "", 499
        except Exception as error:
            # Here and not in Microdot, whose own answer gives no reason as JSON.
            return _refusal(_failure(error), request)

    def _row(self, path, method):
        allowed = []
        for row in self.rows(path):
            if method == row[0] or (method == "HEAD" and row[0] == "GET"):
                return row
            allowed.append(row[0])
        if not allowed:
            raise Refused(404, "not_found", "There is nothing at %s." % path[:80])
        allow = ", ".join(allowed)
        raise Refused(405, "bad_method", "Use %s here, not %s." % (allow, method), allow=allow)


class Web:
    """All routes of *service*, for our own listener or inside another Microdot application."""

    def __init__(self, service, device):
        self.service = service
        self.device = device
        #: Whether a request has been refused for lack of memory.
        self.starved = False
        self._groups = {}
        self.uploads = Uploads(service.on_progress)
        #: The one buffer of whoever has the turn in `uploads`.
        self.buffer = bytearray(CHUNK)
        self.app = Microdot()
        self._add(self.app, Table(self, ""))

    def mount(self, app, prefix, access):
        """Add the routes to *app* below *prefix*; *access* lets their requests in."""
        # Microdot refuses bodies of more than 16 KB unless told; longer ones it leaves in the
        # stream, so that this costs no memory.
        Request.max_content_length = max(Request.max_content_length, flash.space()[1])
        self._add(app, Table(self, prefix, access))

    def _add(self, app, table):
        # Microdot's documented route() builds its own pattern type, hence its list.
        app.url_map.append((METHODS, table, table.run, "", None))

    def group(self, module):
        """Return the handlers of *module*, loading it if need be. Raises MemoryError."""
        found = self._groups.get(module)
        if found is None:
            gc.collect()
            for name in _NEEDS.get(module, ()):
                _load(name)
            found = self._groups[module] = _load(module).handlers(self.service, self)
        return found

    def load_all(self):
        """Load the handlers of every route. Raises what is wrong with one."""
        for _, _, module, handler in _ROUTES:
            getattr(self.group(module), handler)

    def admit(self, request, access, prefix):
        """Check a request that another Microdot has read already, as our listener would have."""
        headers = request.headers
        head = Head(request.method, request.url[len(prefix) :], 1)
        for name in headers:
            head.headers[name.lower()] = headers[name]
        request.after_request(_make_safe)
        access.check(head, request.client_addr[0])
        request.g.body = Body(MountedSource(request, head.length or 0), head.length)

    async def handle(self, head, connection):
        """Serve the request *head* of our own listener and send the answer."""
        try:
            request = Request(
                self.app, connection.address, head.method, head.target, "1.1", head.headers
            )
        except ValueError:
            raise Refused(400, "bad_request", "The query is not percent-encoded text.")
        request.g.body = Body(connection, head.length)
        request.g.gone = False
        response = await self.app.dispatch_request(request)
        if request.g.gone:
            raise Gone(104)
        await _send(response, connection)


def _load(module):
    return __import__("ota." + module, None, None, ("__name__",))


def _make_safe(request, response):
    """Add what our own listener says with every answer."""
    for line in SAFE.strip().split("\r\n"):
        name, _, value = line.partition(": ")
        response.headers[name] = value
    if response.headers.get("Content-Security-Policy") is None:
        response.headers["Content-Security-Policy"] = CLOSED_CSP
    return response


def _signed_only():
    return Refused(
        403,
        "signed_only",
        "This device takes signed releases only: send a .swu with PUT /api/v1/update/release.",
    )


def _failure(error):
    if isinstance(error, OSError) and error.errno == _ENOSPC:
        return Refused(507, "no_space", "The flash is full. Delete something.")
    return internal(error)


def _refusal(refused, request):
    headers = {}
    if refused.status == 401:  # only of another's server: our own listener has asked before
        from ota.access import challenge

        headers["WWW-Authenticate"] = challenge(request)
    for name, header in (("retry_after", "Retry-After"), ("allow", "Allow")):
        if name in refused.extra:
            headers[header] = str(refused.extra[name])
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
                await _send_chunks(body, connection)
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


async def _send_chunks(pieces, connection):
    for piece in pieces:
        if piece:
            await connection.write_piece(piece)
    await connection.write_piece(b"")
