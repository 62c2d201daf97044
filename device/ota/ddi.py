"""One poll of an update server, and what follows from it: hawkBit's DDI, which gooseBit speaks.

An archive that is offered goes the way of all others: its signature first, then plan, files and
commit. It is read by ranges, and only what the board lacks.

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
import os
import sys
from micropython import const

import ota
from ota import record as records
from ota import transaction
from ota.errors import Refused
from ota.offer import Download, Unwanted, check_ours, find, span, verdict
from ota.record import PLAN
from ota.web import Link, at, fail

KEPT = records.HOME + "/fleet"
_MAX_KEPT = const(1024)
_DEFAULT_S = const(300)  # between two polls
_LONGEST_S = const(86400)
_MAX_BACK_OFF_S = const(3600)
_REOPEN = const(10)  # polls after which a board that has failed asks to be offered something again
_MAX_ARCHIVE = const(33554432)


async def poll(service, fleet):
    """Ask the server once, do what it wants, and set when it is asked again."""
    known = fleet.known
    if known is None:
        known = fleet.known = {"errors": 0, "sleep": _DEFAULT_S, "told": {}}
    link = Link(fleet)
    wait_s = 0
    try:
        wait_s = await _Round(service, fleet, link, known).run()
        fleet.error = None
        known["errors"] = 0
    except Refused as refused:
        _note(service, fleet, refused.message)
        fleet.state = "error"
        known["errors"] += 1
        wait_s = refused.extra.get("retry_after", 0)
    except MemoryError:
        _note(service, fleet, "The application leaves too little memory for this.")
        fleet.state = "error"
        known["errors"] += 1
    finally:
        link.close()
    every = fleet.poll_s or known["sleep"]
    every = min(every << min(known["errors"], 5), max(every, _MAX_BACK_OFF_S))
    if wait_s:
        every = max(1, min(wait_s, _LONGEST_S))
    # An eighth more or less, so that boards which were switched on together do not stay so.
    fleet.next_ms = service.uptime_ms + int(every * (896 + os.urandom(1)[0]))


def _note(service, fleet, text):
    if text != fleet.error:
        fleet.error = text
        service.log("Fleet: %s" % text)


class _Round:
    """What one poll goes through; *known* is what was known from the ones before."""

    def __init__(self, service, fleet, link, known):
        self._service = service
        self._fleet = fleet
        self._link = link
        self._known = known
        self._kept = _load()
        self._base = "%s/%s/controller/v1/%s" % (link.base, fleet.tenant, fleet.id)

    async def run(self):
        """Return the seconds until the next poll, 0 for the usual. Raises Refused."""
        record = transaction.load()
        if self._service.decided or record["state"] not in ("idle", "staging"):
            return 0  # the outcome comes first
        await self._report(record)
        answer = await self._get(self._base)
        self._fleet.polled_ms = self._service.uptime_ms
        self._known["sleep"] = _seconds(at(answer, "config", "polling", "sleep"))
        href = _href(answer, "configData")
        if href or self._known.get("sent") != (record["version"],):
            await self._register(href, record["version"])
        for name, function in (
            ("cancelAction", self._cancel),
            ("confirmationBase", self._agree),
            ("deploymentBase", self._take),
        ):
            href = _href(answer, name)
            if href:
                if name == "deploymentBase":
                    self._reopened()
                return await function(self._link.path_of(href))
        self._fleet.offered = None
        self._fleet.state = "idle"
        await self._reopen()
        return 0

    # --- requests ------------------------------------------------------------------------------

    async def _get(self, path, gone=False):
        """Return the answer as a dict; with *gone* None when there is no such thing any more."""
        status = await self._link.ask("GET", path)
        if gone and status in (404, 410):
            return None
        if status != 200:
            fail(self._link, path)
        return await self._link.json()

    async def _send(self, method, path, value):
        """Return False when the server knows nothing of it, or has closed it."""
        status = await self._link.ask(method, path, value)
        if status in (404, 405, 409, 410):
            return False
        if not 200 <= status < 300:
            fail(self._link, path)
        return True

    def _tell(self, action, execution, finished, *details):
        """Send feedback. Awaited, False when the server has closed the action."""
        result = {"finished": finished}
        status = {"execution": execution, "result": result, "details": [d[:300] for d in details]}
        return self._send("POST", action + "/feedback", {"id": _last(action), "status": status})

    async def _tell_once(self, action, execution, detail):
        """Send feedback that decides nothing, unless it is what was sent so last.

        Returns False when the server has closed the action.
        """
        told = self._known["told"]
        if told.get(execution) != (action, detail):
            try:
                if not await self._tell(action, execution, "none", detail):
                    return False
            except Refused:
                return True  # it is in the status all the same
            told[execution] = (action, detail)
        return True

    async def _register(self, href, version):
        path = self._link.path_of(href) if href else self._base + "/configData"
        data = {
            "hw_boardname": _from_conditions("board_name") or "unknown",
            "hw_revision": _from_conditions("REVISION"),
            "sw_version": version or "unknown",
            "micropython": ".".join([str(part) for part in sys.implementation.version[:3]]),
            "updater": ota.__version__,
        }
        await self._send("PUT", path, {"mode": "merge", "data": data})
        self._known["sent"] = (version,)

    # --- what became of it ---------------------------------------------------------------------

    async def _report(self, record):
        """Report the outcome of what was installed, if it has not been reported yet."""
        job, last = self._kept.get("job"), record["last"]
        if not job or self._staged(record):
            return
        if last and last[0] > job[2] and last[1] == job[3]:
            action, version = job[0], job[3]
            if last[2] == "reverted":
                reason = "%s was undone: %s" % (version, last[3])
                await self._tell(action, "closed", "failure", reason)
                self._kept["failed"] = [action, reason]
            else:
                await self._tell(action, "closed", "success", "%s is %s." % (version, last[2]))
                self._kept["release"] = version
        # Else somebody has dropped it: the server offers it again.
        del self._kept["job"]
        _save(self._kept)

    async def _reopen(self):
        """Ask a server that offers nothing after a failure to do so again: once, after a while."""
        failed = self._kept.get("failed")
        if failed:
            count = self._known["quiet"] = self._known.get("quiet", 0) + 1
            if count >= _REOPEN:
                text = "Ready for another release. The last one failed: %s" % failed[1]
                await self._tell(failed[0], "proceeding", "none", text)
                self._reopened()

    def _reopened(self):
        if self._kept.pop("failed", None):
            _save(self._kept)
        self._known["quiet"] = 0

    async def _fail(self, action, mark, reason):
        """Report a failure, and remember not to try that archive again."""
        self._service.log("Fleet: %s" % reason)
        self._fleet.state, self._fleet.error = "refused", reason
        self._kept["refused"] = ([mark] + self._kept.get("refused", []))[:4]
        self._kept["failed"] = [action, reason[:160]]
        self._kept.pop("job", None)
        _save(self._kept)
        await self._tell(action, "closed", "failure", reason)

    # --- cancel and consent --------------------------------------------------------------------

    async def _cancel(self, path):
        answer = await self._get(path, True)
        stop = at(answer, "cancelAction", "stopId")
        job = self._kept.get("job")
        if job and _last(job[0]) == str(stop):
            self._withdrawn()
        # `canceled` would be right, but hawkBit closes it with this one only.
        await self._tell(path.split("?")[0], "closed", "success", "Cancelled.")
        return 1

    async def _agree(self, path):
        # Whether it suits the application, before_install is asked, when all is here.
        value = {
            "confirmation": "confirmed",
            "code": 1,
            "details": ["The board has no objection."],
        }
        await self._send("POST", path.split("?")[0] + "/feedback", value)
        return 1

    # --- an offer ------------------------------------------------------------------------------

    async def _take(self, path):
        """Install what the server offers at *path*, unless there is a reason not to."""
        action = path.split("?")[0]
        deployment = at(await self._get(path, True), "deployment")
        if not isinstance(deployment, dict):
            self._fleet.state = "idle"
            return 0  # it was taken back meanwhile
        found = find(deployment, self._link)
        if found is None:
            if self._known.get("decided") != (action, None):
                self._known["decided"] = (action, None)
                await self._fail(action, action, "There is no .swu file in what is offered.")
            return 0
        version, href, size, mark = found
        self._fleet.offered = version
        if self._known.get("decided") == (action, mark):
            return 0
        if mark in self._kept.get("refused", ()):
            await self._leave(action, mark, "%s was refused here before." % version)
            return 0
        try:
            return await self._install(
                action, version, self._link.path_of(href), size, mark, deployment
            )
        except Unwanted as unwanted:
            if unwanted.finished == "success":
                self._known["decided"] = (action, mark)
                self._fleet.state = "idle"
                await self._tell(action, "closed", "success", unwanted.reason)
                return 1
            await self._leave(action, mark, unwanted.reason)
            return 0
        except MemoryError:
            ota.use(None)
            await self._tell_once(
                action, "proceeding", "The application leaves too little memory."
            )
            raise
        except Refused as refused:
            return await self._refused(refused, action, mark)

    async def _leave(self, action, mark, reason):
        """Neither install it nor report a failure, which would block the board."""
        self._known["decided"] = (action, mark)
        self._fleet.state, self._fleet.error = "refused", None
        self._service.log("Fleet: %s" % reason)
        await self._tell_once(action, "rejected", reason)

    async def _refused(self, refused, action, mark):
        """Do what *refused* calls for; return the seconds until the next poll."""
        if refused.word == "fleet":
            job = self._kept.get("job")
            if job and refused.args[0] == "fleet/changed":
                job[4] = job[6] = None  # its head has to be read again
                _save(self._kept)
            await self._tell_once(action, "proceeding", refused.message)
            raise refused
        if refused.word in ("busy", "stale_session"):
            self._fleet.state = "waiting"  # for somebody who brings something else
            return 0
        if refused.word in ("refused_by_application", "delayed_by_application"):
            self._fleet.state = "waiting"
            await self._tell_once(action, "proceeding", refused.message)
            return refused.extra.get("retry_after", 0)
        if self._staged(transaction.load()):
            transaction.abort()
        await self._fail(action, mark, refused.message)
        return 0

    def _staged(self, record):
        """Return the job when it is what is being staged, None otherwise."""
        job = self._kept.get("job")
        return job if job and record["state"] == "staging" and record["id"] == job[1] else None

    async def _install(self, action, version, path, size, mark, deployment):
        record, service = transaction.load(), self._service
        device = service._receive().device
        job = self._staged(record)
        if record["state"] == "staging" and not job and not device.lease_over():
            raise Refused(409, "busy/other", record["next"])
        if not size or size > _MAX_ARCHIVE:
            raise Refused(413, "too_large/entry", "the archive", size, _MAX_ARCHIVE)
        device.prepare_buffer(True, "PUT")
        source = Download(self._link, path, size, None)
        self._fleet.state = "downloading"
        if job and job[4] == mark:
            source.etag = job[6]
        else:
            wanted = verdict(version, self._kept.get("release")) is None
            if wanted and not await self._accept(action, version):
                return self._withdrawn()
            job = await self._begin(device, source, action, mark, record["last"])
            if not wanted and not await self._accept(action, job[3]):
                return self._withdrawn()
        self._fleet.offered = job[3]
        await source.fetch(device, job[5], job[1], self._progress(action))
        device.renew_lease()
        if not await self._tell_once(action, "downloaded", "%s is here." % job[3]):
            return self._withdrawn()
        if deployment.get("update") == "skip":
            self._fleet.state = "waiting"  # for a time at which the server lets it be installed
            return 0
        if not await self._still_offered(action):
            return 1
        self._fleet.state = "installing"
        async with device.write_lock(PLAN, 0):
            check_ours(job[1])
            await _phase("commit", "go_live", device, False)
        await self._tell_once(action, "proceeding", "%s is being installed." % job[3])
        device.restart()
        return 0

    def _accept(self, action, version):
        return self._tell_once(action, "proceeding", "%s is accepted." % version)

    def _withdrawn(self):
        """Drop what the server has closed meanwhile."""
        if self._staged(transaction.load()):
            transaction.abort()
        if self._kept.pop("job", None):
            _save(self._kept)
        self._fleet.state, self._fleet.offered = "idle", None
        return 0

    def _progress(self, action):
        """Return a function that reports how many percent have been downloaded."""
        return lambda percent: self._tell(action, "download", "none", "Downloaded %d%%" % percent)

    async def _still_offered(self, action):
        """Return whether the server still wants it: it may have been taken back meanwhile."""
        answer = await self._get(self._base)
        href = _href(answer, "deploymentBase")
        return bool(href) and self._link.path_of(href).split("?")[0] == action

    async def _begin(self, device, source, action, mark, last):
        """Read the head of the archive and make the plan; return the job, which is kept."""
        updates = ota.load("updates")
        archive = updates.Archive(source, device.buffer)

        def judge(session, version):
            staged = self._staged(transaction.load())
            if staged and session != staged[1]:
                transaction.abort()  # what was offered before
            found = verdict(version, self._kept.get("release"))
            if found:
                raise found

        async with device.write_lock("fleet", source.size):
            session, version, entry = await updates.take_head(device, archive, judge)
        begins = archive.position - (span(entry[0]) if entry else 0)
        job = [action, session, last[0] if last else 0, version, mark, begins, source.etag]
        self._kept["job"] = job
        _save(self._kept)
        return job


# In frames of their own, since a frame keeps alive what was last on its stack.


def _phase(module, function, *args):
    return getattr(ota.use(module), function)(*args)


def _from_conditions(name):
    found = getattr(ota.load("conditions"), name)
    return found() if callable(found) else found


# --- what the server says ----------------------------------------------------------------------


def _href(answer, name):
    return at(answer, "_links", name, "href")


def _seconds(text):
    """Return the seconds of *text*, HH:MM:SS, and the usual ones for anything else."""
    parts = text.split(":") if isinstance(text, str) else ()
    if len(parts) != 3 or not all(part.isdigit() and len(part) == 2 for part in parts):
        return _DEFAULT_S
    hours, minutes, seconds = [int(part) for part in parts]
    return max(1, min(hours * 3600 + minutes * 60 + seconds, _LONGEST_S))


def _last(path):
    return path[path.rfind("/") + 1 :]


# --- what outlives a restart -------------------------------------------------------------------


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


def _save(kept):
    text = json.dumps(kept)
    if records.is_dir(KEPT):
        records.clear(KEPT)  # a folder, made by other hands
    records.make_parents(KEPT)
    with open(KEPT, "w") as file:
        file.write(text)
