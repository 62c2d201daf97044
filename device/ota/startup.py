"""What `OTAUpdateService.start()` does once. Loaded for that moment only."""

import time

import ota
import ota_boot


async def run(service):
    """Repair what the guard did not, clean up after uploads and set the Wi-Fi object going."""
    if not getattr(ota, "started", False):
        ota.started = True
        _repair(service)
    # Loading ota.store for its name of this file would leave that module's names in memory.
    ota_boot.remove("/.ota/incoming")
    if ota_boot.load()["state"] == "staging":
        service.lease = time.ticks_ms()  # whoever staged it has time to go on
    else:
        # Nor ota.release_store: what a release left that nobody can go on with.
        ota_boot.remove("/.ota/release.json")
        ota_boot.remove("/.ota/release")
    if service.auth[1] == ota.DEFAULT_PASSWORD:
        service.log("The default password is in use. Choose another one.")
    if hasattr(service.wifi_service, "log"):
        service.wifi_service.log = service.log
    start_wifi = getattr(service.wifi_service, "start", None)
    if start_wifi:
        started = start_wifi()
        # A Wi-Fi object's start() may be a plain function or a coroutine.
        if hasattr(started, "send"):
            await started


def _repair(service):
    # boot.py may have been replaced or passed over: the same repair, before anyone can connect.
    if ota_boot.run(may_rescue=False):
        service.log("An interrupted update was dealt with; restarting.")
        ota_boot.restart("restart")
    if ota_boot.ignored:
        service.log(ota_boot.ignored)
        service.notes.append(ota_boot.ignored)
