"""What `/fs/…` may touch: which files belong to the updater. No disk, no network."""

from ota.errors import Refused
from ota.paths import PRIVATE, check, is_private
from ota.urls import decode

_MODULES = ("/ota_boot", "/service_ota", "/manager_wifi", "/lib/microdot")
_FOLDER = "/ota"
_GUARD = "/ota_boot."


def target(rest):
    """Return (path, True when a folder was asked for) of what follows `/fs/`, percent-encoded.

    Raises Refused(400).
    """
    text = decode(rest)
    if not text:
        return "/", True
    wants_dir = text.endswith("/")
    return check("/" + (text[:-1] if wants_dir else text)), wants_dir


def allows(request):
    """Return True when *request* says explicitly that it means a file of the updater."""
    return request.headers.get("x-ota-protected") == "yes"


def is_updater(path):
    """Return True for the files that the updater needs to run, and for their folders."""
    if path in ("/boot.py", _FOLDER) or path.startswith(_FOLDER + "/"):
        return True
    for stem in _MODULES:
        # A folder of the module's name too, even an empty one: an import prefers it to the file.
        if path.startswith(stem) and path[len(stem) : len(stem) + 1] in ("", ".", "/"):
            return True
    return False


def holds_updater(path):
    """Return True for a folder that contains files of the updater but is not theirs alone."""
    return path in ("/", "/lib")


def guard_access(path, allow_updater):
    """Raise Refused(403) when *path* must not be changed.

    *allow_updater* is True when the request said so explicitly; `/.ota` stays closed even then.
    """
    if is_private(path):
        raise Refused(403, "protected/records", PRIVATE)
    if is_updater(path) and not allow_updater:
        raise Refused(403, "protected/updater", path)
    if path.startswith(_GUARD):
        # Whatever the request says: nothing would undo it.
        raise Refused(403, "protected/guard_alone", path)


def keep_start(path):
    """Raise Refused(403) when *path* may be replaced, but not be missing for a moment."""
    if path == "/boot.py":
        raise Refused(403, "protected/boot")
