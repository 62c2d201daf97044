"""What the device is called and where it is found."""


def ip(wifi):
    """Return the address of *wifi*, a Wi-Fi manager or network.WLAN, as text, or None.

    A manager that does not tell uses the one radio that the board has.
    """
    return (
        _text(wifi, "ip")
        or _configured(wifi)
        or _configured(_of_network(lambda network: network.WLAN(network.STA_IF)))
    )


def name(service):
    """Return the host name as set by the application, the Wi-Fi manager or the network module."""
    return (
        service.name
        or _text(service.wifi_service, "hostname")
        or _of_network(lambda network: network.hostname())
    )


def greeting(service):
    """Return the line that tells a person at the console where to go."""
    return "Listening at http://%s:%d" % (ip(service.wifi_service) or name(service), service.port)


def _text(wifi, name):
    """Return the attribute *name* of the application's Wi-Fi object, called if it is a method."""
    try:
        found = getattr(wifi, name, None)
        if callable(found):
            found = found()
    except Exception:
        return None  # one that takes arguments, or works only in some states
    return found if isinstance(found, str) and found not in ("", "0.0.0.0") else None


def _configured(wlan):
    try:
        found = wlan.ifconfig()[0]
    except (AttributeError, OSError, IndexError, TypeError):
        return None  # not an interface, or one that is off
    return None if found == "0.0.0.0" else found


def _of_network(ask):
    try:
        import network

        return ask(network)
    except (ImportError, AttributeError):
        return None
