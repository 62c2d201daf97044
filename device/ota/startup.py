"""The start of the service: what the guard did not do, leftovers, and the Wi-Fi object."""

import asyncio
import sys
import time

import ota


def start_up(service):
    """Repair what the guard did not, clean up after uploads and set the Wi-Fi object going.

    Returns the task that the latter takes, None when it takes none.
    """
    _repair(service)
    ota._unload_guard()  # it has done its work, and makes room for what follows
    record, settings = ota.load("record"), ota.load("settings")
    if not record.is_dir(record.HOME):
        record.remove(record.HOME)  # a file, made by other hands
    record.clear(record.DESCRIPTION)
    record.clear("/.ota/~incoming")  # of ota/files.py, which is not loaded for its name alone
    for path in ("/.ota/password", ota.load("console").TRACEBACK):
        if record.is_dir(path):  # made by other hands: neither could be written
            record.clear(path)
    ota.chip.count_resets(service.rescue_after_resets)
    if record.load()["state"] == "staging":
        service.lease = time.ticks_ms()  # the client that began it has time to go on
    if settings.load() is None:
        # Later only a good start changes what rescue mode knows, but nothing is worse.
        settings.keep(service)
        if settings.load() is None:
            _note(service, "Rescue mode would not know this network: say rescue_network.")
    hasty = service.trial_deadline_s <= service.confirm_after_s
    if hasty and service.auto_confirm and service.mode == "normal":  # rescue mode knows but one
        _note(service, "trial_deadline_s is not above confirm_after_s: no update will be kept.")
    if service.auth[1] == ota.DEFAULT_PASSWORD:
        service.log("The default password is in use. Choose another one.")
    if hasattr(service.wifi_service, "log"):
        service.wifi_service.log = service.log
    start_wifi = getattr(service.wifi_service, "start", None)
    if start_wifi:
        started = start_wifi()
        # A Wi-Fi object's start() may be a plain function or a coroutine.
        if hasattr(started, "send"):
            return asyncio.create_task(started)
    return None


def _repair(service):
    """Do what the guard does, if boot.py was replaced or passed over: before anyone connects."""
    guard = sys.modules.get("ota_boot")
    if guard is None and not _has_chip():
        try:
            guard = _import_guard()
        except ImportError as error:
            _note(service, "Nothing undoes a bad update: %s." % error)
    if guard is not None:
        if guard.run(may_rescue=False):
            service.log("An interrupted update was dealt with; restarting.")
            guard.chip.restart("restart")
        if guard.ignored:
            _note(service, guard.ignored)
    if not _has_chip():
        ota.chip = ota.load("chip").Chip()


def _has_chip():
    """Return True if a guard has run at this start, and has left a Chip."""
    return hasattr(ota.chip, "restart")  # else it is None, or the module of that name


def _import_guard():
    path = sys.path[:]
    sys.path[:] = ("/", "/lib")
    try:
        return __import__("ota_boot")
    finally:
        sys.path[:] = path


def _note(service, text):
    if text not in service.notes:
        service.notes.append(text)
        service.log(text)
