"""Which request is answered by what.

What changes files is answered directly, by a module `direct_*`: while an update comes in the heap
is short, and Microdot alone would take 17 KB of it. All else is routes of a Microdot application,
see ota/web.py; mounted in an application's own Microdot, all of it is.
"""

from ota.errors import Refused

# Both tables are text, one row a line: tuples of the same would take three times the heap.

# Method, path (one that ends in "/" stands for all below it), module, function, and who may:
# "any", or "unsigned", refused where only signed releases are taken. What is asked for again and
# again stands first.
_ROWS = """\
PUT /api/v1/update/files/ direct_files put unsigned
PUT /fs/ direct_fs put unsigned
GET /fs/ routes_fs get any
GET /api/v1/progress direct_progress show any
GET /api/v1/status routes_system status any
PUT /api/v1/update/release direct_release put any
GET /api/v1/update/release direct_pending show any
POST /api/v1/update direct_begin begin unsigned
GET /api/v1/update direct_show show any
DELETE /api/v1/update direct_commit abort any
POST /api/v1/update/commit direct_commit commit any
POST /api/v1/confirm direct_outcome confirm any
POST /api/v1/rollback direct_outcome rollback any
DELETE /fs/ direct_fs delete unsigned
MOVE /fs/ direct_fs move unsigned
GET / routes_page page any
GET /api/v1/info direct_info info any
GET /api/v1/log routes_system log any
POST /api/v1/reboot routes_system reboot any
PUT /api/v1/password routes_system password any
"""
# A module, and what is loaded before it; see ota.load() for the order. What is not here needs
# nothing, or loads by itself what each part of its work takes.
_NEEDS = """\
direct_commit session
direct_files paths urls session staging ranges
direct_fs paths urls protected flash store etag
direct_outcome records states current outcomes transaction settings health
direct_pending flash cpio records session arrivals release_store release_resume
direct_show records states current session arrivals
routes_fs paths urls protected flash tree store etag reader
routes_system records states current outcomes transaction session arrivals checks
"""


def every():
    """Yield (module, function, modules) of each row, as find() returns them."""
    for _, _, module, function, _ in _lines(_ROWS):
        yield module, function, _modules(module)


def find(method, path, signed_only):
    """Return (module, function, modules, rest) of what answers *method* on *path*.

    *modules* is what to load, in its order, *rest* the path below that of the row. Raises Refused:
    404 or 405, and 403 with *signed_only* for what changes files without a signature.
    """
    allowed = []
    for verb, pattern, module, function, who in _lines(_ROWS):
        below = pattern != "/" and pattern.endswith("/")
        if not (path.startswith(pattern) if below else path == pattern):
            continue
        if method == verb or (method == "HEAD" and verb == "GET"):
            if signed_only and who == "unsigned":
                raise Refused(403, "signed_only")
            return module, function, _modules(module), path[len(pattern) :]
        allowed.append(verb)
    if not allowed:
        raise Refused(404, "not_found/route", path[:80])
    allow = ", ".join(allowed)
    raise Refused(405, "bad_method/here", allow, method, allow=allow)


def _modules(module):
    for words in _lines(_NEEDS):
        if words[0] == module:
            return words[1:] + words[:1]
    return [module]


def _lines(table):
    at = 0
    while at < len(table):
        end = table.find("\n", at)
        yield table[at:end].split(" ")
        at = end + 1
