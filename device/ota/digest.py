"""HTTP Digest with SHA-256 (RFC 7616): who logs in by it shows the password without sending it.

A nonce takes no memory: it is a number, the second of its making, and a MAC of both by a key of
this Digest. Only those in use have a row, which tells what was sent with them already.
"""

import os
from binascii import hexlify
from micropython import const

from ota.access import REALM, same, sha256
from ota.errors import Refused

_LIFE_S = const(300)  # of a nonce: how long a request may be held back on its way
_ROWS = const(8)
_WINDOW = const(24)  # how far requests over several connections may overtake each other
_MOST = const(1 << 24)  # requests with one nonce


# Who asks for a password itself: our page, and other scripts. To them the schemes have names that
# no browser knows, so none opens its own dialog over their forms.
_SCRIPTS = ("pico-ota", "XMLHttpRequest")


class Digest:
    """The nonces of one server. *service* tells the time by `uptime_ms`."""

    def __init__(self, service):
        self._service = service
        self._key = hexlify(os.urandom(16)).decode()
        # Of the last nonces in use, that of the last request at the end: the number, the highest
        # count, and which of those just below came, a bit each.
        self._rows = []
        # How many nonces were made; and up to which number one without a row may have been used.
        self._made = self._forgotten = 0

    def offers(self, head, scheme, why):
        """Return what a 401 to *head* offers, as headers; *scheme* is what it came with.

        *why* is the end of the key of the refusal.
        """
        basic = self._service.basic
        # What the browser itself has sent with a nonce that is used up, it sends anew by itself.
        scripted = head.headers.get("x-requested-with") in _SCRIPTS
        x = "x" if scripted and (why != "stale" or scheme != "digest") else ""
        found = []
        # A proxy that changes the path makes Digest impossible.
        if why != "uri" or not basic:
            self._made += 1
            plain = "%08x%08x" % (self._made, self._seconds())
            value = '%sDigest realm="%s", qop="auth%s", algorithm=SHA-256, nonce="%s%s"' % (
                x,
                REALM,
                "" if why == "hash" else ",auth-int",
                plain,
                self._mac(plain),
            )
            value += ", charset=UTF-8"
            if why in ("stale", "hash"):
                value += ", stale=true"
            found.append(("WWW-Authenticate", value))
        if basic:
            found.append(("WWW-Authenticate", '%sBasic realm="%s"' % (x, REALM)))
        return tuple(found)

    def check(self, head, text, secret):
        """Return whether *text*, right credentials of the request *head*, has a nonce of its own.

        Raises Refused(401): `wrong`; `stale` where only another nonce is needed; `uri` where they
        are for another target; and `hash` where the body would have to be read first.
        """
        fields = _fields(text)
        nonce, count, uri, qop, answer = [
            fields.get(name, "") for name in ("nonce", "nc", "uri", "qop", "response")
        ]
        about = "%s:%s" % (head.method, uri)
        if qop == "auth-int":
            body = head.announced() or (sha256("") if not head.length else None)
            if body is None:
                raise Refused(401, "unauthorized/hash")
            about += ":" + body
        elif qop != "auth":
            qop = ""
        given = (secret, nonce, count, fields.get("cnonce", ""), qop, sha256(about))
        # The name in it is not looked at: it is part of the secret.
        if not same(answer.lower(), sha256("%s:%s:%s:%s:%s:%s" % given)) or not qop:
            raise Refused(401, "unauthorized/wrong")
        if uri != head.target:
            raise Refused(401, "unauthorized/uri")
        fresh = self._use(nonce, count)
        if fresh is None:
            raise Refused(401, "unauthorized/stale")
        return fresh

    def _use(self, nonce, count):
        """Return whether *nonce* is used for the first time, None if it cannot be used."""
        plain = nonce[:16]
        if nonce[16:] != self._mac(plain):
            return None
        number = int(plain[:8], 16)
        try:
            count = int(count, 16)
        except ValueError:
            count = 0
        if self._seconds() - int(plain[8:], 16) > _LIFE_S or not 0 < count < _MOST:
            return None
        rows = self._rows
        row = None
        for row in rows:
            if row[0] == number:
                break
        else:
            if number <= self._forgotten:
                return None
            if len(rows) >= _ROWS:
                self._forgotten = max(self._forgotten, rows.pop(0)[0])
            rows.append([number, count, 1])
            return True
        ahead = count - row[1]
        if ahead > 0:
            came = row[2] << ahead if ahead < _WINDOW else 0
            row[1], row[2] = count, came & ((1 << _WINDOW) - 1) | 1
        elif -ahead >= _WINDOW or row[2] >> -ahead & 1:
            return None  # sent before, by whoever has listened
        else:
            row[2] |= 1 << -ahead
        rows.remove(row)
        rows.append(row)
        return False

    def _seconds(self):
        return self._service.uptime_ms // 1000

    def _mac(self, plain):
        return sha256(self._key + plain)[:32]


def _fields(text):
    """Return the fields of *text*, `name=value` or `name="value"` with commas between.

    {} for what has no such form.
    """
    found = {}
    at = 0
    while at < len(text):
        equals = text.find("=", at)
        if equals < 0:
            return {}
        name = text[at:equals].strip(" \t,").lower()
        at = equals + 1
        if text[at : at + 1] == '"':
            end = text.find('"', at + 1)
            while end > 0 and text[end - 1] == "\\":
                end = text.find('"', end + 1)
            value = text[at + 1 : end]
        else:
            end = text.find(",", at)
            if end < 0:
                end = len(text)
            value = text[at:end].strip(" \t")
        if end < 0 or name in found:
            return {}
        found[name] = value
        at = end + 1
    return found
