"""What rescue mode needs to be reachable: one JSON object in SETTINGS.

It has at most 512 bytes, so that littlefs rewrites it with one page: what the service was
constructed with at its first start, and at its last good one. The password of the Wi-Fi stands
there as in the application, that of updates as its SHA-256, and as it is where it is the key of an
access point, too; no request can read the file. Which update server it asks stands in _SERVER.
"""

import json
from micropython import const

import ota
from ota.console import SETTINGS
from ota.record import HOME, clear, make_parents

_KEY_FILE = HOME + "/public.json"
_SERVER = HOME + "/server"
_MAX_BYTES = const(512)
_MAX_SERVER = const(1024)

# What a Fleet was constructed with.
_FLEET = ("url", "token", "id", "tenant", "poll_s", "gateway_token", "cafile")


def prepare(service):
    """Return whether rescue mode will know the network; it is told of it if need be."""
    if load() is None:
        # The client has reached the service: that is as good as a good start.
        keep(service)
    return load() is not None


def keep(service):
    """Save the settings of *service*, as far as its network is known; say it where that fails."""
    try:
        save(settings_of(service))
    except OSError as error:
        service.log("Rescue mode will not know this network: %s" % error)


def settings_of(service):
    """Return the settings of *service* as a dict, None when its network is unknown.

    A bare network.WLAN does not give its key away: such a service says it with rescue_network.
    """
    wifi = service.wifi_service
    network = service.rescue_network
    if network is None:
        network = (getattr(wifi, "ssid", None), getattr(wifi, "password", None))
    if not network[0] or network[1] is None:
        return None
    found = {"ssid": network[0], "password": network[1]}
    extras = ota.once("wifi_help", "extras_of", wifi)
    found["hostname"], found["country"], found["address"] = extras
    found["user"] = service.auth[0]
    found["key"] = "sha256:" + ota.once("access", "secret_of", *service.auth)
    if not service.basic:
        found["basic"] = False
    found["signed"], found["min_version"] = service.require_signed, service.min_version
    found["public_key"] = service.public_key
    found["port"], found["trial_s"] = service.wanted_port, service.trial_deadline_s
    found["name"] = service.name
    # What most leave as it is: the file is short.
    if service.allowed_hosts:
        found["hosts"] = list(service.allowed_hosts)
    if service.rescue_ap:
        found["ap"] = service.auth[1]  # WPA2 takes nothing else
    if not service.discoverable:
        found["hidden"] = True
    if service.fleet is not None:
        asked = {name: getattr(service.fleet, name) for name in _FLEET}
        found["fleet"] = {name: value for name, value in asked.items() if value is not None}
    return found


def load():
    """Return the saved settings, None when there are none or they are damaged."""
    found = _read(SETTINGS, _MAX_BYTES)
    return found if found and found.get("ssid") else None


def fleet():
    """Return the Fleet that the application had, None when there was none or it is damaged."""
    found = _read(_SERVER, _MAX_SERVER)
    try:
        return found and ota.load("fleet").Fleet(**found)
    except (ValueError, TypeError):
        return None


def _read(path, limit):
    try:
        with open(path) as source:
            found = json.loads(source.read(limit))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def save(found):
    """Write the settings *found*, unless they are None or there already. Raises OSError."""
    if found is None:
        return
    make_parents(SETTINGS)
    asked = found.pop("fleet", None)
    key = found["public_key"]
    if key is not None and not isinstance(key, str):
        # A key is longer than a file that is rewritten with one page, and hardly ever changes.
        _write(_KEY_FILE, json.dumps(key))
        found["public_key"] = _KEY_FILE
    some = {name: value for name, value in found.items() if value is not None}
    for spare in ("hosts", "name", None):
        text = json.dumps(some, separators=(",", ":"))
        if len(text) <= _MAX_BYTES:
            break
        some.pop(spare, None)  # by its address it is found without
    else:
        raise OSError(27)  # EFBIG: cannot be read back
    _write(SETTINGS, text)
    if asked is None:
        clear(_SERVER)
    else:
        _write(_SERVER, json.dumps(asked))


def _write(path, text):
    try:
        with open(path) as source:
            if source.read() == text:
                return
    except OSError:
        clear(path)  # a folder, made by other hands
    with open(path, "w") as target:
        target.write(text)
