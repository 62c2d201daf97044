"""What boards ask, apart from what people ask: gooseBit's routes for them, at less cost.

gooseBit leads each request through layers that its pages need, reads the board twice to check its
token, and writes down when it asked before it answers. Boards make nearly all of the requests, so
here they come to an application of their own, with the same routes. A board is read where gooseBit
keeps the boards that it knows, and when they asked is written once a second for all of them.
"""

# Without `from __future__ import annotations`: FastAPI reads the types of functions made below.

import asyncio
import hmac
import logging
import os
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_PATH = re.compile(r"/[^/]+/controller/")
_WRITE_S = 1.0
_MARKS = {"sqlite": "?, last_ip = ?, last_ipv6 = ? WHERE id = ?"}
_OTHER_MARKS = "$1, last_ip = $2, last_ipv6 = $3 WHERE id = $4"
_log = logging.getLogger("pico-ota")

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Visits:
    """When each board asked last, and from where; written to the database now and then."""

    def __init__(self) -> None:
        self._new: dict[str, tuple[int, str | None, str | None]] = {}

    def note(self, board: str, address: str | None) -> None:
        """*board* has asked now, from *address*."""
        old, new = (None, address) if ":" in (address or "") else (address, None)
        self._new[board] = (round(time.time()), old, new)

    async def write(self) -> None:
        """Write down what is new."""
        from tortoise import Tortoise

        rows = [[*visit, board] for board, visit in self._new.items()]
        self._new = {}
        if rows:
            database = Tortoise.get_connection("default")
            marks = _MARKS.get(database.capabilities.dialect, _OTHER_MARKS)
            await database.execute_many(f"UPDATE device SET last_seen = {marks}", rows)

    async def keep(self) -> None:
        """Write what is new every second, until cancelled."""
        while True:
            await asyncio.sleep(_WRITE_S)
            try:
                await self.write()
            except Exception as error:  # a database that is away for a while
                _log.warning("when boards asked could not be written down: %r", error)


def parted(whole: Application, boards: Application) -> Application:
    """An application that gives *boards* the requests of boards, and *whole* all others."""

    async def choose(scope: Any, receive: Any, send: Any) -> None:
        of_a_board = scope["type"] == "http" and _PATH.match(scope["path"])
        await (boards if of_a_board else whole)(scope, receive, send)

    return choose


def application(visits: Visits, copies: Path) -> Application:
    """The application for boards; *copies* is a folder for releases that are kept elsewhere."""
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.requests import Request
    from fastapi.responses import FileResponse
    from goosebit.db.models import Device
    from goosebit.device_manager import DeviceManager, caches, get_device
    from goosebit.settings import config
    from goosebit.settings.schema import StorageType
    from goosebit.updater import controller

    async def let_in(request: Request, dev_id: str) -> None:
        device = await caches.get("default").get(dev_id) or await Device.get_or_none(id=dev_id)
        kind, _, sent = request.headers.get("Authorization", "").partition(" ")
        token = (device and device.auth_token) or ""
        same = hmac.compare_digest(sent.encode(), token.encode())
        if not token or kind != "TargetToken" or not same:
            raise HTTPException(401, "This board is not known here, or its token is another one.")
        visits.note(dev_id, request.client.host if request.client else None)

    async def download(device: Device = Depends(get_device)) -> FileResponse:  # noqa: B008
        _, software = await DeviceManager.get_update(device)
        if software is None:
            raise HTTPException(404)
        path = await _copy(software, copies)
        return FileResponse(path, media_type="application/octet-stream")

    app = FastAPI(openapi_url=None)
    guarded = [Depends(let_in)]
    tenants = config.tenant if isinstance(config.tenant, list) else [config.tenant]
    for tenant in tenants:
        if config.storage.backend == StorageType.S3:
            # gooseBit would hand it on piece by piece, always all of it.
            path = f"/{tenant}/controller/v1/{{dev_id}}/download"
            app.get(path, dependencies=guarded)(download)
        app.include_router(controller.router, prefix=f"/{tenant}", dependencies=guarded)

    async def with_settings(scope: Any, receive: Any, send: Any) -> None:
        scope["config"] = config  # where gooseBit's routes look for it
        await app(scope, receive, send)

    return with_settings


_copying = asyncio.Lock()


async def _copy(software: Any, folder: Path) -> Path:
    """The release *software* as a file in *folder*, fetched if it is not there yet."""
    from goosebit.storage import storage

    path = folder / f"{software.hash}.swu"
    async with _copying:
        if not path.exists():
            handle, name = tempfile.mkstemp(dir=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    async for part in storage.get_file_stream(software.uri):
                        file.write(part)
                os.replace(name, path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
    return path
