"""What `OTAUpdateService.start()` does once. Loaded for that moment only."""

from ota import store
from ota.device import DEFAULT_PASSWORD


async def run(service):
    """Clean up after interrupted uploads and set the Wi-Fi object going."""
    store.clean()
    if service.auth[1] == DEFAULT_PASSWORD:
        service.log("The default password is in use. Choose another one.")
    start_wifi = getattr(service.wifi_service, "start", None)
    if start_wifi:
        started = start_wifi()
        # A Wi-Fi object's start() may be a plain function or a coroutine.
        if hasattr(started, "send"):
            await started
