"""What rescue mode needs to be reachable, as the service used it at its last good start.

One JSON object in `/.ota/settings`, at most 512 bytes so that littlefs rewrites it with one page.
The passwords stand there as they stand in the application; no request can read the file.
"""

import json

from ota.paths import PRIVATE

_FILE = PRIVATE + "/settings"
_KEY_FILE = PRIVATE + "/public.json"
_MAX_BYTES = 512
_WIFI = ("ssid", "password", "hostname", "country")


def of(service):
    """Return the settings of a running *service* as a dict, None when its network is unknown.

    A bare network.WLAN does not give its key away: such a service says it with rescue_network.
    """
    wifi = service.wifi_service
    network = service.rescue_network
    if network is None:
        network = (getattr(wifi, "ssid", None), getattr(wifi, "password", None))
    if not network[0] or network[1] is None:
        return None
    found = {name: getattr(wifi, name, None) for name in _WIFI}
    found["ssid"], found["password"] = network
    found["user"], found["key"] = service.auth
    found["signed"], found["min_version"] = service.require_signed, service.min_version
    found["public_key"] = service.public_key
    found["port"], found["trial_s"] = service.wanted_port, service.trial_deadline_s
    found["name"] = service.name
    found.update(_unusual(service))
    return found


def _unusual(service):
    """Return what most leave as it is: the file is short."""
    found = {}
    if service.allowed_hosts:
        found["hosts"] = list(service.allowed_hosts)
    if service.host != "0.0.0.0":
        found["host"] = service.host
    if not service.discoverable:
        found["hidden"] = True
    return found


def load():
    """Return the saved settings, None when there are none or they are damaged."""
    try:
        with open(_FILE) as source:
            found = json.loads(source.read(_MAX_BYTES))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("ssid") else None


def save(found):
    """Write *found* unless it is there already. Raises OSError."""
    key = found["public_key"]
    if key is not None and not isinstance(key, str):
        # A key is longer than a file that is rewritten with one page, and hardly ever changes.
        _write(_KEY_FILE, json.dumps(key))
        found["public_key"] = _KEY_FILE
    text = json.dumps(found)
    if len(text) > _MAX_BYTES:
        raise OSError(27)  # EFBIG: cannot be read back
    _write(_FILE, text)


def _write(path, text):
    try:
        with open(path) as source:
            if source.read() == text:
                return
    except OSError:
        pass
    with open(path, "w") as target:
        target.write(text)
