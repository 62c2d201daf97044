"""What somebody could do to a release on its way: a table of named attacks.

Each attack is made from a good, signed archive. Most are what a stranger can do, without the key;
those below `Signer` are signed with the right key, so that the checks behind the signature are
reached, too.
"""

import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from pico_ota.release import archive, load_signing_key
from pico_ota.release.description import archive_name
from pico_ota.release.signing import sign

DESCRIPTION, SIGNATURE = "sw-description", "sw-description.sig"


@dataclass(frozen=True)
class Attack:
    """An archive that has to be refused.

    Attributes:
        data: the archive.
        word: the reason that device and host give.
        swupdate: why the stock tool accepts it all the same; empty when it refuses it, too; None
            when it is not asked.
        device: what the device is, beside the one of all tests.
    """

    data: bytes
    word: str
    swupdate: str | None = ""
    device: tuple = ()


def entries_of(data):
    """Return the entries of an archive as a list of [name, content]."""
    return [[entry.head.name, entry.data] for entry in archive.unpack(data)]


def span_of(data, name):
    """Return (start of the header, start of the content, end of the content) of an entry."""
    at = 0
    for entry in archive.unpack(data):
        head = 110 + len(entry.head.name) + 1
        head += -head % 4
        size = entry.head.size
        if entry.head.name == name:
            return at, at + head, at + head + size
        at += head + size + -size % 4
    raise KeyError(name)


def patched(data, at, new):
    return data[:at] + new + data[at + len(new) :]


FIELDS = ["ino", "mode", "uid", "gid", "nlink", "mtime", "filesize", "devmajor", "devminor",
          "rdevmajor", "rdevminor", "namesize", "check"]  # fmt: skip


def with_field(data, name, field, value):
    """Return *data* with a header field of one entry set to a number, or to eight bytes."""
    start, _, _ = span_of(data, name)
    raw = b"%08X" % value if isinstance(value, int) else value
    return patched(data, start + 6 + 8 * FIELDS.index(field), raw)


def flipped(data, at):
    return patched(data, at, bytes([data[at] ^ 1]))


def with_content(data, name, content):
    """Return the archive with other content of one entry, checksum and size made to fit."""
    return archive.pack([(n, content if n == name else old) for n, old in entries_of(data)])


def without(data, name):
    return archive.pack([(n, old) for n, old in entries_of(data) if n != name])


class Signer:
    """Makes archives with a description that was edited, then signed with the right key."""

    def __init__(self, data, private):
        self._entries = entries_of(data)
        self.files = self._entries[2:]
        self._key = load_signing_key(private)

    def edited(self, *changes, entries=None):
        """Return the archive with each (old, new) of *changes* applied to the description."""
        text = self._entries[0][1].decode()
        for old, new in changes:
            assert re.search(old, text, re.MULTILINE), old
            text = re.sub(old, lambda _, new=new: new, text, count=1, flags=re.MULTILINE)
        return self.signed(text.encode(), entries)

    def signed(self, text, entries=None):
        files = self.files if entries is None else entries
        signature = sign(text, self._key)
        return archive.pack([(DESCRIPTION, text), (SIGNATURE, signature), *files])

    def bare(self, text):
        """Return the archive with the bare RSA value for a signature."""
        value = self._key.private.sign(text, padding.PKCS1v15(), SHA256())
        return archive.pack([(DESCRIPTION, text), (SIGNATURE, value), *self.files])


UNUSED = "it does not look at this field"
UNLISTED = "it passes over entries that are not listed, and over their order"
OURS = "only our device reads the group pico-ota"
PATHS = "a path is the business of its handlers, which -c does not run"
FORM = "it takes any libconfig, and the device only one form"
PADDING = "it does not look at filling"
BEHIND = "it stops reading at the trailer"


def table(data, private, other, foreign):
    """Return {name: Attack} made from *data*.

    Args:
        data: a good archive of APP, signed with *private*.
        private: its key.
        other: the key of a stranger.
        foreign: another release, signed with *private*.
    """
    files = [name for name, _ in entries_of(data)[2:]]
    attacks = {}
    attacks.update(_changed(data, files))
    attacks.update(_entries(data, files))
    attacks.update(_headers(data, files))
    attacks.update(_signatures(data, private, other, foreign))
    attacks.update(_endless(data))
    signer = Signer(data, private)
    attacks.update(_paths(signer))
    attacks.update(_forms(signer, data))
    attacks.update(_conditions(signer, data))
    return attacks


