"""Who has signed a description, and which keys this device trusts.

RSA, PKCS#1 v1.5, SHA-256: the one valid encoded block is built and compared whole (RFC 8017,
section 8.2.2). Nothing in it is parsed, so there is nothing to be fooled by.

The first keys come with the application (`OTAUpdateService(public_key=...)`). A release may bring
the file KEYRING; from then on its keys are trusted and no others, those of the application
included. It is an ordinary file of the release, so it is signed by a key that was trusted before,
goes live with the rest, and goes back with the rest when the release does not prove itself.
"""

import hashlib
import json
import os
from binascii import hexlify
from micropython import const

from ota.errors import Refused
from ota.flash import space
from ota.record import KEYRING

_NAME = "sw-description"

_MAX_TEXT = const(196608)  # room for 1000 files with paths of usual length
_MAX_SIGNATURE = const(8192)
_MAX_KEYRING = const(6144)  # room for four keys of 4096 bits
_MAX_KEYS = const(4)
_MAX_KEY = const(512)  # bytes of the longest key, the part of a signature that matters
_ENOENT = const(2)

# The only algorithm: it is named by the key and never by what was signed.
_ALGORITHM = "rsa-pkcs1-sha256"
_EXPONENT = const(65537)
# DER of DigestInfo{sha256, OCTET STRING of 32 bytes}, without the digest (RFC 8017, section 9.2).
_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


async def take_head(archive, service, path):
    """Write the description at the beginning of *archive* to *path* and check who signed it.

    Returns (id, signer, entry): the SHA-256 of the description (64 hex), the id of the key or
    None, and the first entry behind the head, as Archive.next() gives it. Raises Refused.
    """
    keys = load(service.public_key)
    if service.require_signed and not keys:
        raise Refused(403, "no_key/release")
    digest = await _take_text(archive, path)
    entry = await archive.next()
    signer = None
    if entry and entry[0] == _NAME + ".sig":
        tail = await _take_signature(archive, *entry)
        signer = _find_signer(keys, tail, digest)
        # Without keys anybody's signature is as good as none.
        if keys and signer is None:
            raise Refused(403, "bad_signature", ", ".join([key.id for key in keys]))
        entry = await archive.next()
    elif service.require_signed:
        found = entry[0] if entry else "the end"
        raise Refused(403, "unsigned", _NAME, _NAME + ".sig", found)
    return hexlify(digest).decode(), signer, entry


async def _take_text(archive, path):
    entry = await archive.next()
    if entry is None:
        if archive.whole:
            raise Refused(400, "missing_entry/end", "a description")
        raise Refused(400, "truncated", archive.position)
    name, size, check = entry
    if name != _NAME:
        raise Refused(400, "unexpected_entry/first", _NAME, name)
    _at_most(name, size, _MAX_TEXT)
    free, _, block = space()
    if free < size + 4 * block:
        raise Refused(507, "no_space/release")
    sha = hashlib.sha256()
    with open(path, "wb") as out:

        def keep(view):
            sha.update(view)
            out.write(view)

        await _checked(archive, size, check, keep)
    return sha.digest()


async def _take_signature(archive, name, size, check):
    """Return the last bytes of the signature, at most as many as the longest key has."""
    _at_most(name, size, _MAX_SIGNATURE)
    tail = bytearray()

    def keep(view):
        nonlocal tail
        tail.extend(view)
        tail = tail[-_MAX_KEY:]

    await _checked(archive, size, check, keep)
    return tail


def _at_most(name, size, limit):
    if not 1 <= size <= limit:
        raise Refused(413, "too_large/entry", name, size, limit)


async def _checked(archive, size, check, write):
    """Take the content of an entry; the checksum of its header finds a damaged transfer."""
    total = 0

    def add(view):
        nonlocal total
        total += sum(view)
        write(view)

    await archive.content(size, add)
    if total & 0xFFFFFFFF != check:
        raise Refused(422, "bad_checksum")


# --- keys ---------------------------------------------------------------------------------------


def load(public_key):
    """Return the list of trusted keys: those of KEYRING, else those of *public_key*, else [].

    *public_key* is the content of `public.json` as a dict, a list of such, the content of a
    keyring, or the path of a file with one of them in JSON. Raises Refused(422) for what is no
    key: a damaged keyring must not bring replaced keys back.
    """
    data = _read(KEYRING)
    if data is None and isinstance(public_key, str):
        data = _read(public_key)
        if data is None:
            raise Refused(422, "bad_keyring/missing", public_key)
    if data is not None:
        return parse(data)
    return _keys(public_key) if public_key is not None else []


def _read(path):
    try:
        size = os.stat(path)[6]
    except OSError as error:
        if error.errno != _ENOENT:
            raise
        return None
    check_size(path, size)
    with open(path, "rb") as source:
        return source.read(size)


def check_size(path, size):
    """Raise Refused(422) when the file *path* of *size* bytes is too long for a keyring."""
    if size > _MAX_KEYRING:
        raise Refused(422, "bad_keyring/size", path, size, _MAX_KEYRING)


def parse(data):
    """Return the keys in the JSON *data*, at most 6144 bytes.

    Raises Refused(422) when it is not a key, a list of keys or a keyring.
    """
    try:
        content = json.loads(bytes(data).decode())
    except ValueError:
        raise Refused(422, "bad_keyring/no_json")
    return _keys(content)


def _keys(content):
    if isinstance(content, dict) and "keys" in content:
        content = content["keys"]
    listed = content if isinstance(content, (list, tuple)) else [content]
    if not 1 <= len(listed) <= _MAX_KEYS:
        raise Refused(422, "bad_keyring/count", _MAX_KEYS, len(listed))
    try:
        return [Key(form) for form in listed]
    except Refused as error:
        error.word = "bad_keyring"
        raise


class Key:
    """A public key, from the dict *form* that `public.json` holds.

    Raises Refused(422) when it is not an RSA key of 2048, 3072 or 4096 bits with e = 65537.
    """

    def __init__(self, form):
        if not isinstance(form, dict) or form.get("alg") != _ALGORITHM:
            raise _bad_key("alg", _ALGORITHM)
        digits = form.get("n")
        size = len(digits) // 2 if isinstance(digits, str) else 0
        if size not in (256, 384, 512) or len(digits) % 2 or form.get("e") != _EXPONENT:
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
        value = int.from_bytes(signature, "big")
        if value >= self.n:
            return False
        block = pow(value, _EXPONENT, self.n).to_bytes(self.size, "big")
        info = _DIGEST_INFO + digest
        # The one block that a valid signature opens to (EMSA-PKCS1-v1_5).
        return block == b"\x00\x01" + b"\xff" * (self.size - len(info) - 3) + b"\x00" + info


def _find_signer(keys, tail, digest):
    """Return the id of the one of *keys* that signed *digest*, or None.

    *tail* is the end of the signature: the RSA value of a CMS without signed attributes is its
    last bytes, and a bare value is all of it.
    """
    for key in keys:
        if len(tail) >= key.size and key.verifies(bytes(tail[-key.size :]), digest):
            return key.id
    return None


def _bad_key(what, *args):
    return Refused(422, "bad_key/" + what, *args)
