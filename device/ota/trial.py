"""The proof that what runs may stay.

A release may replace the updater itself. What is loaded only when a client comes would be found
broken by the first client after the confirmation, on a board that nobody can reach any more. So
all of it is loaded, and one request answered, before an update is confirmed.
"""

import asyncio
import json
import sys
import time
from micropython import const

import ota
from ota import record, settings
from ota.errors import Refused

#: How long who asks for this and that keeps a board awake, and who brings an update after each
#: file.
_AWAKE_MS = const(30000)


def passed(service):
    """Take note of a good start: no death counted, what runs is proven, settings are saved."""
    ota.chip.forget_deaths()
    if service.mode != "normal":
        return
    if record.load()["state"] != "trial":
        try:
            _trust_changes(service)
        except Refused as refused:
            service.log(refused.message)
        else:
            settings.keep(service)
    elif service.auto_confirm:
        # As a task, since the proof imports a lot, and here much of the C stack is in use.
        asyncio.create_task(_confirm(service))  # noqa: RUF006 - the loop holds it
    else:
        service.log("Healthy; waiting for the application to confirm.")


def _trust_changes(service):
    """End the supervision of files that were changed by hand before this start.

    Raises Refused(409) when nobody could change them any more.
    """
    guard = sys.modules.get("ota_boot")
    if guard is not None and guard.supervisor is not None:
        _check_key(service)
        guard.stand_down()
    if not service.changed and record.unmark():  # else the next start has to prove those
        record.remove(ota.load("console").TRACEBACK)


async def prepare_sleep(service, listen_s):
    """Wait until nobody uses *service*, then see that the sleep is not taken for a bad end."""
    began = since = time.ticks_ms()
    seen = service.requests
    while True:
        now = time.ticks_ms()
        reachable = service.reachable
        if ota.busy or service.requests != seen:
            seen, since = service.requests, now
        # Whoever brings an update may take his time between two files. What a client of an
        # earlier wake has left does not keep the board awake.
        lease = service.lease
        updates = seen and lease is not None and time.ticks_diff(now, lease) < _AWAKE_MS
        quiet = not reachable or time.ticks_diff(now, since) >= listen_s * 1000
        if not (ota.busy or updates) and (quiet or time.ticks_diff(now, began) > _AWAKE_MS):
            break
        await asyncio.sleep_ms(100)
    _stand_down(service, reachable)
    if hasattr(ota.chip, "leave"):  # else the service was never started
        ota.chip.leave("restart")


def _check_key(service):
    """Raise Refused when *service* would refuse every release: 409 without a key, 422 for none."""
    if service.require_signed and not ota.load("trust").load(service.public_key):
        raise Refused(409, "no_key/confirm")


def _stand_down(service, reachable):
    """End the supervision before a sleep, in which nobody would feed the watchdog."""
    if reachable and hasattr(ota.chip, "leave"):
        ota.chip.forget_deaths()
    guard = sys.modules.get("ota_boot")
    if guard is None or guard.supervisor is None:
        return
    found = record.load()
    on_trial = found["state"] == "trial"
    if reachable and (not on_trial or service.auto_confirm):
        try:
            if on_trial:
                confirm(service)
            else:
                _trust_changes(service)
        except (Refused, MemoryError) as error:
            service.log("Not confirmed: %s" % error)
    elif reachable and found["tries"]:
        # The application has not made up its mind: a planned sleep uses up no start.
        found["tries"] -= 1
        record.save(found)
    if guard.supervisor is not None:
        guard.stand_down()


def vouch(service):
    """Keep what runs, since the application says that it is good. Raises Refused(409)."""
    if record.load()["state"] == "trial":
        confirm(service)
    else:
        _trust_changes(service)


async def _confirm(service):
    try:
        confirm(service)
    except Refused as refused:
        service.log(refused.message)
    except MemoryError:
        service.good_ms = 0  # once more later
    service.tidy()


def confirm(service):
    """Keep the release on trial. Raises Refused(409) when none is on trial, or it is broken."""
    if record.load()["state"] == "trial":
        _check_key(service)
        _prove(service)
    version = ota.load("transaction").confirm()
    _trust_changes(service)
    watch = sys.modules.get("ota.console")
    if watch is not None:
        watch.relax()
    service.log("Version %s is confirmed." % version)
    if service.good_ms is None:
        settings.keep(service)  # held back until now
    if service.after_install:
        _tell_application(service, version)


def _tell_application(service, version):
    try:
        told = service.after_install(version)
        if hasattr(told, "send"):
            asyncio.create_task(told)  # noqa: RUF006 - the loop holds it here
    except Exception as error:
        # It is confirmed all the same.
        service.log("after_install raised %r" % error)


def _prove(service):
    """Load every module, and answer one request without a network. Raises Refused(409).

    What the application leaves no memory for is passed over: that is nothing new. All of it is
    one function, and what the request needs is loaded before it, to go easy on the C stack.
    """
    before = ota._loaded()
    ota.busy += 2  # neither a request that is under way loses its modules, nor the one here
    seen, routes, known = [], (), before
    try:
        for name in ["server"] + _modules():
            asked = [row[1] for row in routes if row[0] == name]
            if name in seen and not asked:
                continue
            try:
                module = ota.load(name)
                for function in asked:
                    getattr(module, function)
                seen.extend(ota._loaded().split(" "))
                if name == "server":
                    routes, known = list(module.routes()), ota._loaded()
                elif name == "status":
                    ota.load("staging")
                    ota.load("transaction")
                    _answer(service)
            except MemoryError:
                pass
            except Exception as error:
                raise Refused(409, "broken", name, error)
            finally:
                ota._unload(known)
    finally:
        ota.busy -= 2
        ota._unload(before)


def _answer(service):
    """Answer a request, as far as that needs no network and no waiting. Raises what goes wrong."""
    server = ota.load("server")
    known = service.access
    server.Server(service)
    head = ota.load("request").Head("GET", "/api/v1/status", 1)
    answering = server.respond(service, head)
    status, body = None, {}
    try:
        answering.send(None)
    except StopIteration as done:
        status, body, _ = done.value
    finally:
        service.access = known
    if status != 200 or "state" not in json.loads(json.dumps(body)):
        raise ValueError("status is answered with %r" % status)


def _modules():
    """Return the name of each module of the package that needs nothing else on the board."""
    try:
        files = []
        with open(ota.PACK) as index:
            for line in index:
                if line == "\n":
                    break
                files.append(line.split(" ")[0])
    except OSError:  # there is none
        files = [entry[0] for entry in ota.load("flash").entries(ota.__path__)]
    found = []
    for file in files:
        name, _, form = file.partition(".")
        if form in ("mpy", "py") and name not in ("__init__", "mounted"):
            found.append(name)
    return found
