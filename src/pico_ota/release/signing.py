"""The signature of a release: CMS around one bare RSA value.

The CMS is detached and has no signed attributes, so the RSA value at its end is over the bytes of
``sw-description`` themselves: a device takes the end of the file and needs no ASN.1, while
``openssl cms -verify`` and swupdate read the whole.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import (
    PKCS7Options,
    PKCS7SignatureBuilder,
)

from .errors import ReleaseError
from .keys import PublicKey, SigningKey

MAX_SIZE = 8192


def sign(data: bytes, key: SigningKey) -> bytes:
    """Return the signature of *data*; the same for the same data, key and certificate."""
    builder = PKCS7SignatureBuilder().set_data(data)
    builder = builder.add_signer(key.certificate, key.private, SHA256())
    options = [PKCS7Options.DetachedSignature, PKCS7Options.Binary, PKCS7Options.NoAttributes]
    signature = builder.sign(Encoding.DER, options)
    if find_signer(signature, data, [key.public]) is None or len(signature) > MAX_SIZE:
        raise ReleaseError(
            "bad_signature",
            "The signature does not end in the bare RSA value that devices look for, or is longer"
            f" than {MAX_SIZE} bytes. Use a certificate without a long chain.",
        )
    return signature


def find_signer(signature: bytes, data: bytes, keys: Iterable[PublicKey]) -> PublicKey | None:
    """Return the one of *keys* that made *signature*, a CMS or a bare RSA value, over *data*."""
    for key in keys:
        value = signature[-key.size // 8 :]
        if len(value) == key.size // 8 and key.verifies(value, data):
            return key
    return None
