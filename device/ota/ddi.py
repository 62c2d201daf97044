"""One poll of an update server, and what follows from it: hawkBit's DDI, which gooseBit speaks.

What is offered is brought by ota/offer.py. The two are never in memory together: each returns
which comes next, and with what.
"""

import os
import sys
from micropython import const

import ota
from ota import record as records
from ota import transaction
from ota.errors import Refused
from ota.feedback import Step, last_of
from ota.web import at

_DEFAULT_S = const(300)  # between two polls
_LONGEST_S = const(86400)
_MAX_BACK_OFF_S = const(3600)
_REOPEN = const(10)  # polls after which a board that has failed asks to be offered something again
_NO_MEMORY = "The application leaves too little memory for this."


async def step(service, fleet, order):
    """Ask the server, or finish the *order* that ota/offer.py has carried out.

    Returns ("offer", order) for what is to be brought; else None, and sets when to ask again.
    """
    if fleet.known is None:
        fleet.known = {"errors": 0, "sleep": _DEFAULT_S, "told": {}}
    known = fleet.known
    doing = _Poll(service, fleet)
    wait_s = 0
    try:
        next = doing.run if order is None else doing.finish
        doing.order = order
        # One after the other from here, and not one inside of the other: each level of waiting
        # takes some of the C stack.
        while callable(next):
            next = await next()
        if isinstance(next, tuple):
            return "offer", next
        wait_s = next
        fleet.error = None
        known["errors"] = 0
    except Refused as refused:
        _note(service, fleet, refused.message)
        fleet.state = "error"
        known["errors"] += 1
        wait_s = refused.extra.get("retry_after", 0)
    except MemoryError:
        _note(service, fleet, _NO_MEMORY)
        fleet.state = "error"
        known["errors"] += 1
    finally:
        doing.link.close()
    every = fleet.poll_s or known["sleep"]
    every = min(every * (1 << min(known["errors"], 5)), max(every, _MAX_BACK_OFF_S))
    if wait_s:
        every = max(1, min(wait_s, _LONGEST_S))
    # An eighth more or less, so that boards which were switched on together do not stay so.
    fleet.next_ms = service.uptime_ms + int(every * (896 + os.urandom(1)[0]))


def _note(service, fleet, text):
    if text != fleet.error:
        fleet.error = text
        service.log("Fleet: %s" % text)


