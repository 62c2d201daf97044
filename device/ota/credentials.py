"""The password that was set over the air; it outlives restarts, and yields to new code.

One line of hex: the digest of the credentials that the application was constructed with, and the
digest that replaces it. When the application comes with other credentials, they win.
"""

import os
from binascii import hexlify, unhexlify

_FOLDER = "/.ota"
_FILE = _FOLDER + "/password"
_LENGTH = 64 + 1 + 64


def load(constructed):
    """Return the digest (bytes) to ask for, given the one the application was *constructed* with.

    A damaged file reads as none.
    """
    try:
        with open(_FILE) as source:
            text = source.read(_LENGTH + 1)
        old, new = text.split(" ")
        if len(text) == _LENGTH and unhexlify(old) == constructed:
            return unhexlify(new)
    except (OSError, ValueError):
        pass
    return constructed


def save(constructed, digest):
    """Ask for *digest* from now on, as long as the application is *constructed* as it is."""
    try:
        os.mkdir(_FOLDER)
    except OSError:
        pass  # there already; any other trouble shows at open
    # In place: littlefs makes a rewrite visible at close(), all or nothing.
    with open(_FILE, "w") as target:
        target.write(hexlify(constructed).decode() + " " + hexlify(digest).decode())
