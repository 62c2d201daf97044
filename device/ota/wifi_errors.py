"""What `WiFiManager.connect()` raises. Loaded at the first failure, or by who names one."""


class WiFiError(Exception):
    """The network could not be joined; the message says what was tried and what to do."""


class WrongPasswordError(WiFiError):
    """The router refused the password, several times."""


class NoNetworkError(WiFiError):
    """No router answers to that network name."""


class NoAddressError(WiFiError):
    """The router let the board in but gave it no IP address."""


ALL = (WiFiError, WrongPasswordError, NoNetworkError, NoAddressError)
