"""What the doors tell people: settings that cannot be, and why Wi-Fi failed. No radio.

Loaded for a moment by service_ota, manager_wifi and ota/fleet.py, so that its texts take no
memory afterwards.
"""

import machine
import network
from binascii import hexlify

from ota import load


class WiFiError(Exception):
    """The network could not be joined; the message says what was tried and what to do."""


class WrongPasswordError(WiFiError):
    """The router refused the password, several times."""


class NoNetworkError(WiFiError):
    """No router answers to that network name."""


class NoAddressError(WiFiError):
    """The router let the board in but gave it no IP address."""


def errors():
    """Return the exceptions that a Wi-Fi manager raises."""
    return WiFiError, WrongPasswordError, NoNetworkError, NoAddressError


def check_service(username, password, port, min_version, rescue_ap, resets):
    """Raise ValueError for what the service cannot be constructed with."""
    check_credentials(username, password)
    if rescue_ap and password[:7] == "sha256:":
        raise ValueError("rescue_ap needs auth_password itself: WPA2 cannot do with its SHA-256")
    if rescue_ap and (not 8 <= len(password) <= 63 or len(password.encode()) != len(password)):
        raise ValueError(
            "rescue_ap: as the key of a Wi-Fi auth_password has 8 to 63 ASCII characters, got %d"
            % len(password)
        )
    if not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("port is a number from 1 to 65535, got %r" % (port,))
    if not 0 <= resets <= 15:
        raise ValueError("rescue_after_resets is 1 to 15, or 0")
    # Hardly ever given, and the module is a large one.
    if min_version is not None and load("conditions").parse(min_version) is None:
        raise ValueError("min_version is a version like 1.4.0, got %r" % (min_version,))


def check_credentials(username, password):
    """Raise ValueError unless these can be asked for."""
    if not isinstance(username, str) or not username or ":" in username:
        raise ValueError("auth_username is a text without ':', got %r" % (username,))
    if not isinstance(password, str) or not password:
        raise ValueError("auth_password is empty: anybody could replace the program")
    kept = password[7:]
    if password[:7] == "sha256:" and (len(kept) != 64 or kept.strip("0123456789abcdef")):
        raise ValueError("auth_password behind 'sha256:' is 64 hex digits in lower case")
    if len(password) > 128:
        raise ValueError("auth_password has at most 128 characters, got %d" % len(password))


def check_fleet(fleet):
    """Raise ValueError for what a Fleet cannot be constructed with; set the usual `id`."""
    web = load("web")
    web.split(fleet.url)
    for name, text in (("token", fleet.token), ("gateway_token", fleet.gateway_token)):
        if text is not None and not web.is_plain(text, 200):
            raise ValueError("%s has 1 to 200 letters and digits, no blanks" % name)
    if fleet.token and fleet.gateway_token:
        raise ValueError("token or gateway_token, not both")
    for name, text in (("id", fleet.id), ("tenant", fleet.tenant)):
        if text is not None and (not web.is_plain(text, 64) or not _is_name(text)):
            raise ValueError("%s has letters, digits, '-', '_' and '.', got %r" % (name, text))
    if fleet.poll_s is not None and not (
        isinstance(fleet.poll_s, (int, float)) and 1 <= fleet.poll_s <= 86400
    ):
        raise ValueError("poll_s is 1 to 86400 seconds, got %r" % (fleet.poll_s,))
    if fleet.id is None:
        fleet.id = "pico-" + hexlify(machine.unique_id()).decode()


def _is_name(text):
    for code in text.encode():
        if code in b'/?#%:@"\\':
            return False
    return True


def connected_function(wifi):
    """Return the method of *wifi* that tells whether it is connected. Raises ValueError."""
    for name in ("is_connected", "isconnected"):
        function = getattr(wifi, name, None)
        if function is not None:
            return function
    raise ValueError("wifi_service needs is_connected() or isconnected(), got %r" % (wifi,))


def check(ssid, password, country, address=None):
    """Raise ValueError for settings that no network can have."""
    size = len(ssid.encode())
    if not 0 < size <= 32:
        raise ValueError("ssid: expected 1 to 32 bytes, got %d" % size)
    size = len(password.encode())
    # 64 are the hexadecimal digits of a ready-made key.
    if password and not 8 <= size <= 64:
        raise ValueError(
            "password: expected 8 to 64 characters, or none for an open network, got %d" % size
        )
    if country is not None and (len(country) != 2 or not country.isupper()):
        raise ValueError("country: expected two capital letters such as 'DE', got %r" % (country,))
    if address is not None:
        check_address(address)


