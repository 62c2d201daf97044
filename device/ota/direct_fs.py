"""`PUT /fs/…`: one file replaced or created in one step, or a folder made."""

from ota import flash, protected, store
from ota.errors import Refused


async def put(device, head):
    """Take a file, or make a folder; see ota/routes.py."""
    path, wants_dir = protected.target(head.rest)
    protected.guard_access(path, protected.allows(head))
    store.check_parents(path)
    if wants_dir:
        return _make_dir(path)
    length = head.body.length
    if length is None:
        raise Refused(411, "length_required/file")
    store.check_target(path)
    uploads = device.uploads
    async with uploads.turn(path, length) as turn:
        existed = flash.kind(path) is not None
        await _check_conditions(head.headers, path, existed, uploads.buffer)
        expected = _announced(head.headers)
        store.check_space(length, path)
        incoming = store.Incoming(path)
        try:
            await head.body.pump(turn.counting(incoming.write), uploads.buffer)
            # A folder may have been made at this name while the body came in.
            store.check_target(path)
            tag = incoming.publish(expected)
            uploads.replaced(path)
        finally:
            incoming.drop()
    device.service.log("%s written, %d bytes" % (path, length))
    return 204 if existed else 201, None, (("ETag", '"%s"' % tag),)


def _make_dir(path):
    if flash.kind(path) == "folder":
        return 204, None
    if flash.kind(path):
        raise store.not_directory(path)
    store.check_space(0, path + "/")
    store.make_folders(path + "/")
    return 201, None


async def _check_conditions(headers, path, existed, buf):
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is None and none_match is None:
        return
    tag = '"%s"' % await store.digest(path, buf) if existed else None
    if match is not None and not (existed if match == "*" else tag == match):
        raise Refused(412, "precondition_failed/match", path, tag)
    if none_match is not None and (existed if none_match == "*" else tag == none_match):
        raise Refused(412, "precondition_failed/none_match", path)


def _announced(headers):
    text = headers.get("x-content-sha256")
    if text is None:
        return None
    text = text.lower()
    if len(text) != 64 or text.strip("0123456789abcdef"):
        raise Refused(400, "bad_digest/header", text[:70])
    return text
