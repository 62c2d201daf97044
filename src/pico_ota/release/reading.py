"""Reading an archive as a device reads it: the same checks in the same order, with the same words.

It is written apart from the code on the device on purpose. The tests hand every archive to both
and compare what they say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import archive, native
from .description import MAX_SIZE, Conditions, Description, ListedFile, Parser
from .errors import ReleaseError
from .keys import KEYRING_PATH, PublicKey, parse_keys
from .signing import MAX_SIZE as MAX_SIGNATURE
from .signing import find_signer
from .version import Version

DESCRIPTION = "sw-description"
SIGNATURE = "sw-description.sig"
MAX_KEYRING = 6144


@dataclass(frozen=True)
class Device:
    """What a device is, as far as a release may depend on it. None: any will do.

    Attributes:
        board: the name of its build.
        revision: of its hardware.
        micropython: its version.
        floor: the lowest version that it accepts.
        mpy: its ``sys.implementation._mpy``; None: that of the board, or of all that are listed.
    """

    board: str | None = None
    revision: str = "1.0"
    micropython: str | None = None
    floor: Version | None = None
    mpy: int | None = None

    def loads(self, boards: Iterable[str]) -> list[Sequence[int]]:
        """Return what each board may have for `_mpy` that has to load what is for *boards*."""
        if self.mpy is not None:
            return [(self.mpy,)]
        names = boards if self.board is None else [self.board]
        return [native.of_board(name) for name in names]


@dataclass(frozen=True)
class Release:
    """An archive that holds what it says.

    Attributes:
        description: version, boards, files and the rest.
        contents: of the files, in the order of the description.
        signature: the entry ``sw-description.sig``; empty when there is none.
        signer: the key that signed it, of those that were asked for.
        size: of the archive in bytes.
        sha256: of the archive.
    """

    description: Description
    contents: tuple[bytes, ...]
    signature: bytes
    signer: PublicKey | None
    size: int
    sha256: str


def read(data: bytes, keys: Sequence[PublicKey] = (), device: Device | None = None) -> Release:
    """Check the archive *data* and return what it holds.

    Args:
        data: the whole archive.
        keys: one of them must have signed it; without any, a signature is passed over.
        device: what it must suit.

    Raises:
        ReleaseError: with the word that a device would answer with.
    """
    reading = _Reading(keys, device or Device())
    for entry in archive.unpack(data, reading.expect):
        reading.take(entry)
    return Release(
        reading.finish(),
        tuple(reading.contents),
        reading.signature,
        reading.signer,
        len(data),
        hashlib.sha256(data).hexdigest(),
    )


class _Reading:
    def __init__(self, keys: Sequence[PublicKey], device: Device) -> None:
        self._keys = keys
        self._device = device
        self._text = b""
        self._description: Description | None = None
        self.contents: list[bytes] = []
        self.signature = b""
        self.signer: PublicKey | None = None

    def expect(self, head: archive.Head) -> archive.Check | None:
        """Refuse an entry that has no business there; return what its content has to pass."""
        if head.index == 0:
            _named(head, DESCRIPTION)
            _at_most(head, MAX_SIZE)
        elif head.index == 1 and head.name == SIGNATURE:
            _at_most(head, MAX_SIGNATURE)
        else:
            return self._expect_file(head)
        return None

    def finish(self) -> Description:
        """Return the description, at the end of the archive."""
        files = self._described("the end").files
        if len(self.contents) < len(files):
            raise ReleaseError(
                "missing_entry",
                f"{len(files)} files are listed, only {len(self.contents)} are in the archive; the"
                f" first one missing is {files[len(self.contents)].filename}.",
            )
        assert self._description is not None
        return self._description

    def _described(self, came: str) -> Description:
        """Return the description, which is read when something comes behind the head."""
        if self._description is None:
            if not self._text:
                raise ReleaseError("missing_entry", f"The archive ends without {DESCRIPTION}.")
            if self._keys and not self.signature:
                raise ReleaseError(
                    "unsigned",
                    f"The second entry should be {SIGNATURE}, got {came}: the release is not "
                    "signed.",
                )
            parser = Parser(self._text, signed=bool(self._keys))
            if self._keys or parser.conditions.boards:
                _suits_board(parser.conditions, self._device)
            _suits(parser.conditions, self._device)
            self._description = parser.finish()
        return self._description

    def _expect_file(self, head: archive.Head) -> archive.Check:
        files = self._described(head.name).files
        number = len(self.contents)
        if number >= len(files):
            raise ReleaseError(
                "unexpected_entry", f"{head.name} is not listed; all listed files came before it."
            )
        wanted = files[number]
        came = (head.name, head.size, head.check)
        if came != (wanted.filename, wanted.size, wanted.check):
            raise ReleaseError(
                "unexpected_entry",
                f"Entry {head.index} should be {wanted.filename}, {wanted.size} bytes, checksum"
                f" {wanted.check:08X}; got {head.name}, {head.size} bytes, {head.check:08X}.",
            )
        return lambda data: self._check_file(wanted, data)

    def _check_file(self, wanted: ListedFile, data: bytes) -> None:
        if hashlib.sha256(data).hexdigest() != wanted.sha256:
            raise ReleaseError(
                "digest_mismatch", f"{wanted.path} is not the file that was listed (SHA-256)."
            )
        if wanted.path.endswith(".mpy"):
            listed = [board for board, _ in self._described("").boards]
            native.check_loads(wanted.path, data[:4], self._device.loads(listed))

    def take(self, entry: archive.Entry) -> None:
        """Check an entry that is here as a whole."""
        head = entry.head
        if head.name not in (DESCRIPTION, SIGNATURE):
            if self._described("").files[len(self.contents)].path == KEYRING_PATH:
                _check_keyring(entry.data)
            self.contents.append(entry.data)
            return
        if archive.checksum(entry.data) != head.check:
            raise ReleaseError(
                "bad_checksum",
                f"The bytes of {head.name} do not add up to {head.check:08X}: it was changed"
                " after it was packed.",
            )
        if head.index == 0:
            self._text = entry.data
        else:
            self.signature = entry.data
            self._check_signature()

    def _check_signature(self) -> None:
        self.signer = find_signer(self.signature, self._text, self._keys)
        if self._keys and self.signer is None:
            known = ", ".join(key.id for key in self._keys)
            raise ReleaseError(
                "bad_signature", f"{SIGNATURE} was not made by any accepted key ({known})."
            )


def _named(head: archive.Head, name: str) -> None:
    if head.name != name:
        raise ReleaseError(
            "unexpected_entry", f"Entry {head.index} should be {name}, got {head.name}."
        )


def _at_most(head: archive.Head, limit: int) -> None:
    if not 1 <= head.size <= limit:
        raise ReleaseError(
            "too_large", f"{head.name} has {head.size} bytes, 1 to {limit} are accepted."
        )


def check_suits(wanted: Conditions | Description, device: Device) -> None:
    """Check that a *device* may run what is described.

    Raises:
        ReleaseError: ``wrong_board``, ``old_micropython``, ``downgrade`` or ``mpy_incompatible``.
    """
    _suits_board(wanted, device)
    _suits(wanted, device)


def _suits_board(wanted: Conditions | Description, device: Device) -> None:
    if device.board is None or device.revision in dict(wanted.boards).get(device.board, ()):
        return
    listed = ", ".join(board for board, _ in wanted.boards) or "no board at all"
    raise ReleaseError(
        "wrong_board", f"The release is for {listed}, not for {device.board} {device.revision}."
    )


def _suits(wanted: Conditions | Description, device: Device) -> None:
    if device.micropython is not None and _triple(device.micropython) < _triple(
        wanted.micropython
    ):
        raise ReleaseError(
            "old_micropython",
            f"The release needs MicroPython {wanted.micropython}, this is {device.micropython}.",
        )
    if device.floor is not None and Version.is_older(wanted.version, device.floor):
        raise ReleaseError(
            "downgrade",
            f"Version {wanted.version} is older than {device.floor}, the lowest still accepted.",
        )
    if wanted.mpy:
        head = native.head_of(wanted.mpy, wanted.arch)
        loads = device.loads(board for board, _ in wanted.boards)
        native.check_loads("what is in the release", head, loads)


def _triple(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _check_keyring(data: bytes) -> None:
    if len(data) > MAX_KEYRING:
        raise ReleaseError("bad_keyring", f"A keyring has at most {MAX_KEYRING} bytes.")
    try:
        parse_keys(data, KEYRING_PATH)
    except ReleaseError as error:
        raise ReleaseError("bad_keyring", str(error)) from None
