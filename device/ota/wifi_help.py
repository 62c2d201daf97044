"""What the two doors tell people: settings that cannot be, and why Wi-Fi failed. No radio.

Loaded for a moment by service_ota and manager_wifi, so that its texts take no memory afterwards.
"""

import machine

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


def check_service(username, password, port, min_version):
    """Raise ValueError for what the service cannot be constructed with."""
    check_credentials(username, password)
    if not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("port is a number from 1 to 65535, got %r" % (port,))
    # Hardly ever given, and the module is a large one.
    if min_version is not None and load("description").parse(min_version) is None:
        raise ValueError("min_version is a version like 1.4.0, got %r" % (min_version,))


def check_credentials(username, password):
    """Raise ValueError unless these can be asked for."""
    if not isinstance(username, str) or not username or ":" in username:
        raise ValueError("auth_username is a text without ':', got %r" % (username,))
    if not isinstance(password, str) or not password:
        raise ValueError("auth_password is empty: anybody could replace the program")
    if len(password) > 128:
        raise ValueError("auth_password has at most 128 characters, got %d" % len(password))


def connected_function(wifi):
    """Return the method of *wifi* that tells whether it is connected. Raises ValueError."""
    for name in ("is_connected", "isconnected"):
        function = getattr(wifi, name, None)
        if function is not None:
            return function
    raise ValueError("wifi_service needs is_connected() or isconnected(), got %r" % (wifi,))


def check(ssid, password, country):
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
