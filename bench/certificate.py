"""Certificates for a server on the loopback."""

import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Made(NamedTuple):
    """A certificate and its key: paths in PEM form, the certificate in DER form, and both."""

    cert: Path
    key: Path
    der: bytes
    itself: x509.Certificate
    private: Key


def make(
    folder: Path,
    kind: str = "P-256",
    *,
    years: tuple[int, int] = (2020, 2120),
    name: str = "127.0.0.1",
    by: Made | None = None,
) -> Made:
    """Make a certificate of *kind*, P-256 or RSA-2048, in *folder*; signed by itself or *by*."""
    folder.mkdir(parents=True, exist_ok=True)
    key: Key
    if kind == "P-256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins, ends = (datetime.datetime(year, 1, 1) for year in years)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.itself.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .sign(by.private if by else key, hashes.SHA256())
    )
    found = Made(
        folder / "cert.pem", folder / "key.pem", made.public_bytes(Encoding.DER), made, key
    )
    found.cert.write_bytes(made.public_bytes(Encoding.PEM))
    found.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return found
