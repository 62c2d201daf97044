"""`/`: the page."""

from microdot import Response

_PAGE = "/ota/page.html.gz"


def routes(service, web):
    """Return the routes of this module; see ota.web."""
    return [(("GET",), "/", _page)]


async def _page(request):
    from ota import page

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
