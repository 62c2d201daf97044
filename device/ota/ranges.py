"""Which part of a file a request carries."""

from ota.errors import Refused


def content_range(head):
    """Return (offset, total) of the body within what it is a piece of; total None when whole.

    Raises Refused: 411 without Content-Length, 400 for a Content-Range that does not fit it.
    """
    length = head.body.length
    if length is None:
        raise Refused(411, "length_required/file")
    text = head.headers.get("content-range")
    if text is None:
        return 0, None
    first = last = total = ""
    if text.startswith("bytes "):
        span, _, total = text[6:].partition("/")
        first, _, last = span.partition("-")
    if not (_is_number(first) and _is_number(last) and _is_number(total)):
        raise Refused(400, "bad_range/form", text[:60])
    first, last, total = int(first), int(last), int(total)
    if last - first + 1 != length or last >= total:
        raise Refused(400, "bad_range/length", text, length)
    return first, total


def _is_number(text):
    return text.isdigit() and len(text) < 9