def _changed(data, files):
    text, sig = span_of(data, DESCRIPTION), span_of(data, SIGNATURE)
    main = span_of(data, files[1])
    listed = data[text[1] : text[2]]
    edited = re.sub(rb'sha256 = "[0-9a-f]', b'sha256 = "\0', listed, count=1)
    edited = edited.replace(b"\0", b"1" if b'sha256 = "1' not in listed else b"2")
    return {
        "a byte of the description": Attack(flipped(data, text[1] + 90), "bad_checksum"),
        "the digest list, checksum made to fit": Attack(
            with_content(data, DESCRIPTION, edited), "bad_signature"
        ),
        "the version, checksum made to fit": Attack(
            with_content(data, DESCRIPTION, listed.replace(b'"2.0.0"', b'"9.0.0"')),
            "bad_signature",
        ),
        "the last byte of the signature": Attack(flipped(data, sig[2] - 1), "bad_checksum"),
        "the signature, checksum made to fit": Attack(
            with_content(data, SIGNATURE, flipped(data[sig[1] : sig[2]], -5 % (sig[2] - sig[1]))),
            "bad_signature",
        ),
        "the certificate in the signature": Attack(flipped(data, sig[1] + 300), "bad_checksum"),
        "a byte of a file": Attack(flipped(data, main[1]), "digest_mismatch"),
        "the last byte of a file": Attack(flipped(data, main[2] - 1), "digest_mismatch"),
        "a file, checksum made to fit": Attack(
            with_content(data, files[1], flipped(data[main[1] : main[2]], 7)), "unexpected_entry"
        ),
        "two bytes of a file changed places": Attack(
            patched(data, main[1], data[main[1] + 1 : main[1] + 2] + data[main[1] : main[1] + 1]),
            "digest_mismatch",
        ),
        "cut off in the middle of a file": Attack(data[: main[1] + 5], "truncated"),
        "cut off in the description": Attack(data[: text[1] + 50], "truncated"),
        "cut off in the signature": Attack(data[: sig[1] + 50], "truncated"),
        "cut off before the trailer": Attack(data[: main[2] + -(main[2] - main[1]) % 4],
                                             "truncated"),
        "cut off by one byte": Attack(data[:-1], "truncated", PADDING),
        "nothing but a header": Attack(data[:110], "truncated"),
        "nothing at all": Attack(b"", "truncated"),
        "no archive": Attack(b"PK\x03\x04" + bytes(2000), "bad_archive"),
    }  # fmt: skip


def _entries(data, files):
    entries = entries_of(data)
    head, listed = entries[:2], entries[2:]
    pack = archive.pack
    swapped = [listed[1], listed[0], *listed[2:]]
    return {
        "a file added at the end": Attack(
            pack([*entries, ["9999-evil.py", b"evil"]]), "unexpected_entry", UNLISTED
        ),
        "a file added at the beginning": Attack(
            pack([*head, ["0001-evil.py", b"evil"], *listed]), "unexpected_entry", UNLISTED
        ),
        "the first file removed": Attack(without(data, files[0]), "unexpected_entry"),
        "the last file removed": Attack(without(data, files[-1]), "missing_entry"),
        "a file renamed": Attack(
            pack([*head, [files[0] + "x", listed[0][1]], *listed[1:]]), "unexpected_entry"
        ),
        "files reordered": Attack(pack([*head, *swapped]), "unexpected_entry", UNLISTED),
        "contents of two files swapped": Attack(
            pack([*head, [files[1], listed[2][1]], [files[2], listed[1][1]], *listed[3:],
                  listed[0]]), "unexpected_entry"
        ),
        "a file twice": Attack(
            pack([*head, listed[0], *listed]), "unexpected_entry", UNLISTED
        ),
        "the description twice": Attack(
            pack([head[0], head[0], head[1], *listed]), "unsigned"
        ),
        "the signature first": Attack(pack([head[1], head[0], *listed]), "unexpected_entry"),
        "files before the signature": Attack(pack([head[0], *listed, head[1]]), "unsigned"),
        "an empty archive": Attack(pack([]), "missing_entry"),
        "an empty description": Attack(pack([[DESCRIPTION, b""], *entries[1:]]), "too_large"),
    }  # fmt: skip


