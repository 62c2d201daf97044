"""A good start: the service has been reachable for a while, so what runs may stay."""

import ota_boot
from ota import settings


def passed(service):
    """Take note of a good start: settings for rescue mode, no death counted, trial confirmed."""
    ota_boot.forget_deaths()
    if service.mode != "normal":
        return
    record = ota_boot.load()
    if record["state"] == "trial":
        if not service.auto_confirm:
            service.log("Healthy; waiting for the application to confirm.")
            return
        confirm(service)
    _save_settings(service)


def confirm(service):
    """Keep the release on trial. Raises Refused(409) when none is on trial."""
    from ota import transaction

    transaction.confirm()
    ota_boot.stand_down()
    version = transaction.status()["version"]
    service.log("Version %s is confirmed." % version)
    if service.after_install:
        service.after_install(version)


def _save_settings(service):
    found = settings.of(service)
    if found is None:
        return
    try:
        ota_boot.make_parents(settings.PRIVATE + "/")
        settings.save(found)
    except OSError as error:
        service.log("Rescue mode will not know this network: %s" % error)
