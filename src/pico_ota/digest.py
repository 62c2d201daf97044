"""Logging in by Digest with SHA-256 (RFC 7616), bodies included: the password itself never leaves.

Only what a device of ours offers is answered: another algorithm or realm, or an offer without
`auth-int`, would come from somebody in between who wants weaker proofs.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from urllib.parse import quote

REALM = "pico-ota"

# The device takes a nonce for 300 s and forgets all when nobody has been connected for 60 s.
# Beyond these, it is asked for a new one before a long body is sent in vain.
_AGE_S = 240.0
_IDLE_S = 45.0

# Schemes begin with an x where the device takes the client for a page with a form of its own.
_OFFER = re.compile(r"x?digest (.*)", re.IGNORECASE | re.DOTALL)
_FIELD = re.compile(r'([A-Za-z*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')


def sha256(text: str) -> str:
    """The SHA-256 (64 hex) of *text* in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def secret_of(user: str, password: str) -> str:
    """What a device keeps of *password*."""
    return sha256(f"{user}:{REALM}:{password}")


def masked(secret: str, new: str) -> dict[str, str]:
    """What tells the *new* secret to a device that knows *secret*, and nothing to a listener."""
    salt = secrets.token_hex(32)
    mask = sha256(f"{secret}:new password:{salt}")
    both = f"{int(new, 16) ^ int(mask, 16):064x}"
    return {"masked": both, "salt": salt, "check": sha256(f"{new}:{mask}")}


class Login:
    """The nonce of one device, and what was signed with it.

    Args:
        user: the user name.
    """

    def __init__(self, user: str) -> None:
        self._user = user
        self._nonce: str | None = None
        self._count = 0
        self._since = self._used = 0.0

    @property
    def known(self) -> bool:
        """Whether there is a nonce to sign with."""
        return self._nonce is not None

    @property
    def fresh(self) -> bool:
        """Whether the device will most likely take the nonce."""
        now = time.monotonic()
        return self.known and now - self._since < _AGE_S and now - self._used < _IDLE_S

    def learn(self, offers: list[str]) -> str | None:
        """Take the nonce from *offers*, the values of WWW-Authenticate.

        Returns:
            "first" or "stale" where the request should be sent again, "wrong" where the secret
            was not taken; None when nothing is offered that can be answered.
        """
        for offer in offers:
            found = _OFFER.match(offer)
            if found is None:
                continue
            fields = {
                name.lower(): quoted or plain for name, quoted, plain in _FIELD.findall(found[1])
            }
            qops = [qop.strip() for qop in fields.get("qop", "").split(",")]
            nonce = fields.get("nonce", "")
            if (
                fields.get("algorithm", "").upper() != "SHA-256"
                or fields.get("realm") != REALM
                or "auth-int" not in qops
                or not re.fullmatch(r"[!-~]{1,128}", nonce)
                or '"' in nonce
            ):
                continue
            first = not self.known
            self._nonce, self._count = nonce, 0
            self._since = self._used = time.monotonic()
            if first:
                return "first"
            return "stale" if fields.get("stale", "").lower() == "true" else "wrong"
        return None

    def sign(self, secret: str, method: str, target: str, body: str) -> str:
        """The value of Authorization for a request whose body has the SHA-256 *body*."""
        assert self._nonce is not None
        self._count += 1
        self._used = time.monotonic()
        own = secrets.token_hex(8)
        about = sha256(f"{method}:{target}:{body}")
        proof = sha256(f"{secret}:{self._nonce}:{self._count:08x}:{own}:auth-int:{about}")
        return (
            f'Digest {_name(self._user)}, realm="{REALM}", nonce="{self._nonce}", '
            f'uri="{target}", algorithm=SHA-256, qop=auth-int, nc={self._count:08x}, '
            f'cnonce="{own}", response="{proof}"'
        )


def _name(user: str) -> str:
    if user.isascii() and user.isprintable():
        plain = user.replace("\\", "\\\\").replace('"', '\\"')
        return f'username="{plain}"'
    return f"username*=UTF-8''{quote(user, safe='')}"
