"""What an update server offers: whether it is wanted here, and how it is brought.

An archive that is offered goes the way of all others: its signature first, then plan, files and
commit. Where each file stands in it follows from the description, so one that is here already is
not asked for, and several that stand one behind the other are asked for at once.
"""

import asyncio
from micropython import const

import ota
from ota import changes, transaction
from ota import record as records
from ota.errors import Refused
from ota.feedback import Step, Unwanted
from ota.record import NAMED_FROM, PLAN, lines
from ota.web import at, fail

_WINDOW = const(65536)  # most that is asked for at once
_HEAD_WINDOW = const(4096)  # and while it is not known yet how much is needed
_TRIES = const(5)  # in a row without a byte
_RUN = const(8)  # files that are asked for at once
_GAP = const(256)  # bytes that are rather read away than asked around
_MAX_ARCHIVE = const(33554432)
_TOLD = const(25)  # percent between two reports


async def step(service, fleet, order):
    """Bring what *order* says: (action, version, size, mark, path, whether it is only downloaded).

    Returns ("ddi", (order, seconds until the next poll, or what has stopped it)).
    """
    doing = _Bringing(service, fleet)
    doing.order = order
    next = doing.prepare
    try:
        # One after the other, and not one inside of the other: see ota/ddi.py.
        while callable(next):
            next = await next()
    except Unwanted as unwanted:
        # As a tuple: its class is unloaded, and another one of that name comes in its place.
        next = unwanted.finished, unwanted.reason
    except (Refused, MemoryError) as error:
        next = error
    finally:
        doing.link.close()
    return "ddi", (order, next)


class _Bringing(Step):
    """What an order goes through; each returns the next one, or seconds until the next poll."""

    order = None

    async def prepare(self):
        """Go on with what was begun before, or begin."""
        action, version, size, mark, path, _ = self.order
        record = transaction.load()
        job = self.staged(record)
        if record["state"] == "staging" and not job and not changes.lease_over(self.service):
            raise Refused(409, "busy/other", record["next"])
        if not size or size > _MAX_ARCHIVE:
            raise Refused(413, "too_large/entry", "the archive", size, _MAX_ARCHIVE)
        changes.buffer(self.service)  # before modules leave no piece of its size
        self._source = Download(self.link, path, size, None)
        self.fleet.state = "downloading"
        if job and job[4] == mark:
            self._source.etag = job[6]
            if job[0] != action:  # the same release, offered anew
                job[0] = action
                self.save()
            return self._download
        wanted = verdict(version, self.kept.get("release")) is None
        if wanted and not await self._accept(action, version):
            return self.withdrawn()
        return self._begin

    async def _begin(self):
        """Read the head of the archive and make the plan."""
        action, version, size, mark, _, _ = self.order
        source, last = self._source, transaction.load()["last"]
        archive = _archive(source, changes.buffer(self.service))
        async with changes.WriteLock(self.service, "fleet", size):
            session, version, entry = await _take_head(self.service, archive, self._judge)
        begins = archive.position - (span(entry[0]) if entry else 0)
        job = [action, session, last[0] if last else 0, version, mark, begins, source.etag]
        self.kept["job"] = job
        self.save()
        if not await self._accept(action, version):
            return self.withdrawn()
        return self._download

    def _judge(self, session, version):
        """Raise Unwanted for what is not to be installed; what was offered before gives way."""
        staged = self.staged(transaction.load())
        if staged and session != staged[1]:
            transaction.abort()
        found = verdict(version, self.kept.get("release"))
        if found:
            raise found

    async def _download(self):
        """Stage the files that are lacking."""
        job = self.kept["job"]
        self.fleet.offered = job[3]
        await self._source.fetch(self.service, job[5], job[1], self._progress(job[0]))
        changes.renew_lease(self.service)
        if not await self.tell_once(job[0], "downloaded", "%s is here." % job[3]):
            return self.withdrawn()
        if self.order[5]:
            self.fleet.state = "waiting"  # for a time at which the server lets it be installed
            return 0
        if not await self._still_offered(job[0]):
            return 1
        return self._commit

    async def _commit(self):
        job = self.kept["job"]
        self.fleet.state = "installing"
        async with changes.WriteLock(self.service, PLAN, 0):
            check_ours(job[1])
            await _phase("commit", "go_live", self.service, False)
        await self.tell_once(job[0], "proceeding", "%s is being installed." % job[3])
        changes.restart(self.service)
        return 0

    def _accept(self, action, version):
        return self.tell_once(action, "proceeding", "%s is accepted." % version)

    def _progress(self, action):
        """Return a function that reports how many percent have been downloaded."""
        return lambda percent: self.tell(action, "download", "none", "Downloaded %d%%" % percent)

    async def _still_offered(self, action):
        """Return whether the server still wants it: it may have been taken back meanwhile."""
        answer = await self.get(self.base)
        href = at(answer, "_links", "deploymentBase", "href")
        return bool(href) and self.link.path_of(href).split("?")[0] == action