def _headers(data, files):
    name = files[1]
    start, content, _ = span_of(data, name)
    size = len(dict(map(tuple, entries_of(data)))[name])
    check = int(data[start + 102 : start + 110], 16)
    odd = next(n for n, c in entries_of(data) if len(c) % 4 == 1)
    filling = span_of(data, odd)[2]
    return {
        "a size one too large": Attack(with_field(data, name, "filesize", size + 1),
                                       "unexpected_entry"),
        "a size one too small": Attack(with_field(data, name, "filesize", size - 1),
                                       "unexpected_entry"),
        "a size of 4 GB": Attack(with_field(data, name, "filesize", 0xFFFFFFFF),
                                 "unexpected_entry"),
        "a description of 4 GB": Attack(with_field(data, DESCRIPTION, "filesize", 0xFFFFFFFF),
                                        "too_large"),
        "a signature of 9 KB": Attack(with_content(data, SIGNATURE, bytes(9000)), "too_large"),
        "a name of no length": Attack(with_field(data, name, "namesize", 0), "bad_archive"),
        "a name of 65 bytes": Attack(
            archive.pack([*entries_of(data)[:2], ["0001-" + "x" * 60, b""]]), "bad_archive"
        ),
        "a name of 4 GB": Attack(with_field(data, name, "namesize", 0xFFFFFFFF), "bad_archive"),
        "a name without its end": Attack(patched(data, content - 1, b"x"), "bad_archive",
                                         "" if data[content - 2] else UNUSED),
        "a name that climbs": Attack(patched(data, start + 110, b"../"), "bad_archive"),
        "a wrong checksum": Attack(with_field(data, name, "check", check ^ 1),
                                   "unexpected_entry"),
        "a wrong checksum of the description": Attack(with_field(data, DESCRIPTION, "check", 5),
                                                      "bad_checksum"),
        "a directory": Attack(with_field(data, name, "mode", 0o040755), "bad_archive", UNUSED),
        "a symbolic link": Attack(with_field(data, name, "mode", 0o120777), "bad_archive",
                                  UNUSED),
        "two links": Attack(with_field(data, name, "nlink", 2), "bad_archive", UNUSED),
        "another number": Attack(with_field(data, name, "ino", 77), "bad_archive", UNUSED),
        "another owner": Attack(with_field(data, name, "uid", 1000), "bad_archive", UNUSED),
        "another time": Attack(with_field(data, name, "mtime", 1), "bad_archive", UNUSED),
        "a device number": Attack(with_field(data, name, "rdevminor", 1), "bad_archive", UNUSED),
        "lower-case digits": Attack(
            with_field(data, name, "mode", b"000081a4"), "bad_archive", UNUSED
        ),
        "a sign in a number": Attack(
            with_field(data, name, "filesize", b"+%07X" % size), "bad_archive"
        ),
        "no checksums at all": Attack(data.replace(b"070702", b"070701"), "bad_archive",
                                      "it takes archives without checksums, too"),
        "filling that is not zero": Attack(patched(data, filling, b"x"), "bad_archive", PADDING),
        "filling at the end that is not zero": Attack(data[:-1] + b"x", "bad_archive", PADDING),
        "a trailer with content": Attack(
            data.replace(b"0000000B00000000TRAILER", b"0000000B00000007TRAILER"), "bad_archive",
            BEHIND,
        ),
    }  # fmt: skip


def _signatures(data, private, other, foreign):
    signature = dict(map(tuple, entries_of(data)))[SIGNATURE]
    by_other = Signer(data, other)
    return {
        "not signed": Attack(without(data, SIGNATURE), "unsigned"),
        "signed by a stranger": Attack(by_other.edited(), "bad_signature"),
        "the signature of another release": Attack(
            with_content(data, SIGNATURE, dict(map(tuple, entries_of(foreign)))[SIGNATURE]),
            "bad_signature",
        ),
        "a signature of zeros": Attack(
            with_content(data, SIGNATURE, bytes(len(signature))), "bad_signature"
        ),
        "a signature of one byte": Attack(with_content(data, SIGNATURE, b"\1"), "bad_signature"),
        "a signature with bytes behind it": Attack(
            with_content(data, SIGNATURE, signature + b"\0"), "bad_signature",
            "bytes behind the CMS are not read",
        ),
        "a signature that is cut": Attack(
            with_content(data, SIGNATURE, signature[:-1]), "bad_signature"
        ),
    }  # fmt: skip


