"""`/`: the page."""

# The page as it is sent, and its ETag and policy on a line each; tools/build_page.py makes both.
_PAGE = "/ota/page.html.gz"
_ABOUT = "/ota/page.txt"


async def page(service, head):
    """Send the page, compressed as it lies on the flash."""
    tag, policy = _about()
    headers = (
        ("ETag", tag),
        ("Content-Security-Policy", policy),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Encoding", "gzip"),
    )
    if head.headers.get("if-none-match") == tag:
        return 304, None, headers
    return 200, _File(_PAGE), headers


def _about():
    # In a frame of its own, which keeps the file and its buffer no longer than it is needed.
    with open(_ABOUT) as about:
        return about.read().strip().split("\n")


class _File:
    """An open file as a handler returns it. Raises OSError."""

    def __init__(self, path):
        file = open(path, "rb")
        self.left = file.seek(0, 2)
        file.seek(0)
        self.readinto = file.readinto
        self.close = file.close