# In frames of their own, since a frame keeps alive what was last on its stack.


def _phase(module, function, *args):
    return getattr(ota.use(module, True), function)(*args)


def _archive(source, buffer):
    return ota.load("updates").Archive(source, buffer)


def _take_head(service, archive, judge):
    return ota.load("updates").take_head(service, archive, judge)


def verdict(version, release):
    """Return None when *version* is to be installed, else Unwanted.

    *release* is the version that was installed last from a server, or None.
    """
    record = transaction.load()
    running = record["version"]
    if version == running:
        return Unwanted("success", "%s is what runs." % version)
    past = ([record["last"]] if record["last"] else []) + records.history()
    for entry in past:
        if entry[1] == version:
            if entry[2] == "reverted":
                why = "%s was undone here before: %s" % (version, entry[3])
                return Unwanted("none", why)
            break
    conditions = ota.load("conditions")
    if conditions.is_below(version, running):
        why = "%s is older than %s, which runs." % (version, running)
        return Unwanted("none", why)
    if running and not conditions.parse(running):
        # Somebody works on this board: that is not undone by what was there before.
        for other in [release] + [entry[1] for entry in past]:
            if other and (other == version or conditions.is_below(version, other)):
                why = "%s runs, brought by hand; only what is newer than %s replaces it."
                return Unwanted("none", why % (running, other))


