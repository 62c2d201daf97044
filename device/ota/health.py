"""A good start: the service has been reachable for a while, so what runs may stay."""

import asyncio

import ota_boot
from ota import settings
from ota.errors import Refused


def passed(service):
    """Take note of a good start: settings for rescue mode, no death counted, trial confirmed."""
    ota_boot.forget_deaths()
    if service.mode != "normal":
        return
    if ota_boot.load()["state"] != "trial":
        _save_settings(service)
    elif service.auto_confirm:
        from ota import selftest

        try:
            selftest.run(service)
            confirm(service)
            _save_settings(service)
        except Refused as refused:
            service.log(refused.message)  # the plan was damaged by other hands
    else:
        service.log("Healthy; waiting for the application to confirm.")


def confirm(service):
    """Keep the release on trial. Raises Refused(409) when none is on trial."""
    from ota import transaction

    if service.require_signed:
        _check_keys(service)
    transaction.confirm()
    ota_boot.stand_down()
    version = transaction.status()["version"]
    service.log("Version %s is confirmed." % version)
    if service.good_ms is None:
        _save_settings(service)  # held back until now
    if service.after_install:
        _tell_application(service, version)


def _check_keys(service):
    # Confirmed without a key it would refuse every release to come.
    from ota import keyring

    if not keyring.load(service.public_key):
        raise Refused(409, "no_key/confirm")


def prepare_rescue(service):
    """See that rescue mode will know the network. Raises Refused(409) when it cannot."""
    if settings.load() is None and ota_boot.load()["state"] != "trial":
        # Whoever asks has reached the service: that is as good as a good start.
        _save_settings(service)
    if settings.load() is None:
        raise Refused(409, "no_network")


def _tell_application(service, version):
    try:
        told = service.after_install(version)
        if hasattr(told, "send"):
            asyncio.create_task(told)  # noqa: RUF006 - the loop holds it here
    except Exception as error:
        # It is confirmed all the same.
        service.log("after_install raised %r" % error)


def _save_settings(service):
    found = settings.of(service)
    if found is None:
        return
    try:
        ota_boot.make_parents(settings.PRIVATE + "/")
        settings.save(found)
    except OSError as error:
        service.log("Rescue mode will not know this network: %s" % error)