class _Poll(Step):
    """What one poll goes through."""

    order = None
    _path = None  # of what is to be done next

    # Each returns the next one, or what is to be brought, or the seconds until the next poll, 0
    # for the usual ones.

    async def run(self):
        """Ask, and see what there is to be done. Raises Refused."""
        record = transaction.load()
        if self.service.decided or record["state"] not in ("idle", "staging"):
            return 0  # the outcome comes first
        await self._report(record)
        answer = await self.get(self.base)
        self.fleet.polled_ms = self.service.uptime_ms
        self.known["sleep"] = _seconds(at(answer, "config", "polling", "sleep"))
        href = _href(answer, "configData")
        if href or self.known.get("sent") != (record["version"],):
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
                self._path = self.link.path_of(href)
                return function
        self.fleet.offered = None
        self.fleet.state = "idle"
        await self._reopen()
        return 0

    # --- requests ------------------------------------------------------------------------------

    async def _register(self, href, version):
        path = self.link.path_of(href) if href else self.base + "/configData"
        data = {
            "hw_boardname": _from_conditions("board_name") or "unknown",
            "hw_revision": _from_conditions("REVISION"),
            "sw_version": version or "unknown",
            "micropython": ".".join([str(part) for part in sys.implementation.version[:3]]),
            "updater": ota.__version__,
            "mode": self.service.mode,
        }
        await self.send("PUT", path, {"mode": "merge", "data": data})
        self.known["sent"] = (version,)

    # --- what became of it ---------------------------------------------------------------------

    async def _report(self, record):
        """Report the outcome of what was installed, if it has not been reported yet."""
        job, last = self.kept.get("job"), record["last"]
        if not job or self.staged(record):
            return
        if last and last[0] > job[2] and last[1] == job[3]:
            action, version = job[0], job[3]
            if last[2] == "reverted":
                reason = "%s was undone: %s" % (version, last[3])
                await self.tell(action, "closed", "failure", reason)
                self.kept["failed"] = [action, reason]
            else:
                await self.tell(action, "closed", "success", "%s is %s." % (version, last[2]))
                self.kept["release"] = version
        # Else somebody has dropped it: the server offers it again.
        del self.kept["job"]
        self.save()

    async def _reopen(self):
        """Ask a server that offers nothing after a failure to do so again: once, after a while."""
        failed = self.kept.get("failed")
        if failed:
            count = self.known["quiet"] = self.known.get("quiet", 0) + 1
            if count >= _REOPEN:
                text = "Ready for another release. The last one failed: %s" % failed[1]
                await self.tell(failed[0], "proceeding", "none", text)
                self._reopened()

    def _reopened(self):
        if self.kept.pop("failed", None):
            self.save()
        self.known["quiet"] = 0

    async def _fail(self, action, mark, reason):
        """Report a failure, and remember not to try that archive again."""
        self.service.log("Fleet: %s" % reason)
        self.fleet.state, self.fleet.error = "refused", reason
        self.kept["refused"] = ([mark] + self.kept.get("refused", []))[:4]
        self.kept["failed"] = [action, reason[:160]]
        self.kept.pop("job", None)
        self.save()
        await self.tell(action, "closed", "failure", reason)

    # --- cancel and consent --------------------------------------------------------------------

    async def _cancel(self):
        path = self._path
        answer = await self.get(path, True)
        stop = at(answer, "cancelAction", "stopId")
        job = self.kept.get("job")
        if job and last_of(job[0]) == str(stop):
            self.withdrawn()
        # `canceled` would be right, but hawkBit closes it with this one only.
        await self.tell(path.split("?")[0], "closed", "success", "Cancelled.")
        return 1

    async def _agree(self):
        # Whether it suits the application, before_install is asked, when all is here.
        value = {
            "confirmation": "confirmed",
            "code": 1,
            "details": ["The board has no objection."],
        }
        await self.send("POST", self._path.split("?")[0] + "/feedback", value)
        return 1

    # --- an offer ------------------------------------------------------------------------------

    async def _take(self):
        """See what the server offers, and whether it was seen before."""
        action = self._path.split("?")[0]
        try:
            deployment = at(await self.get(self._path, True), "deployment")
        except Refused as refused:
            await self.tell_once(action, "proceeding", refused.message)
            raise
        if not isinstance(deployment, dict):
            self.fleet.state = "idle"
            return 0  # it was taken back meanwhile
        found = _find(deployment, self.link)
        if found is None:
            if self.known.get("decided") != (action, None):
                self.known["decided"] = (action, None)
                await self._fail(action, action, "There is no .swu file in what is offered.")
            return 0
        version, href, size, mark = found
        self.fleet.offered = version
        if self.known.get("decided") == (action, mark):
            return 0
        if mark in self.kept.get("refused", ()):
            await self._leave(action, mark, "%s was refused here before." % version)
            return 0
        try:
            path = self.link.path_of(href)
        except Refused as refused:
            return await self._refused(refused, action, mark)
        return action, version, size, mark, path, deployment.get("update") == "skip"

    async def finish(self):
        """Do what follows from how an order has ended."""
        (action, _, _, mark, _, _), error = self.order
        if isinstance(error, int):
            return error
        if isinstance(error, tuple):
            finished, reason = error
            if finished != "success":
                await self._leave(action, mark, reason)
                return 0
            self.known["decided"] = (action, mark)
            self.fleet.state = "idle"
            await self.tell(action, "closed", "success", reason)
            return 1
        if isinstance(error, MemoryError):
            await self.tell_once(action, "proceeding", _NO_MEMORY)
            raise error
        return await self._refused(error, action, mark)

    async def _leave(self, action, mark, reason):
        """Neither install it nor report a failure, which would block the board."""
        self.known["decided"] = (action, mark)
        self.fleet.state, self.fleet.error = "refused", None
        self.service.log("Fleet: %s" % reason)
        await self.tell_once(action, "rejected", reason)

    async def _refused(self, refused, action, mark):
        """Do what *refused* calls for; return the seconds until the next poll."""
        if refused.word == "fleet":
            job = self.kept.get("job")
            if job and refused.args[0] == "fleet/changed":
                job[4] = job[6] = None  # its head has to be read again
                self.save()
            await self.tell_once(action, "proceeding", refused.message)
            raise refused
        if refused.word in ("busy", "stale_session"):
            self.fleet.state = "waiting"  # for somebody who brings something else
            return 0
        if refused.word in ("refused_by_application", "delayed_by_application"):
            self.fleet.state = "waiting"
            await self.tell_once(action, "proceeding", refused.message)
            return refused.extra.get("retry_after", 0)
        if self.staged(transaction.load()):
            transaction.abort()
        await self._fail(action, mark, refused.message)
        return 0


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


def _find(deployment, link):
    """Return (version, link, size, mark) of the first .swu file in *deployment*, or None."""
    chunks = deployment.get("chunks")
    for chunk in chunks if isinstance(chunks, list) else ():
        artifacts = at(chunk, "artifacts")
        for artifact in artifacts if isinstance(artifacts, list) else ():
            name = at(artifact, "filename")
            if not isinstance(name, str) or not name.endswith(".swu"):
                continue
            size = at(artifact, "size")
            # hawkBit gives one for https and one for http: that which leads to this server.
            href = None
            for kind in ("download", "download-http"):
                try:
                    other = at(artifact, "_links", kind, "href")
                    href = href or other
                    link.path_of(other)
                    href = other
                    break
                except Refused:
                    pass
            hashes = at(artifact, "hashes")
            digest = at(hashes, "sha1") or at(hashes, "sha256") or at(hashes, "md5")
            size = size if isinstance(size, int) and size > 0 else 0
            version = records.plain(str(at(chunk, "version")))[:40]
            return version, href, size, "%s %d" % (records.plain(str(digest))[:16], size)
    return None
