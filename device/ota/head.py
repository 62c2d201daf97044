"""One HTTP request head, as far as some route uses it."""


class Head:
    """The request line of a request, with what ota/request.py and ota/routes.py add to it."""

    def __init__(self, method, target, minor):
        self.method = method
        self.target = target
        self.minor = minor  # of the version, HTTP/1.0 or HTTP/1.1
        #: The target in front of its "?" and behind, still percent-encoded.
        self.path, _, self.query = target.partition("?")
        #: The kept headers, names in lower case.
        self.headers = {}
        #: The declared body length in bytes, None when not declared.
        self.length = None
        #: Whether the client wants the connection for its next request.
        self.keep = minor == 1
        #: The path below that of the route, and the Body.
        self.rest = ""
        self.body = None

    @property
    def changes(self):
        """True for a request that may change something."""
        return self.method not in ("GET", "HEAD")