def _endless(data):
    head = entries_of(data)[:2]
    flood = archive.pack([*head, *([f"{n:05d}-x", b""] for n in range(10000))])
    return {
        "10 000 entries": Attack(flood, "unexpected_entry"),
        "zeros without end": Attack(data + bytes(1 << 20), "trailing_data", None),
        "a second archive behind it": Attack(data + data, "trailing_data", BEHIND),
        "one byte behind it": Attack(data + b"\0", "trailing_data", BEHIND),
    }


def _paths(signer):
    def brought(path, instead="/lib/new.py", number=1):
        """Return the archive with *path* for one of its files, and the name that goes with it."""
        old, new = archive_name(number, instead), archive_name(number, path)
        files = [[new if name == old else name, data] for name, data in signer.files]
        changes = (f'filename = "{old}"', f'filename = "{new}"'), (f'"{instead}"', f'"{path}"')
        return signer.edited(*changes, entries=files)

    bad = {
        "up": "/lib/../../etc/x",
        "relative": "lib/new.py",
        "a dot": "/lib/./new.py",
        "twice a slash": "/lib//new.py",
        "a slash at the end": "/lib/new/",
        "a backslash": "/lib/new\\x",
        "a control character": "/lib/n\tew.py",
        "256 bytes": "/lib/" + "n" * 255,
        "17 folders": "/lib" + "/n" * 17,
        "nothing": "",
        "main.mpy, which would never run": "/main.mpy",
    }
    gone = r'"/lib/gone.py"'
    return {
        **{f"path: {name}": Attack(brought(path), "bad_path", PATHS)
           for name, path in bad.items()},
        "path: our own records": Attack(brought("/.ota/state"), "protected", PATHS),
        "path: a folder in place of the guard": Attack(brought("/ota_boot/x.py"), "protected",
                                                       PATHS),
        "path: listed twice": Attack(
            brought("/lib/new.py", "/lib/same.py", 2), "bad_description", PATHS
        ),
        "path: out of order": Attack(
            brought("/lib/aaa.py", "/main.py", 3), "bad_description", PATHS
        ),
        "path: a file and its own folder": Attack(
            brought("/lib/new.py/x", "/lib/same.py", 2), "not_directory", PATHS
        ),
        "path: a module in both forms": Attack(
            brought("/lib/same.mpy"), "both_forms", PATHS
        ),
        "path: the name of another path": Attack(
            signer.edited(("0001-new.py", "0001-net.py")), "bad_description"
        ),
        "path: deleted and brought": Attack(
            signer.edited((gone, '"/lib/new.py"')), "duplicate", OURS
        ),
        "path: boot.py deleted": Attack(signer.edited((gone, '"/boot.py"')), "protected", OURS),
        "path: the guard deleted": Attack(
            signer.edited((gone, '"/ota_boot.mpy"')), "protected", OURS
        ),
        "path: our own records deleted": Attack(
            signer.edited((gone, '"/.ota/state"')), "protected", OURS
        ),
    }  # fmt: skip


