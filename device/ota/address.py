"""What the device is called and where it is found."""


def ip(wifi):
    """Return the address of *wifi*, a Wi-Fi manager or network.WLAN, as text, or None."""
    found = getattr(wifi, "ip", None)
    if found is None and hasattr(wifi, "ifconfig"):
        found = wifi.ifconfig()[0]
    return found


def name(service):
    """Return the host name as set by the application, the Wi-Fi manager or the network module."""
    return service.name or getattr(service.wifi_service, "hostname", None) or _network_name()


def greeting(service):
    """Return the line that tells a person at the console where to go."""
    return "Listening at http://%s:%d" % (ip(service.wifi_service) or name(service), service.port)


def _network_name():
    try:
        import network

        return network.hostname()
    except (ImportError, AttributeError):
        return None
