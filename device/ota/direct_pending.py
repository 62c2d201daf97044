"""`GET /api/v1/update/release`: a release that is half here, for who wants to go on with it."""

from ota import release_resume
from ota.errors import Refused


async def show(device, head):
    """Tell of a release that is half here."""
    found = release_resume.pending()
    if found is None:
        raise Refused(404, "no_release")
    return 200, found
