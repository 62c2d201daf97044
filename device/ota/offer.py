"""What an update server offers: whether it is wanted here, and the archive, of which only what the
board lacks is read.

Where each file stands follows from the description, so one that is here already is not asked for;
several that stand one behind the other are asked for at once.
"""

import asyncio
from micropython import const

import ota
from ota import record as records
from ota import transaction
from ota.errors import Refused
from ota.record import NAMED_FROM, PLAN, lines, plain
from ota.web import at, fail

_WINDOW = const(65536)  # most that is asked for at once
_HEAD_WINDOW = const(4096)  # and while it is not known yet how much is needed
_TRIES = const(5)  # in a row without a byte
_RUN = const(8)  # files that are asked for at once
_GAP = const(256)  # bytes that are rather read away than asked around
_TOLD = const(25)  # percent between two reports


def find(deployment, link):
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
            version = plain(str(at(chunk, "version")))[:40]
            return version, href, size, "%s %d" % (plain(str(digest))[:16], size)
    return None


class Unwanted(Exception):
    """What is offered is not to be installed, for *reason*.

    *finished* is "success" for what runs already, "none" for what must be neither installed nor
    reported as a failure, since a server may offer nothing more to a board that has failed.
    """

    def __init__(self, finished, reason):
        super().__init__(reason)
        self.finished = finished
        self.reason = reason


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
                await self._reach()
                count = await self._link.readinto(view[: self._until - self.position])
                if not count:
                    raise Refused(502, "fleet/short", self.size, self.position)
                self._here += count
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

    async def _reach(self):
        """Have an answer of which the next byte is the one at `position`."""
        if not self._here <= self.position < self._until:
            await self._request()
        if self._here < self.position:
            scrap = memoryview(bytearray(512))
            while self._here < self.position:
                count = await self._link.readinto(scrap[: self.position - self._here])
                if not count:
                    raise Refused(502, "fleet/short", self.size, self._here)
                self._here += count

    async def _request(self):
        link, first = self._link, self.position
        last = min(first + _WINDOW, self.end or first + _HEAD_WINDOW, self.size) - 1
        headers = "Range: bytes=%d-%d\r\n" % (first, last)
        if self.etag and self.etag[:2] != "W/":
            headers += "If-Range: %s\r\n" % self.etag
        status = await link.ask("GET", self._path, None, headers)
        if status not in (200, 206):
            self._until = 0
            fail(link, self._path)
        if self.etag and link.etag and link.etag != self.etag:
            link.close()
            raise Refused(502, "fleet/changed")
        self.etag = self.etag or link.etag
        if status == 206:
            wanted = "bytes %d-%d/%d" % (first, last, self.size)
            if link.range != wanted or link.length not in (None, last + 1 - first):
                link.close()
                raise Refused(502, "fleet/range", wanted, link.range)
            self._here, self._until = first, last + 1
        else:
            if link.length not in (None, self.size):
                link.close()
                raise Refused(502, "fleet/size", self.size, link.length)
            self._here, self._until = 0, self.size
        link.allow(self._until - self._here)

    # --- its files -----------------------------------------------------------------------------

    async def fetch(self, device, at, session, tell):
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
                left -= await self._fetch_run(device, run, end, session)
                run = []
                percent = 100 - left * 100 // max(total, 1)
                if percent >= told + _TOLD and self.position >= self._until:
                    told = percent
                    await tell(percent)
            run.append((listed, begin))
            end = begin + size
        if run:
            await self._fetch_run(device, run, end, session)

    async def _fetch_run(self, device, run, end, session):
        """Stage the files of *run*, which end at byte *end* of the archive; return their size."""
        total = 0
        self.end = end
        for listed, begin in run:
            size = int(listed[2])
            async with device.write_lock(listed[5], size) as writing:
                check_ours(session)
                writer = _staging().Writer(listed)
                here = max(_staging().received(listed[1]), 0)
                try:
                    await writer.begin(here, device.buffer)
                    self.position = begin + here
                    total += size - here
                    await self._pump(size - here, writing.counting(writer.write), device.buffer)
                finally:
                    writer.leave()
                writer.finish()
            device.renew_lease()
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
    return ota.use("staging")


def _entry_name(listed):
    return ota.load("paths").entry_name(NAMED_FROM - int(listed[1][:4]), listed[5])
