"""What our server has beside gooseBit, below ``/fleet``: the page, and the roll-outs it keeps."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import folder
from .api import Board
from .goosebit import board_of

_WEB = Path(__file__).with_name("web")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LARGEST = 16 * 1024 * 1024
_KEPT = 100  # roll-outs; of those that ended, the oldest go first
_COOKIE = "session_id"  # gooseBit's own name: one log-in for both pages
_SAFE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FILES = {
    "": ("index.html", "text/html"),
    "console.js": ("console.js", "text/javascript"),
    "console.css": ("console.css", "text/css"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}

_COLUMNS = (
    *("id", "sw_version", "last_state", "last_seen", "last_ip", "last_ipv6", "feed"),
    *("force_update", "hardware__model", "hardware__revision"),
)


class Ledger:
    """The roll-outs in the server's folder, a file for each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()

    def all(self, name: str | None = None) -> list[Any]:
        """What is kept, or of it *name*; a file that cannot be read is told of, and stays."""
        found = []
        for file in sorted(self._path.glob(f"{name or '*'}.json")):
            try:
                found.append(json.loads(file.read_bytes()))
            except ValueError:
                found.append({"id": file.stem, "damaged": True})
        return found

    async def put(self, name: str, document: Any) -> bool:
        """Keep *document*; False when it is not made of what is kept."""
        async with self._lock:
            path = self._path / f"{name}.json"
            before = json.loads(path.read_bytes())["revision"] if path.exists() else 0
            if document["revision"] != before + 1:
                return False
            folder.write(path, document)
            self._prune()
            return True

    def _prune(self) -> None:
        ended = [one for one in self.all() if one.get("state") in ("finished", "aborted")]
        ended.sort(key=lambda one: one["created"])
        for one in ended[: max(0, len(ended) - _KEPT)]:
            (self._path / f"{one['id']}.json").unlink(missing_ok=True)


def console(path: Path) -> Any:
    """The ASGI application for the server whose folder is *path*."""
    from goosebit.auth import check_permissions, get_user_from_request, login_user
    from goosebit.db.models import Device
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    ledger = Ledger(path / "rollouts")

    async def allowed(request: Request, permission: str) -> None:
        user = await get_user_from_request(request)
        if user is None or not user.enabled:
            raise HTTPException(401, "Log in first.")
        if not check_permissions([f"goosebit.{permission}"], user.permissions):
            raise HTTPException(403, f"This user may not do that: {permission} is missing.")

    def file_named(name: str) -> Any:
        file, kind = _FILES[name]

        async def send(request: Request) -> Response:
            return Response((_WEB / file).read_bytes(), media_type=kind, headers=_SAFE)

        return send

    async def login(request: Request) -> Response:
        document = await _document(request)
        token = await login_user(str(document.get("name")), str(document.get("password")))
        answer = JSONResponse({"ok": True}, headers=_SAFE)
        secure = request.url.scheme == "https"
        answer.set_cookie(_COOKIE, token, httponly=True, samesite="strict", secure=secure)
        return answer

    async def logout(request: Request) -> Response:
        answer = JSONResponse({"ok": True}, headers=_SAFE)
        answer.delete_cookie(_COOKIE)
        return answer

    async def rollouts(request: Request) -> Response:
        await allowed(request, "rollout.read")
        name = request.query_params.get("id")
        possible = name is None or _NAME.fullmatch(name)
        return JSONResponse(ledger.all(name) if possible else [], headers=_SAFE)

    async def put(request: Request) -> Response:
        await allowed(request, "rollout.write")
        name, document = request.path_params["name"], await _document(request)
        if not _NAME.fullmatch(name) or document.get("id") != name:
            raise HTTPException(422, "The name of a roll-out is its id.")
        if not isinstance(document.get("revision"), int):
            raise HTTPException(422, "A roll-out has a revision.")
        fine = await ledger.put(name, document)
        return JSONResponse({"ok": fine}, status_code=200 if fine else 412, headers=_SAFE)

    async def overview(request: Request) -> Response:
        await allowed(request, "device.read")
        return JSONResponse({"boards": await known(), "rollouts": ledger.all()}, headers=_SAFE)

    async def boards(request: Request) -> Response:
        await allowed(request, "device.read")
        return JSONResponse(await known(), headers=_SAFE)

    async def known() -> list[dict[str, Any]]:
        now = time.time()
        rows = await Device.all().order_by("id").values(*_COLUMNS)
        return [asdict(_board(row, now)) for row in rows]

    async def _document(request: Request) -> dict[str, Any]:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise HTTPException(415, "Expected application/json.")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST:
                raise HTTPException(413, f"At most {_LARGEST} bytes are taken.")
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise HTTPException(422, "Expected one object in JSON.")
        return document

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        words = {"detail": error.detail}
        return JSONResponse(words, status_code=error.status_code, headers=_SAFE)

    routes = [
        Route("/login", login, methods=["POST"]),
        Route("/logout", logout, methods=["POST"]),
        Route("/rollouts", rollouts),
        Route("/rollouts/{name}", put, methods=["PUT"]),
        Route("/overview", overview),
        Route("/boards", boards),
        *(Route(f"/{name}", file_named(name)) for name in _FILES),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: refused})


def _board(row: dict[str, Any], now: float) -> Board:
    """A board of gooseBit's table; the listing of its own interface asks four times for each."""
    seen = row["last_seen"]
    hardware = {"model": row["hardware__model"], "revision": row["hardware__revision"]}
    silent_s = None if seen is None else round(now - seen)
    return board_of({**row, "hardware": hardware, "last_seen": silent_s})
