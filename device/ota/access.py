"""Who may ask for what: the names of the device, origin, credentials, wrong tries.

The one place where a request is let in.
"""

import hashlib
import network
import time
from binascii import a2b_base64, b2a_base64, hexlify
from micropython import const

from ota import load
from ota.errors import Refused

#: Part of what is kept of a password: another one would make all passwords wrong.
REALM = "pico-ota"

_OPEN_PATH = "/api/v1/info"

# Wrong tries from one address before it has to wait, and the longest wait.
_FREE_TRIES = const(10)
_MAX_WAIT_S = const(60)
# Addresses that have a row of their own; all beyond them share one, so that none is forgotten
# because others try.
_MAX_ADDRESSES = const(8)

#: The password that was set over the air, one line of hex: the secret that the application was
#: constructed with, and the one that replaces it.
PASSWORD = "/.ota/password"
_LENGTH = 64 + 1 + 64


def sha256(text):
    """Return the SHA-256 (64 hex) of *text*."""
    return hexlify(hashlib.sha256(text.encode()).digest()).decode()


def is_sha256(text):
    """Return True when *text* is a SHA-256 in lower case hex."""
    return len(text) == 64 and not text.strip("0123456789abcdef")


def secret_of(user, password):
    """Return what is kept of *password*, or of what is kept of it already behind "sha256:"."""
    if password[:7] == "sha256:":
        return password[7:]
    return sha256("%s:%s:%s" % (user, REALM, password))


def same(one, other):
    """Compare two texts in a time that does not depend on where they differ."""
    # As numbers, since a loop over their bytes would take longer than all else of the check.
    left, right = int.from_bytes(one.encode(), "big"), int.from_bytes(other.encode(), "big")
    return left ^ right == 0 and len(one) == len(other)


