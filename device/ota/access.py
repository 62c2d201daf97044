"""Who may ask for what: host, origin, custom header, credentials, wrong tries.

The one place where a request is let in. Rules only: no socket, no disk.
"""

import hashlib
import time
from binascii import b2a_base64
from micropython import const

from ota.errors import Refused

REALM = "pico-ota"
_OPEN_PATH = "/api/v1/info"

# Wrong tries from one address before it has to wait, and the longest wait.
_FREE_TRIES = const(10)
_MAX_WAIT_S = const(60)
# Addresses remembered: an attacker with more of them is slowed by the five connections anyway.
_MAX_ADDRESSES = const(8)


def credentials_digest(username, password):
    """Return the SHA-256 (bytes) of the one header value that these credentials make."""
    token = b2a_base64(("%s:%s" % (username, password)).encode()).strip()
    return hashlib.sha256(token).digest()


def same(a, b):
    """Compare two digests (bytes) in a time that does not depend on where they differ."""
    difference = len(a) ^ len(b)
    for left, right in zip(a, b):
        difference |= left ^ right
    return difference == 0


class Access:
    """Lets requests in, or raises Refused with the status and the reason.

    *extra_hosts* are further hosts in lower case, *failures* a dict that remembers wrong tries:
    address -> [count, ticks_ms of the last].
    *device* has `digest` (what credentials_digest() gave), `host_names()` and `service.port`.
    """

    def __init__(self, device, extra_hosts, failures):
        self._device = device
        self._extra = extra_hosts
        self._failures = failures

    def check(self, head, address):
        """Raise Refused unless *head* (method, path, headers) from *address* may go on."""
        host = self._check_host(head.headers.get("host"))
        self._check_origin(head, host)
        if head.path == _OPEN_PATH and not head.changes:
            return
        self._check_credentials(head, address)
        # No form and no image can send it, so another site's page cannot change anything.
        if head.changes and "x-requested-with" not in head.headers:
            raise Refused(403, "missing_header")

    def _check_host(self, host):
        if not host:
            raise Refused(400, "bad_host")
        host = host.lower()
        if host not in self._extra and not self._is_ours(host):
            raise Refused(421, "wrong_host", host)
        return host

    def _is_ours(self, host):
        at = host.rfind(":")
        name, port = (host, "80") if at < 0 else (host[:at], host[at + 1 :])
        ours = self._device.service.port
        # Mounted in an application's own server there is no port of ours to compare with.
        if ours is not None and port != str(ours):
            return False
        if name in ("127.0.0.1", "localhost"):
            return True
        return any(known and name == known.lower() for known in self._device.host_names())

    def _check_origin(self, head, host):
        origin = head.headers.get("origin")
        # Exactly equal: 'null', https and other ports are other sites.
        if origin is not None and origin.lower() != "http://" + host:
            raise Refused(403, "wrong_origin", host, origin)

    def _check_credentials(self, head, address):
        known = self._failures.get(address)
        wait_ms = _wait_ms(known) if known else 0
        if wait_ms > 0:
            wait_s = (wait_ms + 999) // 1000
            raise Refused(429, "too_many_tries", wait_s, retry_after=wait_s)
        value = head.headers.get("authorization")
        scheme, _, token = value.partition(" ") if value else ("", "", "")
        if scheme.lower() != "basic" or not token:
            raise Refused(401, "unauthorized/missing")
        if not same(hashlib.sha256(token.strip().encode()).digest(), self._device.digest):
            self._count_failure(address)
            raise Refused(401, "unauthorized/wrong")
        if known:
            del self._failures[address]

    def _count_failure(self, address):
        failures = self._failures
        if address not in failures and len(failures) >= _MAX_ADDRESSES:
            del failures[min(failures, key=lambda name: failures[name][0])]
        entry = failures.setdefault(address, [0, 0])
        entry[0] += 1
        entry[1] = time.ticks_ms()


def _wait_ms(entry):
    count, last = entry
    if count < _FREE_TRIES:
        return 0
    limit = 1000 * min(_MAX_WAIT_S, 1 << min(count - _FREE_TRIES, 6))
    passed = time.ticks_diff(time.ticks_ms(), last)
    # Negative after six quiet days, when the counter has gone half round: long over.
    return limit - passed if passed >= 0 else 0


def challenge(head):
    """Return the WWW-Authenticate value for a 401.

    A request of a script gets a scheme that no browser knows, so none opens its own dialog over
    the page's form.
    """
    scripted = head is not None and "x-requested-with" in head.headers
    return '%s realm="%s"' % ("xBasic" if scripted else "Basic", REALM)
