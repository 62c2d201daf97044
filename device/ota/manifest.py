"""The rules for what may be in a manifest, see ota/manifest_reader.py. No disk, no network."""

from micropython import const

from ota import paths
from ota.errors import Refused

#: Most files and deletions in one update.
MAX_ENTRIES = const(1000)
MAX_VERSION = const(40)

_MAX_SIZE = const(16777216)  # of one file; no board of ours has more flash
#: The SHA-256 of no bytes.
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def check_version(version):
    """Return *version* if it can name a release. Raises Refused(400)."""
    if not isinstance(version, str) or not 0 < len(version) <= MAX_VERSION:
        raise Refused(400, "bad_version/length", MAX_VERSION, _show(version))
    for char in version:
        if not "!" <= char <= "~" or char in '"\\':
            raise Refused(400, "bad_version/ascii", _show(version))
    return version


def check_file(path, size, sha):
    """Return (size, sha) of a file that may be installed. Raises Refused(400 or 403)."""
    check_path(path)
    if path in ("/main.mpy", "/boot.mpy"):
        raise Refused(400, "bad_path/compiled", path)
    if path.startswith("/ota_boot/"):
        raise Refused(403, "protected/guard_folder")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_SIZE:
        raise Refused(400, "bad_size", path, _MAX_SIZE, _show(size))
    sha = sha.lower() if isinstance(sha, str) and len(sha) == 64 else ""
    for char in sha:
        if char not in "0123456789abcdef":
            sha = ""
            break
    if not sha or (size == 0 and sha != EMPTY):
        raise Refused(400, "bad_digest/file", path)
    return size, sha


def check_path(path):
    """Return *path* if an update may touch it. Raises Refused(400 or 403)."""
    if not isinstance(path, str):
        raise Refused(400, "bad_path/type", _show(path))
    paths.check(path)
    if paths.is_private(path):
        raise Refused(403, "protected/leave_out", paths.PRIVATE)
    return path


def _show(value):
    text = repr(value)
    return text if len(text) <= 48 else text[:45] + "..."
