"""The public keys that this device trusts, and how they change.

The first keys come with the application (`OTAUpdateService(public_key=...)`). A release may bring
the file KEYRING; from then on its keys are trusted and no others, those of the application
included. It is an ordinary file of the release, so it is signed by a key that was trusted before,
goes live with the rest, and goes back with the rest when the release does not prove itself. With
`require_signed` there is no other way in.
"""

import json
import os

from ota.errors import Refused
from ota.release_store import KEYRING
from ota.signature import Key

#: Most bytes of it; room for four keys of 4096 bits.
MAX_KEYRING = 6144
_MAX_KEYS = 4
_ENOENT = 2


def load(public_key=None, path=KEYRING):
    """Return the list of trusted keys: of the file at *path*, else of *public_key*, else [].

    *public_key* is the content of `public.json` as a dict, a list of such, the content of a
    keyring, or the path of a file with one of them in JSON. Raises Refused(422) for what is no
    key: a damaged keyring must not bring replaced keys back.
    """
    data = _read(path)
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
    if size > MAX_KEYRING:
        raise Refused(422, "bad_keyring/size", path, size, MAX_KEYRING)


def parse(data):
    """Return the keys in the JSON *data*, at most MAX_KEYRING bytes.

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
