"""Releases: one signed archive that stock swupdate, gooseBit and a device all read.

keygen(Path("keys"))
build(Path("app"), Path("app-1.0.0.swu"), "1.0.0", sign_key=Path("keys/private.pem"))
verify(Path("app-1.0.0.swu"), Path("keys/public.json"))
inspect(Path("app-1.0.0.swu")).release.description.files
"""

from .builder import Options, attach, build
from .errors import ReleaseError
from .inspection import Inspection, Signer, inspect
from .keys import NewKey, PublicKey, SigningKey, keygen, load_public_keys, load_signing_key
from .reading import Device, Release, read
from .verification import verify
from .version import Version

__all__ = [
    "Device",
    "Inspection",
    "NewKey",
    "Options",
    "PublicKey",
    "Release",
    "ReleaseError",
    "Signer",
    "SigningKey",
    "Version",
    "attach",
    "build",
    "inspect",
    "keygen",
    "load_public_keys",
    "load_signing_key",
    "read",
    "verify",
]
