"""What the steps of a poll share: the server, feedback to it, and what is kept over a restart.

What has to outlive a restart is one small JSON object in KEPT, written when an offer is taken, and
when there was something to report:

    job       [action, id of the update, number of the last outcome, version, mark, where the
              files begin in the archive, its ETag]: what is downloaded, or waits for its outcome
    failed    [action, reason] of the last failure that was reported: gooseBit offers nothing more
              to such a board until that board says that it goes on
    refused   marks of the last archives that were no good here
    release   the version that was installed last from a server
"""

import json
from micropython import const

from ota import record as records
from ota import transaction
from ota.errors import Refused
from ota.web import Link, fail

KEPT = records.HOME + "/fleet"
_MAX_KEPT = const(1024)


class Unwanted(Exception):
    """What is offered is not to be installed, for *reason*.

    *finished* is "success" for what runs already, "none" for what must be neither installed nor
    reported as a failure, since a server may offer nothing more to a board that has failed.
    """

    def __init__(self, finished, reason):
        super().__init__(reason)
        self.finished = finished
        self.reason = reason


class Step:
    """A step of a poll of *fleet*. *known* is what is known from the polls before."""

    def __init__(self, service, fleet):
        self.service = service
        self.fleet = fleet
        self.known = fleet.known
        self.link = Link(fleet)
        self.kept = _load()
        self.base = "%s/%s/controller/v1/%s" % (self.link.base, fleet.tenant, fleet.id)

    async def get(self, path, gone=False):
        """Return the answer as a dict; with *gone* None when there is no such thing any more."""
        status = await self.link.ask("GET", path)
        if gone and status in (404, 410):
            return None
        if status != 200:
            fail(self.link, path)
        return await self.link.json()

    async def send(self, method, path, value):
        """Return False when the server knows nothing of it, or has closed it."""
        status = await self.link.ask(method, path, value)
        if status in (404, 405, 409, 410):
            return False
        if not 200 <= status < 300:
            fail(self.link, path)
        return True

    def tell(self, action, execution, finished, *details):
        """Send feedback. Awaited, False when the server has closed the action."""
        result = {"finished": finished}
        status = {"execution": execution, "result": result, "details": [d[:300] for d in details]}
        return self.send("POST", action + "/feedback", {"id": last_of(action), "status": status})

    async def tell_once(self, action, execution, detail):
        """Send feedback that decides nothing, unless it is what was sent so last.

        Returns False when the server has closed the action.
        """
        told = self.known["told"]
        if told.get(execution) != (action, detail):
            try:
                if not await self.tell(action, execution, "none", detail):
                    return False
            except Refused:
                return True  # it is in the status all the same
            told[execution] = (action, detail)
        return True

    def staged(self, record):
        """Return the job when it is what is being staged, None otherwise."""
        job = self.kept.get("job")
        return job if job and record["state"] == "staging" and record["id"] == job[1] else None

    def withdrawn(self):
        """Drop what the server has closed meanwhile."""
        if self.staged(transaction.load()):
            transaction.abort()
        if self.kept.pop("job", None):
            self.save()
        self.fleet.state, self.fleet.offered = "idle", None
        return 0

    def save(self):
        """Keep what has to outlive a restart."""
        text = json.dumps(self.kept)
        if records.is_dir(KEPT):
            records.clear(KEPT)  # a folder, made by other hands
        records.make_parents(KEPT)
        with open(KEPT, "w") as file:
            file.write(text)


def last_of(path):
    """Return the last name of *path*."""
    return path[path.rfind("/") + 1 :]


def _load():
    try:
        with open(KEPT) as file:
            kept = json.loads(file.read(_MAX_KEPT))
        job = kept.get("job")
        if job is not None and (not isinstance(job, list) or len(job) != 7):
            del kept["job"]
        return kept
    except (OSError, ValueError, AttributeError):
        return {}
