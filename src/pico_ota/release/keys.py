"""Keys of a release: making them, and reading each form in which one is kept."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .disk import contents
from .errors import ReleaseError

ALGORITHM = "rsa-pkcs1-sha256"
EXPONENT = 65537
SIZES = (2048, 3072, 4096)
DEFAULT_SIZE = 3072
PRIVATE, CERTIFICATE, PUBLIC = "private.pem", "cert.pem", "public.json"

#: Where a device keeps the keys that replaced the one of its application.
KEYRING_PATH = "/ota/keys.json"
MAX_KEYS = 4
_LARGEST = 64 * 1024  # bytes of a file that may be a key

# A lost certificate date must not end the updates of a device that has no clock to check it with.
_VALID_YEARS = 50


@dataclass(frozen=True)
class PublicKey:
    """What a device needs to check a signature."""

    n: int

    @property
    def size(self) -> int:
        """The size in bits."""
        return self.n.bit_length()

    @property
    def id(self) -> str:
        """Sixteen hex digits that name the key."""
        return hashlib.sha256(self.n.to_bytes(self.size // 8, "big")).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        """The form of ``public.json``."""
        return {"alg": ALGORITHM, "id": self.id, "n": f"{self.n:x}", "e": EXPONENT}

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether *signature*, the bare RSA value, is of this key over *data*."""
        public = rsa.RSAPublicNumbers(EXPONENT, self.n).public_key()
        try:
            public.verify(signature, data, padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """A private key with the certificate that says whose it is."""

    private: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey(self.private.private_numbers().public_numbers.n)


@dataclass(frozen=True)
class NewKey:
    """What `keygen` wrote."""

    private: Path
    certificate: Path
    public: Path
    key: PublicKey


def keygen(directory: Path, *, bits: int = DEFAULT_SIZE, name: str = "pico-ota release") -> NewKey:
    """Write a new key to *directory*: ``private.pem``, ``cert.pem`` and ``public.json``.

    Args:
        directory: made when missing.
        bits: 2048, 3072 or 4096.
        name: common name in the certificate.

    Raises:
        ReleaseError: ``key_exists``: one of the files is there already, and nothing was written.
    """
    if bits not in SIZES:
        raise ReleaseError("bad_key", f"An RSA key has 2048, 3072 or 4096 bits here, not {bits}.")
    places = [directory / file for file in (PRIVATE, CERTIFICATE, PUBLIC)]
    for place in places:
        # lexists: a dangling link would be followed by open() to who knows where.
        if os.path.lexists(place):
            raise ReleaseError(
                "key_exists",
                f"{place} is there already, and a lost key cannot be had back. Choose an empty"
                " folder, or move the old key away first.",
            )
    private = rsa.generate_private_key(EXPONENT, bits)
    certificate = _certificate(private, name)
    key = PublicKey(private.private_numbers().public_numbers.n)
    directory.mkdir(parents=True, exist_ok=True)
    _write_new(places[0], private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ), 0o600)  # fmt: skip
    _write_new(places[1], certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    _write_new(places[2], (json.dumps(key.as_json()) + "\n").encode(), 0o644)
    return NewKey(places[0], places[1], places[2], key)


def _write_new(place: Path, data: bytes, mode: int) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as out:
        out.write(data)


def _certificate(private: rsa.RSAPrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    public = private.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        # The day before: the clock of who checks may be behind.
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today.replace(year=today.year + _VALID_YEARS, day=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False,
                crl_sign=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
        # swupdate asks for one of the two: emailProtection unless told --cert-purpose codeSigning.
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CODE_SIGNING]
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(private, SHA256())
    )  # fmt: skip


def load_signing_key(
    private: Path, certificate: Path | None = None, password: bytes | None = None
) -> SigningKey:
    """Read a private key in PEM and its certificate, by default ``cert.pem`` beside it.

    Raises:
        ReleaseError: ``bad_key``: unreadable, encrypted without *password*, of another kind, or
            key and certificate do not belong together.
    """
    certificate = certificate or private.parent / CERTIFICATE
    try:
        key = serialization.load_pem_private_key(_read(private), password)
    except (ValueError, TypeError) as error:
        raise ReleaseError(
            "bad_key", f"{private} is no private key in PEM: {_why(error)}."
        ) from None
    try:
        cert = x509.load_pem_x509_certificate(_read(certificate))
    except ValueError as error:
        raise ReleaseError("bad_key", f"{certificate} is no certificate: {error}.") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ReleaseError("bad_key", f"{private} is no RSA key; make one with 'pico-ota keygen'.")
    if cert.public_key() != key.public_key():
        raise ReleaseError(
            "bad_key", f"{certificate} is the certificate of another key than {private}."
        )
    _checked(key.public_key(), private)
    return SigningKey(key, cert)


def load_public_keys(path: Path, password: bytes | None = None) -> list[PublicKey]:
    """Read ``public.json``, a keyring, a certificate, a public or a private key in PEM.

    Raises:
        ReleaseError: ``bad_key``: it is none of these, or of a kind that devices do not take.
    """
    data = _read(path)
    if data.lstrip()[:1] in (b"{", b"["):
        return parse_keys(data, path)
    try:
        if b"-----BEGIN CERTIFICATE" in data:
            found: Any = x509.load_pem_x509_certificate(data).public_key()
        elif b"PRIVATE KEY" in data:
            found = serialization.load_pem_private_key(data, password).public_key()
        else:
            found = serialization.load_pem_public_key(data)
    except (ValueError, TypeError) as error:
        raise ReleaseError(
            "bad_key",
            f"{path} is no key: expected public.json, a certificate or a key in PEM "
            f"({_why(error)}).",
        ) from None
    return [_checked(found, path)]


def parse_keys(data: bytes, path: Path | str) -> list[PublicKey]:
    """Read the JSON of one key, a list of them, or a keyring as *data*.

    Raises:
        ReleaseError: ``bad_key``.
    """
    try:
        content = json.loads(data)
    except ValueError as error:
        raise ReleaseError("bad_key", f"{path} is not JSON: {error}.") from None
    if isinstance(content, dict) and "keys" in content:
        content = content["keys"]
    listed = content if isinstance(content, list) else [content]
    if not 1 <= len(listed) <= MAX_KEYS:
        raise ReleaseError(
            "bad_key", f"{path} has {len(listed)} keys, 1 to {MAX_KEYS} are accepted."
        )
    return [_from_json(item, path) for item in listed]


def _from_json(item: object, path: Path | str) -> PublicKey:
    if not isinstance(item, dict) or item.get("alg") != ALGORITHM:
        raise ReleaseError("bad_key", f'{path}: a key needs "alg": "{ALGORITHM}".')
    n = item.get("n")
    if not isinstance(n, str) or any(c not in "0123456789abcdef" for c in n):
        raise ReleaseError("bad_key", f'{path}: "n" is the modulus in lower-case hex digits.')
    key = PublicKey(int(n or "0", 16))
    if (
        item.get("e") != EXPONENT
        or key.size not in SIZES
        or not key.n % 2
        or len(n) * 4 != key.size
    ):
        raise ReleaseError(
            "bad_key", f"{path}: an RSA key of 2048, 3072 or 4096 bits with e = 65537 is accepted."
        )
    if item.get("id") != key.id:
        raise ReleaseError("bad_key", f"{path}: the id of this key is {key.id}.")
    return key


def keyring(keys: Iterable[PublicKey]) -> bytes:
    """Return the file that makes a device trust *keys* and no others, canonical JSON."""
    chosen = {key.id: key.as_json() for key in keys}
    if not 1 <= len(chosen) <= MAX_KEYS:
        raise ReleaseError("bad_key", f"A device takes 1 to {MAX_KEYS} keys, not {len(chosen)}.")
    return (json.dumps({"keys": [chosen[i] for i in sorted(chosen)]}) + "\n").encode()


def _checked(key: object, path: Path) -> PublicKey:
    if not isinstance(key, rsa.RSAPublicKey):
        raise ReleaseError("bad_key", f"{path} is no RSA key; make one with 'pico-ota keygen'.")
    numbers = key.public_numbers()
    if key.key_size not in SIZES or numbers.e != EXPONENT:
        raise ReleaseError(
            "bad_key",
            f"{path} has {key.key_size} bits and e = {numbers.e}; devices take 2048, 3072 or 4096"
            f" bits and e = {EXPONENT}.",
        )
    return PublicKey(numbers.n)


def _why(error: Exception) -> str:
    return str(error).partition(". See ")[0].rstrip(".")  # without the library's own advice


def _read(path: Path) -> bytes:
    too_large = ReleaseError("bad_key", f"{path} is too large to be a key.")
    return contents(path, _LARGEST, "bad_key", too_large)
