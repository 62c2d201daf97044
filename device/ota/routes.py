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
GET /api/v1/status routes_system status any
PUT /api/v1/update/release direct_release put any
GET /api/v1/update/release direct_release show any
POST /api/v1/update direct_begin begin unsigned
GET /api/v1/update direct_begin show any
DELETE /api/v1/update direct_commit abort any
POST /api/v1/update/commit direct_commit commit any
POST /api/v1/confirm direct_outcome confirm any
POST /api/v1/rollback direct_outcome rollback any
DELETE /fs/ routes_fs delete unsigned
MOVE /fs/ routes_fs move unsigned
GET / routes_page page any
GET /api/v1/info routes_system info any
GET /api/v1/log routes_system log any
POST /api/v1/reboot routes_system reboot any
PUT /api/v1/password routes_system password any
"""
# A module, and what is loaded before it; see ota.load() for the order. What is not here needs
# nothing, or loads by itself what each part of its work takes.
_NEEDS = """\
direct_commit session
direct_files paths session staging ranges
direct_fs paths protected store
direct_outcome records states transaction settings health
direct_release session staging release_store cpio release ranges
routes_fs paths protected store reader
routes_system records states transaction session arrivals checks
"""


class Row:
    """A row of the table: `module`, `function`, and `rest`, the path below the row's."""

    def __init__(self, words, path):
        _, pattern, self.module, self.function, who = words
        self.unsigned = who == "unsigned"
        self.rest = path[len(pattern) :]

    @property
    def direct(self):
        """True for what is answered without Microdot."""
        return self.module.startswith("direct_")

    @property
    def modules(self):
        """The modules to load for this row, in their order."""
        for words in _lines(_NEEDS):
            if words[0] == self.module:
                return words[1:] + words[:1]
        return [self.module]


def _lines(table):
    at = 0
    while at < len(table):
        end = table.find("\n", at)
        yield table[at:end].split(" ")
        at = end + 1


def every():
    """Yield each Row."""
    for words in _lines(_ROWS):
        yield Row(words, words[1])


def find(method, path):
    """Return the Row for *method* on *path*. Raises Refused(404 or 405)."""
    allowed = []
    for words in _lines(_ROWS):
        pattern = words[1]
        below = pattern != "/" and pattern.endswith("/")
        if not (path.startswith(pattern) if below else path == pattern):
            continue
        if method == words[0] or (method == "HEAD" and words[0] == "GET"):
            return Row(words, path)
        allowed.append(words[0])
    if not allowed:
        raise Refused(404, "not_found/route", path[:80])
    allow = ", ".join(allowed)
    raise Refused(405, "bad_method/here", allow, method, allow=allow)


def check_signed(row, service):
    """Raise Refused(403) where *row* changes files without a signature and *service* wants one."""
    if row.unsigned and service.require_signed:
        raise Refused(403, "signed_only")