def check_address(address):
    """Raise ValueError unless *address* is one that a board can have in its network."""
    if not isinstance(address, (tuple, list)) or len(address) != 4:
        raise ValueError(
            "address: expected (address, netmask, gateway, name server), got %r" % (address,)
        )
    own, mask, gateway, _ = [_number(text) for text in address]
    rest = mask ^ 0xFFFFFFFF
    if not mask or rest & rest + 1:
        raise ValueError("address: expected a netmask like 255.255.255.0, got %r" % address[1])
    if not own or (own & rest in (0, rest) and rest > 1):
        raise ValueError("address: %s names a whole network, not a board" % address[0])
    # No gateway is fine where the board talks to nobody outside.
    if gateway and (gateway == own or (gateway ^ own) & mask):
        raise ValueError(
            "address: expected a gateway beside %s in its network, or 0.0.0.0, got %s"
            % (address[0], address[2])
        )


def _number(text):
    parts = text.split(".") if isinstance(text, str) else ()
    if len(parts) != 4 or not all(part.isdigit() and int(part) < 256 for part in parts):
        raise ValueError("address: expected four numbers like 192.168.1.7, got %r" % (text,))
    number = 0
    for part in parts:
        number = number << 8 | int(part)
    return number


def extras_of(wifi):
    """Return host name, country and address of *wifi*, each None where a WiFiManager refuses it.

    An object of the application's own may mean something else by these names.
    """
    name, country, address = [
        getattr(wifi, attribute, None) for attribute in ("hostname", "country", "address")
    ]
    if _is_wrong(host_name, name):
        name = None
    if _is_wrong(check, "any", "", country):
        country = None
    if address is None or _is_wrong(check_address, address):
        address = _set_by_hand()
    return name, country, address


def _is_wrong(check, *args):
    try:
        check(*args)
    except (ValueError, TypeError, AttributeError):
        return True
    return False


def _set_by_hand():
    """Return the address that the application has set on the radio itself, or None."""
    wlan = network.WLAN(network.STA_IF)
    try:
        address = wlan.ifconfig()
        if not wlan.ipconfig("dhcp4") and not _is_wrong(check_address, address):
            return address
    except (AttributeError, OSError, ValueError):
        pass  # a firmware that cannot tell
    return None


def host_name(name):
    """Return *name* as the board will use it, or a unique one for None. Raises ValueError.

    It becomes the DHCP name and <name>.local, so only what DNS allows goes through.
    """
    if name is None:
        # Not the firmware's "PicoW": two boards with one name hide each other.
        return "pico-" + "".join(["%02x" % byte for byte in machine.unique_id()[-3:]])
    clean = name.strip().lower().replace(" ", "-").replace("_", "-")
    if clean.endswith(".local"):
        clean = clean[:-6]  # the firmware appends it
    wrong = [c for c in clean if c not in "abcdefghijklmnopqrstuvwxyz0123456789-"]
    if wrong:
        raise ValueError("hostname: only letters, digits and hyphens, not %r" % "".join(wrong))
    if not 0 < len(clean) <= 32:
        raise ValueError("hostname: expected 1 to 32 characters, got %d" % len(clean))
    if "-" in (clean[0], clean[-1]):
        raise ValueError("hostname: no hyphen at the start or end, got %r" % clean)
    return clean


def explain(status, ssid, password):
    """Return the name of the exception and its message, from the last `network.WLAN.status()`."""
    if status == -3:
        return "WrongPasswordError", (
            "%r refuses the password (%d characters): check it letter by letter, capitals count"
            % (ssid, len(password))
        )
    if status == -2:
        return "NoNetworkError", (
            "no network %r in reach: check its name (capitals count), come nearer, and switch on "
            "2.4 GHz at the router, the board has no 5 GHz" % ssid
        )
    if status == 2:
        return "NoAddressError", (
            "joined %r but got no address: check at the router that DHCP is on and has addresses "
            "left" % ssid
        )
    return "WiFiError", (
        "cannot join %r (status %d): go nearer to the router, restart it, check the power supply"
        % (ssid, status)
    )
