"""`GET /api/v1/progress`: how far the upload under way has come; asked often, so kept small."""


async def show(device, head):
    """Tell of the write under way."""
    return 200, {"upload": device.uploads.current}
