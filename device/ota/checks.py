"""What the constructor of the service accepts. Loaded for that moment only."""


def credentials(username, password):
    """Raise ValueError unless these can be asked for."""
    if not isinstance(username, str) or not username or ":" in username:
        raise ValueError("auth_username is a text without ':', got %r" % (username,))
    if not isinstance(password, str) or not password:
        raise ValueError("auth_password is empty: anybody could replace the program")
    if len(password) > 128:
        raise ValueError("auth_password has at most 128 characters, got %d" % len(password))


def port(number):
    """Raise ValueError unless *number* is a TCP port."""
    if not isinstance(number, int) or not 0 < number < 65536:
        raise ValueError("port is a number from 1 to 65535, got %r" % (number,))


def connected_function(wifi):
    """Return the method of *wifi* that tells whether it is connected. Raises ValueError."""
    for name in ("is_connected", "isconnected"):
        function = getattr(wifi, name, None)
        if function is not None:
            return function
    raise ValueError("wifi_service needs is_connected() or isconnected(), got %r" % (wifi,))


def min_version(text):
    """Raise ValueError unless *text* is a version, or None."""
    if text is not None:
        from ota import version

        version.parse(text)