class Access:
    """Lets the requests to *service* in, or raises Refused with the status and the reason."""

    def __init__(self, service):
        self._service = service
        self._digest = None
        #: SHA-256 (64 hex) of the credentials that the application has given.
        self.constructed = secret_of(*service.auth)
        #: SHA-256 (64 hex) of the credentials that are asked for.
        self.secret = self._stored() or self.constructed
        self._hosts = [host.lower() for host in service.allowed_hosts]
        self._failures = {}  # address -> [count, ticks_ms of the last]

    def check(self, head, address):
        """Raise Refused unless *head* (method, path, headers) from *address* may go on."""
        host = head.headers.get("host")
        if not host:
            raise Refused(400, "bad_host")
        host = host.lower()
        if host not in self._hosts and not self._is_ours(host):
            raise Refused(421, "wrong_host", host, host)
        origin = head.headers.get("origin")
        if origin is not None and not self._is_our_page(origin.lower(), host):
            raise Refused(403, "wrong_origin", host, origin)
        if head.path != _OPEN_PATH or head.method not in ("GET", "HEAD"):
            self._check_credentials(head, address)
        # No form and no image can send it, so another site's page cannot change anything. All
        # other methods that change something make a browser ask first, and nothing says yes.
        if head.method == "POST" and "x-requested-with" not in head.headers:
            raise Refused(403, "missing_header")
        announced = head.announced()
        if announced is not None and not is_sha256(announced):
            raise Refused(400, "bad_digest/header", announced[:70])

    def _is_our_page(self, origin, host):
        # Exactly equal: 'null' and other ports are other sites. Behind a TLS proxy it is https.
        return origin == "http://" + host or (
            origin[:8] == "https://" and origin[8:] in self._hosts
        )

    def _is_ours(self, host):
        service = self._service
        at = host.rfind(":")
        name = host if at < 0 else host[:at]
        # Mounted in an application's own server there is no port of ours to compare with.
        if service.port is not None and host[len(name) :] not in _ports(service.port):
            return False
        called = (host_name(service) or "").lower()
        return (
            name in ("127.0.0.1", "localhost", ip(service.wifi_service))
            or name in self._hosts
            or (called and name in (called, called + ".local"))
        )

    def _check_credentials(self, head, address):
        failures = self._failures
        if address not in failures and len(failures) >= _MAX_ADDRESSES:
            address = None
        known = failures.get(address)
        if known and known[0] >= _FREE_TRIES:
            wait_ms = 1000 * min(_MAX_WAIT_S, 1 << min(known[0] - _FREE_TRIES, 6))
            passed = time.ticks_diff(time.ticks_ms(), known[1])
            # Negative after six quiet days, when the counter has gone half round: long over.
            if 0 <= passed < wait_ms:
                wait_s = (wait_ms - passed + 999) // 1000
                raise Refused(429, "too_many_tries/wait", wait_s, retry_after=wait_s)
        scheme, _, given = head.headers.get("authorization", "").partition(" ")
        scheme, given = scheme.lower(), given.strip()
        login = "digest"
        try:
            if scheme in ("digest", "xdigest") and given:
                if not self._nonces().check(head, given, self.secret):
                    login = self._service.login
            elif scheme == "basic" and given:
                login = scheme
                self._check_basic(given)
            else:
                raise Refused(401, "unauthorized/missing")
        except Refused as refused:
            why = refused.args[0].split("/")[1]
            if why == "wrong":
                known = failures.setdefault(address, [0, 0])
                known[0] += 1
                known[1] = time.ticks_ms()
            refused.headers = self._nonces().offers(head, scheme, why)
            raise
        failures.pop(address, None)
        self._service.login = login

    def _check_basic(self, token):
        """Raise Refused unless *token* is the right user and password."""
        if not self._service.basic:
            raise Refused(401, "unauthorized/basic")
        try:
            token = token.encode()
            pair = a2b_base64(token)
            # Exactly as it is written: decoding passes over what does not belong there.
            exact = b2a_base64(pair).strip() == token
            user, _, password = (pair if exact else b"").decode().partition(":")
        except ValueError:
            user = password = ""
        given = sha256("%s:%s:%s" % (user or self._service.auth[0], REALM, password))
        if not same(given, self.secret):
            raise Refused(401, "unauthorized/wrong")

    def _nonces(self):
        """Return the Digest, loading it if need be. Raises MemoryError."""
        if self._digest is None:
            self._digest = load("digest").Digest(self._service)
        return self._digest

    def _stored(self):
        """Return the secret in PASSWORD; a damaged file reads as none.

        When the application comes with other credentials than before, those win.
        """
        try:
            with open(PASSWORD, "rb") as source:
                line = source.read(_LENGTH + 1)
            if len(line) == _LENGTH and line.startswith(self.constructed.encode() + b" "):
                found = line[65:].decode()
                return found if is_sha256(found) else None
        except (OSError, ValueError):
            return None


def _ports(port):
    return ("", ":80") if port == 80 else (":%d" % port,)


def ip(wifi):
    """Return the address of *wifi*, a Wi-Fi manager or network.WLAN, as text, or None.

    A manager that does not tell uses the one radio that the board has.
    """
    found = _text(wifi, "ip")
    for interface in (wifi, network.WLAN(network.STA_IF)):
        try:
            found = found or interface.ifconfig()[0]
        except (AttributeError, OSError, IndexError, TypeError):
            pass  # not an interface, or one that is off
        if found == "0.0.0.0":
            found = None
    return found


def host_name(service):
    """Return the host name as set by the application, the Wi-Fi manager or the network module."""
    return service.name or _text(service.wifi_service, "hostname") or network.hostname()


def _text(wifi, name):
    """Return the attribute *name* of the application's Wi-Fi object, called if it is a method."""
    try:
        found = getattr(wifi, name, None)
        if callable(found):
            found = found()
    except Exception:
        return None  # one that takes arguments, or works only in some states
    return found if isinstance(found, str) and found not in ("", "0.0.0.0") else None