class Download:
    """The archive of *size* bytes at *path*, read from any place of it.

    It goes on by itself where a connection was lost. *etag* is that of the archive, if it is known
    from before. Where the server has no ranges, what is not wanted is read and thrown away.
    """

    def __init__(self, link, path, size, etag):
        self._link = link
        self._path = path
        self.size = size
        self.etag = etag
        self.position = 0
        #: Where what is wanted ends, as far as it is known.
        self.end = None
        self._here = 0  # of the answer
        self._until = 0  # the end of the answer

    async def readinto(self, view):
        """Read into *view* from `position` on; return how many, 0 at the end. Raises Refused."""
        tries = 0
        while self.position < self.size:
            try:
                if not self._here <= self.position < self._until:
                    # Not in a frame of its own: opening a connection takes much of the C stack.
                    first, last, headers = self._wanted()
                    status = await self._link.ask("GET", self._path, None, headers)
                    self._begin(status, first, last)
                before = self.position - self._here
                if before:  # what stands in between is not wanted
                    if before > len(view):
                        before = len(view)
                    count = await self._link.readinto(view[:before])
                else:
                    count = await self._link.readinto(view[: self._until - self.position])
                if not count:
                    raise Refused(0, "fleet/short", self.size, self.position)
                self._here += count
                if before:
                    continue
                self.position += count
                return count
            except Refused as refused:
                self._until = 0
                self._link.close()
                tries += 1
                if refused.args[0] not in ("fleet/lost", "fleet/slow") or tries >= _TRIES:
                    raise
            await asyncio.sleep_ms(250 << tries)
        return 0

    def _wanted(self):
        """Return the first and last byte to ask for, and the headers that do so."""
        first = self.position
        last = min(first + _WINDOW, self.end or first + _HEAD_WINDOW, self.size) - 1
        headers = "Range: bytes=%d-%d\r\n" % (first, last)
        if self.etag and self.etag[:2] != "W/":
            headers += "If-Range: %s\r\n" % self.etag
        return first, last, headers

    def _begin(self, status, first, last):
        """Take note of what is answered. Raises Refused."""
        link = self._link
        if status not in (200, 206):
            self._until = 0
            fail(link, self._path)
        if self.etag and link.etag and link.etag != self.etag:
            link.close()
            raise Refused(0, "fleet/changed")
        self.etag = self.etag or link.etag
        if status == 206:
            wanted = "bytes %d-%d/%d" % (first, last, self.size)
            if link.range != wanted or link.length not in (None, last + 1 - first):
                link.close()
                raise Refused(0, "fleet/range", wanted, link.range)
            self._here, self._until = first, last + 1
        else:
            if link.length not in (None, self.size):
                link.close()
                raise Refused(0, "fleet/size", self.size, link.length)
            self._here, self._until = 0, self.size
        link.allow(self._until - self._here)

    # --- its files -----------------------------------------------------------------------------

    async def fetch(self, service, at, session, tell):
        """Stage what the board lacks of the update *session*, whose files begin at byte *at*.

        *tell*, an async function, hears of the percentage. Raises Refused.
        """
        total = 0
        for _, size, here, _ in _staging().files():
            total += size - here
        left, told = total, 0
        run, end = [], 0
        for listed in lines(PLAN):
            if listed[0] not in _staging().FILES:
                continue
            size = int(listed[2])
            begin = at + span(_entry_name(listed))
            at = begin + size + -size % 4
            if listed[0] == "=" or _staging().received(listed[1]) == size:
                continue
            if run and (begin - end > _GAP or len(run) == _RUN):
                left -= await self._fetch_run(service, run, end, session)
                run = []
                percent = 100 - left * 100 // max(total, 1)
                if percent >= told + _TOLD and self.position >= self._until:
                    told = percent
                    await tell(percent)
            run.append((listed, begin))
            end = begin + size
        if run:
            await self._fetch_run(service, run, end, session)

    async def _fetch_run(self, service, run, end, session):
        """Stage the files of *run*, which end at byte *end* of the archive; return their size."""
        total = 0
        self.end = end
        for listed, begin in run:
            size = int(listed[2])
            async with changes.WriteLock(service, listed[5], size) as writing:
                check_ours(session)
                writer = _staging().Writer(listed)
                here = max(_staging().received(listed[1]), 0)
                try:
                    await writer.begin(here, changes.buffer(service))
                    self.position = begin + here
                    total += size - here
                    write = writing.counting(writer.write)
                    await self._pump(size - here, write, changes.buffer(service))
                finally:
                    writer.leave()
                writer.finish()
            changes.renew_lease(service)
        return total

    async def _pump(self, left, write, buffer):
        """Hand the next *left* bytes to *write*, in full pieces of *buffer*."""
        view = memoryview(buffer)
        filled = 0
        while left:
            count = await self.readinto(view[filled : min(len(view), filled + left)])
            if not count:
                raise Refused(400, "truncated", self.position)
            filled += count
            left -= count
            if filled == len(view) or not left:
                write(view[:filled])
                filled = 0
                await asyncio.sleep_ms(0)


def check_ours(session):
    """Raise Refused(409) when somebody has dropped the update *session*, or begun another."""
    record = transaction.load()
    if record["state"] != "staging" or record["id"] != session:
        raise Refused(409, "busy/other", record["next"])


def span(name):
    """Return how many bytes the header of an entry called *name* takes in an archive."""
    size = 110 + len(name) + 1
    return size + -size % 4


def _staging():
    return ota.use("staging", True)


def _entry_name(listed):
    return ota.load("paths").entry_name(NAMED_FROM - int(listed[1][:4]), listed[5])
