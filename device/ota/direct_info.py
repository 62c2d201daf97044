"""`GET /api/v1/info`: what anybody may know, without a password and with hardly any heap."""

from ota import __version__, address
from ota.access import REALM


async def info(device, head):
    """Tell enough to find and recognise a device, nothing more."""
    return 200, {
        "api": 1,
        "service": "pico-ota",
        "release": __version__,
        "name": address.name(device.service),
        "auth": "Basic",
        "realm": REALM,
        "boot_id": device.service.boot_id,
    }
