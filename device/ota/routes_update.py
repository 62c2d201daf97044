"""`/api/v1/update…`: updates of several files as one, and what becomes of them."""

import asyncio
import json
from micropython import const

from microdot import Response

from ota import health, let_go, paths, states, transaction
from ota.errors import Refused
from ota.ranges import content_range

_FEED = const(512)  # bytes of a manifest between two turns of the other tasks
_LEASE_S = const(120)  # an update that nobody has touched for this long may be pushed aside


def handlers(service, web):
    """Return the handlers of this module; see ota.web."""
    return Updates(service, web)


class Updates:
    """The handlers; writers take turns at the web's one buffer."""

    def __init__(self, service, web):
        self._service = service
        self._web = web
        self._device = web.device

    async def begin(self, request):
        """Take a manifest and say which files are needed; the same manifest again resumes."""
        body = request.g.body
        if body.length is None:
            raise Refused(411, "length_required", "Send the manifest with its Content-Length.")
        async with self._web.uploads.turn("/.ota/plan", body.length):
            draft = transaction.begin(trial=self._service.trial_deadline_s)
            try:
                await self._read_manifest(body, draft)
                session = draft.seal()
            except Refused as refused:
                raise self._make_way(refused)
            finally:
                draft.drop()
                let_go("begin", "draft", "manifest_reader")  # until the next manifest
        self._device.renew_lease(_LEASE_S)
        self._service.log("Update to %s begins." % draft.version)
        return Response(_begun(session), 201, {"Content-Type": "application/json"})

    def _make_way(self, refused):
        """Drop an update that nobody goes on with, if it is in the way; return what to raise."""
        staging = transaction.status()["state"] == states.STAGING
        if refused.word != "busy" or not staging or not self._device.lease_over():
            return refused
        transaction.abort()
        return Refused(
            409,
            "busy",
            "Another update was in the way, but nobody went on with it: it is dropped now."
            " Send the manifest again.",
            retry_after=1,
        )

    async def _read_manifest(self, body, draft):
        from ota.manifest_reader import Reader

        reader = Reader()
        view = memoryview(self._web.buffer)[:_FEED]
        while True:
            count = await body.readinto(view)
            if not count:
                break
            for event in reader.feed(view[:count]):
                await self._enter(draft, event)
            await asyncio.sleep_ms(0)
        reader.close()

    async def _enter(self, draft, event):
        kind = event[0]
        if kind == "version":
            draft.version = event[1]
        elif kind == "trial":
            draft.trial = self._service.trial_deadline_s if event[1] else False
        elif kind == "delete":
            draft.add_delete(event[1])
        else:
            for _ in draft.file_steps(event[1], event[2], event[3]):
                await asyncio.sleep_ms(0)

    async def show(self, request):
        """Tell what has arrived."""
        status = transaction.status()
        if status["state"] != "staging":
            raise Refused(404, "no_update", "No update is being staged. Begin one first.")
        return Response(_shown(status), 200, {"Content-Type": "application/json"})

    async def put(self, request):
        """Take a file of the update, or a piece of it."""
        self._check_session(request)
        path = paths.check("/" + paths.decode(request.g.rest))
        offset, total = content_range(request)
        async with self._web.uploads.turn(path, request.g.body.length) as turn:
            writer = None
            for writer in transaction.open_steps(path, offset):
                await asyncio.sleep_ms(0)
            try:
                _check_total(writer, offset, total, request.g.body.length)
                await request.g.body.pump(turn.counting(writer.write), self._web.buffer)
                complete = writer.close()
            except BaseException:
                writer.abandon()
                raise
        self._device.renew_lease(_LEASE_S)
        return {"received": writer.received, "size": writer.size}, 201 if complete else 202

    async def commit(self, request):
        """Decide that the staged set goes live at the next start, and restart."""
        self._check_session(request)
        restart = (await request.g.body.json()).get("restart", True)
        status = transaction.status()
        states.after(status["state"], "commit")
        await self.ask_application(status["next"])
        async with self._web.uploads.turn("/.ota/plan", 0):
            return await self.go_live(restart), 202

    async def go_live(self, restart):
        """Commit what is staged, restart if *restart*, and return what the answer says."""
        version = transaction.status()["next"]
        for _ in transaction.commit_steps():
            await asyncio.sleep_ms(0)
        self._service.log("Version %s goes live at the restart." % version)
        answer = self._device.restart() if restart else {"boot_id": self._service.boot_id}
        answer["state"] = "committed"
        return answer

    async def ask_application(self, version):
        """Raise Refused when the application does not want *version*, or not now."""
        ask = self._service.before_install
        if ask is None:
            return
        try:
            verdict = ask(version)
            if hasattr(verdict, "send"):
                verdict = await verdict
            if verdict is None or verdict is True:
                return
            if verdict is not False and not isinstance(verdict, str):
                verdict = max(1, int(verdict))
        except MemoryError:
            raise
        except Exception as error:
            verdict = "before_install raised %r; rescue mode does not ask it" % error
        if verdict is False or isinstance(verdict, str):
            reason = verdict or "it gave no reason"
            raise Refused(409, "refused_by_application", "The application refused: %s." % reason)
        raise Refused(
            503,
            "delayed_by_application",
            "The application is busy. Commit again in %d s." % verdict,
            retry_after=verdict,
        )

    async def abort(self, request):
        """Drop what is staged."""
        self._check_session(request)
        async with self._web.uploads.turn("/.ota/plan", 0):
            transaction.abort()
        self._service.log("The update was dropped.")
        return Response(b"", 204)

    async def confirm(self, request):
        """Keep the set on trial."""
        health.confirm(self._service)
        status = transaction.status()
        return {"state": status["state"], "version": status["version"]}

    async def rollback(self, request):
        """Bring the kept set back at once."""
        transaction.rollback()
        self._service.log("Rolling back.")
        answer = self._device.restart()
        answer["state"] = "reverting"
        return answer, 202

    def _check_session(self, request):
        claimed = request.headers.get("x-ota-session")
        if claimed is not None and claimed != transaction.status()["id"]:
            raise Refused(
                409, "stale_session", "That update is not the one being staged. Begin again."
            )


def _check_total(writer, offset, total, length):
    if total is None:
        total = offset + length
    if total != writer.size:
        raise Refused(
            400,
            "wrong_size",
            "%s was announced with %d bytes, got %d." % (writer.path, writer.size, total),
        )


def _begun(session):
    yield b'{"id":"%s","state":"staging","need":[' % session.encode()
    comma, left = b"", 0
    for path, size, received in transaction.needed():
        yield comma + json.dumps(path).encode()
        comma = b","
        left += size - received
    yield b'],"bytes":%d}' % left


def _shown(status):
    head = {"id": status["id"], "version": status["next"], "state": status["state"]}
    yield json.dumps(head)[:-1].encode() + b', "files":['
    comma = b""
    for path, size, received, needed in transaction.files():
        row = {"path": path, "size": size, "received": received, "needed": needed}
        yield comma + json.dumps(row).encode()
        comma = b","
    yield b"]}"
