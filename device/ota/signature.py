"""Whether one of the trusted keys made a signature: RSA, PKCS#1 v1.5, SHA-256.

The one valid encoded block is built and compared whole (RFC 8017, section 8.2.2). Nothing in it is
parsed, so there is nothing to be fooled by.
"""

import hashlib
from binascii import hexlify

from ota.errors import Refused

#: The only algorithm, named by the key and never by what was signed.
ALGORITHM = "rsa-pkcs1-sha256"
#: Bytes of the longest key, and so of the part at the end of a signature that matters.
MAX_BYTES = 512

_EXPONENT = 65537
_SIZES = (256, 384, 512)
# DER of DigestInfo{sha256, OCTET STRING of 32 bytes}, without the digest (RFC 8017, section 9.2).
_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


class Key:
    """A public key, from the dict *form* that `public.json` holds.

    Raises Refused(422) when it is not an RSA key of 2048, 3072 or 4096 bits with e = 65537.
    """

    def __init__(self, form):
        if not isinstance(form, dict) or form.get("alg") != ALGORITHM:
            raise _bad_key("alg", ALGORITHM)
        digits = form.get("n")
        size = len(digits) // 2 if isinstance(digits, str) else 0
        if size not in _SIZES or len(digits) % 2 or form.get("e") != _EXPONENT:
            raise _bad_key("size")
        try:
            self.n = int(digits, 16)
        except ValueError:
            raise _bad_key("digits")
        self.size = size
        if self.n >> (8 * size - 1) != 1 or not self.n & 1:
            raise _bad_key("odd")
        raw = self.n.to_bytes(size, "big")
        # Also what makes the digits canonical: int() would take blanks, signs and capitals.
        if hexlify(raw).decode() != digits:
            raise _bad_key("lower_case")
        self.id = hexlify(hashlib.sha256(raw).digest()[:8]).decode()
        if form.get("id") != self.id:
            raise _bad_key("id", self.id)

    def verifies(self, signature, digest):
        """Return True when *signature*, `size` bytes, is of this key over the SHA-256 *digest*."""
        if len(signature) != self.size:
            return False
        value = int.from_bytes(signature, "big")
        if value >= self.n:
            return False
        block = pow(value, _EXPONENT, self.n).to_bytes(self.size, "big")
        return block == _encoded(digest, self.size)


def _encoded(digest, size):
    """Return the one block that a valid signature of *digest* opens to (EMSA-PKCS1-v1_5)."""
    info = _DIGEST_INFO + digest
    return b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info


def find_signer(keys, tail, digest):
    """Return the id of the one of *keys* that signed *digest*, or None.

    *tail* is a memoryview of the end of the signature, up to MAX_BYTES: the RSA value of a CMS
    without signed attributes is its last bytes, and a bare value is all of it.
    """
    for key in keys:
        if len(tail) >= key.size and key.verifies(tail[len(tail) - key.size :], digest):
            return key.id
    return None


def _bad_key(what, *args):
    return Refused(422, "bad_key/" + what, *args)
