"""`/api/v1/update/commit`, and the end of an update that is not wanted any more."""

from ota import let_go, load, session
from ota.device import ENTRANCE

_INSTALL = (
    "records",
    "session",
    "states",
    "flash",
    "space",
    "arrivals",
    "current",
    "commit",
    "install",
)


async def commit(device, head):
    """Decide that the staged set goes live at the next start, and restart."""
    restart = (await head.body.json()).get("restart", True)
    # What the application is asked about is what goes live: nobody else comes in between.
    async with device.uploads.turn("/.ota/plan", 0):
        session.check(head)
        device.uploads.free_buffer()
        let_go("session", *ENTRANCE)
        install = load(*_INSTALL)
        await install.ask_application(device.service)
        return 202, await install.go_live(device, restart)


async def abort(device, head):
    """Drop what is staged."""
    async with device.uploads.turn("/.ota/plan", 0):
        session.check(head)
        load("records", "states", "current").abort()
        load("release_store").remove()
    device.service.log("The update was dropped.")
    return 204, None
