"""`/api/v1/update/commit`, and the end of an update that is not wanted any more."""

from ota import load, session

_INSTALL = ("records", "states", "space", "arrivals", "transaction", "commit", "install")


async def commit(device, head):
    """Decide that the staged set goes live at the next start, and restart."""
    session.check(head)
    restart = (await head.body.json()).get("restart", True)
    device.uploads.free_buffer()
    install = load(*_INSTALL)
    await install.ask_application(device.service)
    async with device.uploads.turn("/.ota/plan", 0):
        return 202, await install.go_live(device, restart)


async def abort(device, head):
    """Drop what is staged."""
    session.check(head)
    async with device.uploads.turn("/.ota/plan", 0):
        load("records", "states", "transaction").abort()
    device.service.log("The update was dropped.")
    return 204, None
