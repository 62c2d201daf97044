"""What is in a release, without deciding whether to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

from .keys import PublicKey
from .reading import Release, read
from .signing import find_signer
from .verification import load


@dataclass(frozen=True)
class Signer:
    """Who says to have signed, from the certificate inside the signature: a claim, no proof.

    Attributes:
        name: common name.
        key: id of the key.
        matches: whether the signature is indeed of that key.
    """

    name: str
    key: str
    matches: bool


@dataclass(frozen=True)
class Inspection:
    """A release and what its signature says about itself."""

    release: Release
    signer: Signer | None

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        listed = self.release.description
        return {
            "version": listed.version,
            "boards": {board: list(revisions) for board, revisions in listed.boards},
            "micropython": listed.micropython,
            "mpy": listed.mpy or None,
            "arch": listed.arch or None,
            "floor": listed.floor or None,
            "trial": listed.trial,
            "files": [
                {"path": file.path, "size": file.size, "sha256": file.sha256}
                | ({"once": True} if file.once else {})
                for file in listed.files
            ],
            "delete": list(listed.deletes),
            "bytes": listed.size,
            "archive": {"size": self.release.size, "sha256": self.release.sha256},
            "signed": bool(self.release.signature),
            "signer": None if self.signer is None else vars(self.signer),
        }


def inspect(path: Path) -> Inspection:
    """Read the archive at *path*.

    Raises:
        ReleaseError: it is damaged, or no release at all.
    """
    release = read(load(path))
    return Inspection(release, _signer(release))


def _signer(release: Release) -> Signer | None:
    try:
        certificates = load_der_pkcs7_certificates(release.signature)
    except ValueError:
        # Nothing signed, or a bare RSA value, which names nobody.
        return None
    text = release.description.render()
    found = None
    for certificate in certificates:
        public = certificate.public_key()
        if not isinstance(public, rsa.RSAPublicKey):
            continue
        key = PublicKey(public.public_numbers().n)
        matches = find_signer(release.signature, text, [key]) is not None
        found = Signer(_common_name(certificate), key.id, matches)
        if matches:
            break
    return found


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
