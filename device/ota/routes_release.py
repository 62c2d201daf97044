"""`/api/v1/update/release`: a whole release, a signed archive, in one request or in pieces."""

import asyncio

from ota import release
from ota.errors import Refused
from ota.ranges import content_range


def handlers(service, web):
    """Return the handlers of this module; see ota.web."""
    return Releases(service, web)


class Releases:
    """The handlers; writers take turns at the web's one buffer."""

    def __init__(self, service, web):
        self._service = service
        self._web = web

    async def show(self, request):
        """Tell of a release that is half here."""
        from ota.release_resume import pending

        found = pending()
        if found is None:
            raise Refused(404, "no_release", "No release is half received. Send it from byte 0.")
        return found

    async def put(self, request):
        """Take in an archive, or a piece of it; after the last one, install it and restart."""
        offset, total = content_range(request)
        length = request.g.body.length
        async with self._web.uploads.turn("release", length) as turn:
            reader = self._reader()
            if offset:
                reader.resume(offset)
            await self._receive(request.g.body, reader, turn)
            if total is not None and offset + length < total:
                reader.pause()
                return {"state": "staging", "received": reader.received}, 202
            return await self._install(request, reader)

    def _reader(self):
        service = self._service
        return release.Reader(
            service.public_key,
            required=service.require_signed,
            min_version=service.min_version,
            trial_s=service.trial_deadline_s,
            force=self._web.device.lease_over(),
        )

    async def _receive(self, body, reader, turn):
        view = memoryview(self._web.buffer)
        feed = turn.counting(lambda data: None)
        try:
            while True:
                count = await body.readinto(view)
                if not count:
                    return
                data = view[:count]
                while data:
                    data = data[reader.feed(data) :]
                    await asyncio.sleep_ms(0)
                feed(view[:count])
        except BaseException:
            # Also when the client stalls, which is Refused, too. Nothing to pause after a feed()
            # that refused: the reader has let everything go by then.
            reader.pause()
            raise

    async def _install(self, request, reader):
        while reader.busy:
            reader.feed(memoryview(b""))
            await asyncio.sleep_ms(0)
        reader.finish()
        updates = self._web.group("routes_update")
        try:
            await updates.ask_application(reader.version)
            answer = await updates.go_live(request.args.get("restart") != "no")
        finally:
            # When that failed: complete and checked, POST /api/v1/update/commit installs it later.
            reader.close()
        answer["version"] = reader.version
        answer["signer"] = reader.signer
        return answer, 202
