"""`/`: the page."""

from microdot import Response

from ota import page

_PAGE = "/ota/page.html.gz"


def handlers(service, web):
    """Return the handlers of this module; see ota.web."""
    return Page()


class Page:
    """The handler."""

    async def page(self, request):
        """Send the page, compressed as it lies on the flash."""
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Encoding": "gzip",
            "Content-Security-Policy": page.CSP,
            "ETag": page.ETAG,
        }
        if request.headers.get("if-none-match") == page.ETAG:
            return Response(b"", 304, headers)
        source = open(_PAGE, "rb")
        headers["Content-Length"] = str(source.seek(0, 2))
        source.seek(0)
        return Response(source, 200, headers)