def _forms(signer, data):
    text = entries_of(data)[0][1]
    edit = signer.edited
    bad = {
        "a comment": (signer.signed(b"# hello\n" + text), FORM),
        "an include": (signer.signed(b'@include "/etc/passwd"\n' + text), ""),
        "a blank line": (signer.signed(text.replace(b"{\n", b"{\n\n", 1)), FORM),
        "carriage returns": (signer.signed(text.replace(b"\n", b"\r\n")), FORM),
        "a tab": (signer.signed(text.replace(b"version", b"\tversion", 1)), FORM),
        "no newline at the end": (signer.signed(text[:-1]), FORM),
        "text behind the end": (signer.signed(text + b"x = 1;\n"), FORM),
        "cut in half": (signer.signed(text[: len(text) // 2]), ""),
        "an unknown line": (edit((r"^trial", "color = 1;\ntrial")), FORM),
        "another format number": (edit((r"^format = 1;", "format = 2;")), OURS),
        "a line of 512 bytes": (edit((r"^version = ", " " * 512 + "version = ")), FORM),
        "not UTF-8": (signer.signed(text.replace(b"/lib/new.py", b"/lib/n\xff\xfe.py")), PATHS),
        "10 000 files": (edit((r"^files = \d+;", "files = 10000;")), OURS),
        "no file": (edit((r"^files = \d+;", "files = 0;")), OURS),
        "one file less": (edit((r"^files = 5;", "files = 4;")), OURS),
        "one file more": (edit((r"^files = 5;", "files = 6;")), OURS),
        "sizes that do not add up": (edit((r"^bytes = ", "bytes = 1")), OURS),
        "a size with a zero in front": (edit((r"size = ", "size = 0")), OURS),
        "an endless size": (edit((r"size = \d+", "size = 99999999999999999999")), OURS),
        "a digest in capitals": (edit((r'sha256 = "[0-9a-f]+', 'sha256 = "' + "A" * 64)), ""),
        "a digest of 63 digits": (edit((r'sha256 = "[0-9a-f]', 'sha256 = "')), ""),
        "an empty file with another digest": (
            edit((r"e3b0c44298fc1c149afbf4c8996fb924", "0" * 32)), ""
        ),
        "a filename out of order": (edit((r"0002-", "0003-")), ""),
        "a filename that climbs": (edit((r"0001-new.py", "0001-../x")), ""),
        "a version that is none": (edit((r'^version = "2.0.0"', 'version = "two"')), FORM),
        "a version with zeros": (edit((r'^version = "2.0.0"', 'version = "2.00.0"')), FORM),
        "a version of 41 characters": (
            edit((r'^version = "2.0.0"', 'version = "2.0.0-' + "x" * 35 + '"')), FORM
        ),
        "a floor above the version": (edit((r'^floor = "2.0.0"', 'floor = "2.0.1"')), OURS),
        "no floor": (edit((r'^floor = "2.0.0";\n', "")), OURS),
        "a floor that is none": (edit((r'^floor = "2.0.0"', 'floor = "two"')), OURS),
        "a floor without a value": (edit((r'^floor = "2.0.0"', 'floor = ""')), OURS),
        "a trial of maybe": (edit((r"^trial = true", "trial = 1")), OURS),
        "boards out of order": (edit((r"^RPI_PICO2_W", "RPI_PICO_Z")), FORM),
    }  # fmt: skip
    return {f"form: {name}": Attack(made, "bad_description", why)
            for name, (made, why) in bad.items()}  # fmt: skip


def _emptied(text):
    """Return the description *text* with nothing in either list."""
    text = re.sub(rb'^("/|{ filename).*\n', b"", text, flags=re.MULTILINE)
    return re.sub(rb"^(files|bytes|deletes) = \d+", rb"\1 = 0", text, flags=re.MULTILINE)


def _conditions(signer, data):
    edit = signer.edited
    mpy = r'^micropython = "1.25.0";'
    return {
        "another board": Attack(data, "wrong_board", device=("board", "RPI_PICO")),
        "another revision": Attack(
            edit((r'^RPI_PICO_W = { hardware-compatibility = \[ "1.0"',
                  'RPI_PICO_W = { hardware-compatibility = [ "1.1"')),
            "wrong_board",
        ),
        "no board at all": Attack(
            edit((r"^RPI_PICO2_W = .*\n", ""), (r"^RPI_PICO_W = .*\n", "")), "wrong_board"
        ),
        "nothing at all to do": Attack(
            signer.signed(_emptied(entries_of(data)[0][1]), []), "empty"
        ),
        "1001 files and deletions": Attack(
            edit((r"^deletes = 1;", "deletes = 996;")), "too_many", OURS
        ),
        "code for another processor": Attack(
            edit((mpy, 'micropython = "1.25.0";\nmpy = "6.3";\narch = "rv32imc";')),
            "mpy_incompatible",
            OURS,
        ),
        "another format of modules": Attack(
            edit((mpy, 'micropython = "1.25.0";\nmpy = "5.2";')), "mpy_incompatible", OURS
        ),
        "an older version": Attack(data, "downgrade", "-N asks for that, and was not given",
                                   device=("floor", "2.0.1-rc.1")),
        "a newer MicroPython": Attack(edit((mpy, 'micropython = "9.0.0";')), "old_micropython",
                                      OURS),
    }  # fmt: skip
