"""`/api/v1/status`: all that a page or a terminal shows of the device."""

import gc
import sys

import ota
from ota.access import host_name, ip, secret_of


async def status(service, head):
    """Tell what the device is, what it does, and how it is."""
    implementation = sys.implementation
    free, total, block = ota.once("flash", "space")  # first: it is not needed beside the rest
    answer = ota.load("transaction").status()
    trial, guard = answer["trial"], sys.modules.get("ota_boot")
    answer["supervised"] = None
    if guard and guard.supervisor:
        proof = {"remaining_s": guard.supervisor.left_s, "stays_in_s": _stays_in_s(service, trial)}
        if trial:
            trial.update(proof)
        else:
            answer["supervised"] = proof
    answer["update"] = _staged(answer.pop("id"), answer.pop("next"), answer["state"])
    last = ota.load("console").traceback()
    default = service.access.secret == secret_of(service.auth[0], ota.DEFAULT_PASSWORD)
    warnings = list(service.notes)
    if default:
        warnings.append("The default password is in use. Choose another one.")
    gc.collect()
    answer.update(
        {
            "boot_id": service.boot_id,
            "name": host_name(service),
            "ip": ip(service.wifi_service),
            "mode": service.mode,
            "board": implementation._machine,
            "micropython": "%d.%d.%d" % implementation.version[:3],
            "mpy": implementation._mpy,
            "uptime_s": service.uptime_ms // 1000,
            "trial_deadline_s": service.trial_deadline_s,
            "flash": {"total": total, "free": free, "block": block},
            "memory": {"free": gc.mem_free(), "used": gc.mem_alloc()},
            "wifi": {"rssi": _rssi(service.wifi_service)},
            "changed": list(service.changed),
            "traceback": last and ota.once("api", "text_of", last),
            "require_signed": service.require_signed,
            "default_password": default,
            "user": service.auth[0],
            "login": service.login,
            "upload": service.upload,
            "fleet": service.fleet and _fleet(service, service.fleet, warnings),
            "warnings": warnings,
        }
    )
    return 200, answer, ()


def _stays_in_s(service, trial):
    """Return after how many seconds what runs is proven, None if the application has to say so."""
    if trial and not service.auto_confirm:
        return None
    if service.good_ms is None:
        return 0
    return max(0, int(service.confirm_after_s) - service.good_ms // 1000)


def _fleet(service, fleet, warnings):
    if not service.require_signed:
        warnings.append(
            "Whoever can pose as the fleet server can install anything: set public_key."
        )
    polled = fleet.polled_ms
    return {
        "server": fleet.url,
        "id": fleet.id,
        "state": fleet.state,
        "offered": fleet.offered,
        "polled_s": None if polled is None else (service.uptime_ms - polled) // 1000,
        "error": fleet.error,
    }


def _staged(session, version, state):
    if state != "staging":
        return None
    count = total = here = 0
    for _, size, received, _ in ota.load("staging").files():
        count += 1
        total += size
        here += received
    return {"id": session, "version": version, "files": count, "bytes": total, "received": here}


def _rssi(wifi):
    """Return the signal strength in dBm, or None when the Wi-Fi object cannot tell."""
    try:
        return wifi.rssi if hasattr(wifi, "rssi") else wifi.status("rssi")
    except (AttributeError, OSError, ValueError, TypeError):
        return None
