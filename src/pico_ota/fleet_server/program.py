"""The embedded update server: gooseBit with all that it needs, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..errors import PicoOtaError, UsageError
from .folder import Admin, Folder

VERSION = "0.2.12"
_MISSING = "The update server is not installed: pip install '.[fleet]' in pico-ota's folder"


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for.

    Attributes:
        folder: where everything is kept.
        host: the address to listen at.
        port: its TCP port; 0 takes a free one.
        poll_s: how often boards are told to ask, in seconds.
        database: ``postgres://…``; None keeps SQLite in the folder.
        s3: ``s3://BUCKET?endpoint=URL&region=NAME``; None keeps releases in the folder.
        verbose: log each request.
    """

    folder: Path
    host: str
    port: int
    poll_s: float
    database: str | None = None
    s3: str | None = None
    verbose: bool = False


def run(wanted: Wanted, listening: Callable[[str, Admin], None]) -> None:
    """Serve until SIGINT or SIGTERM; *listening* is told the address once it answers.

    Raises:
        UsageError: the port is taken, the folder cannot be used, an option makes no sense.
        PicoOtaError: gooseBit is not installed, or its database cannot be used.
    """
    listener = _bound(wanted.host, wanted.port)
    with listener:
        url = _url(wanted.host, listener.getsockname()[1])
        folder = Folder(wanted.folder)
        admin = folder.admin(url)
        os.environ.update(_environment(wanted, folder))
        # gooseBit looks for a goosebit.yaml where it is started: the owner may put one here.
        os.chdir(folder.path)
        os.umask(0o077)  # tokens are in the database
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(folder, admin, listener, lambda: listening(url, admin)))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the fastest event loop there is; None for Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"--host {host}: {error.strerror or error}.") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen at {host}, port {port}: {error.strerror}. Another server may run "
            "there; --port gives another one, --port 0 a free one."
        ) from None
    return listener


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def _environment(wanted: Wanted, folder: Folder) -> dict[str, str]:
    """What gooseBit reads its settings from, as it is imported."""
    settings = {
        "GOOSEBIT_DEVICE_AUTH__ENABLE": "true",
        "GOOSEBIT_DEVICE_AUTH__MODE": "strict",
        "GOOSEBIT_POLL_TIME": clock(wanted.poll_s),
        "GOOSEBIT_SECRET_KEY": folder.session_key(),
        "GOOSEBIT_ARTIFACTS_DIR": str(folder.path / "artifacts"),
        # Relative, since a path with odd letters does not survive in an address.
        "GOOSEBIT_DB_URI": wanted.database or "sqlite://db.sqlite3",
        # A silent board stays "running" for ever; the stages are what limits an update.
        "GOOSEBIT_MAX_CONCURRENT_UPDATES": "1000000",
        "GOOSEBIT_LOGGING": json.dumps(_logging(wanted.verbose)),
    }
    if wanted.s3:
        settings |= _s3(wanted.s3)
    return settings


def _logging(verbose: bool) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(asctime)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"level": "INFO" if verbose else "WARNING", "handlers": ["stderr"]},
    }


def clock(seconds: float) -> str:
    """*seconds* as ``HH:MM:SS``: how DDI says an interval."""
    whole = max(1, min(round(seconds), 86399))
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def _s3(address: str) -> dict[str, str]:
    parts = urlsplit(address)
    asked = parse_qs(parts.query)
    if parts.scheme != "s3" or not parts.netloc or parts.path.strip("/") or parts.password:
        raise UsageError(
            f"--s3 {address}: expected s3://BUCKET, or s3://BUCKET?endpoint=URL&region=NAME. The "
            "keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if unknown := asked.keys() - {"endpoint", "region"}:
        raise UsageError(f"--s3 {address}: it knows endpoint and region, not {min(unknown)}.")
    settings = {"GOOSEBIT_STORAGE__BACKEND": "s3", "GOOSEBIT_STORAGE__S3__BUCKET": parts.netloc}
    if "endpoint" in asked:
        settings["GOOSEBIT_STORAGE__S3__ENDPOINT_URL"] = asked["endpoint"][0]
    if "region" in asked:
        settings["GOOSEBIT_STORAGE__S3__REGION"] = asked["region"][0]
    return settings


async def _serve(
    folder: Folder, admin: Admin, listener: socket.socket, listening: Callable[[], None]
) -> None:
    try:
        import goosebit
        import uvicorn
    except ImportError:
        raise PicoOtaError(f"{_MISSING}.") from None
    from . import ddi
    from .console import console

    _close_setup(goosebit.app)
    goosebit.app.mount("/fleet", console(folder.path))
    await _prepare(admin)
    await asyncio.to_thread(_check_storage)
    visits = ddi.Visits()
    config = uvicorn.Config(
        ddi.parted(goosebit.app, ddi.application(visits, folder.path / "copies")),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
        # Boards poll; a connection that idles between two polls serves nobody.
        timeout_keep_alive=15,
    )

    class Server(uvicorn.Server):  # type: ignore[misc]
        """Says when it listens, and leaves the signals to us."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                listening()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server = Server(config)
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.force_exit = server.should_exit  # asked for twice
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    writing = asyncio.create_task(visits.keep())
    await server.serve(sockets=[listener])
    writing.cancel()
    if not server.started:
        raise PicoOtaError("the server did not start; its lines above say why.")


def _close_setup(app: Any) -> None:
    """Take away gooseBit's /setup: whoever posts to it becomes an administrator, at any time."""
    app.router.routes[:] = [
        route for route in app.router.routes if getattr(route, "path", None) != "/setup"
    ]


# gooseBit asks for a kind of hardware and makes it when it is missing. Two boards that register at
# the same time make it twice, and from then on every registration and upload ends in a 500. With
# this index the second one finds what the first has made.
_INDEX = "CREATE UNIQUE INDEX IF NOT EXISTS pico_ota_hardware ON hardware (model, revision);"
_SAME = (
    "SELECT MIN(one.id) FROM hardware one JOIN hardware other "
    "ON one.model = other.model AND one.revision = other.revision WHERE other.id = {}"
)
# For a database that has been used without it.
_MERGE = f"""
UPDATE device SET hardware_id = ({_SAME.format("device.hardware_id")});
INSERT INTO software_compatibility (software_id, hardware_id)
    SELECT DISTINCT c.software_id, ({_SAME.format("c.hardware_id")})
    FROM software_compatibility c WHERE NOT EXISTS (
        SELECT 1 FROM software_compatibility d WHERE d.software_id = c.software_id
        AND d.hardware_id = ({_SAME.format("c.hardware_id")}));
DELETE FROM hardware WHERE id <> ({_SAME.format("hardware.id")});
"""


def _check_storage() -> None:
    """See that releases can be kept in S3, where that was asked for."""
    from goosebit.storage import storage

    client = getattr(storage.backend, "s3_client", None)
    if client is not None:
        bucket = storage.backend.bucket
        try:
            client.head_bucket(Bucket=bucket)
        except Exception as error:
            raise PicoOtaError(f"--s3: the bucket {bucket} cannot be used: {error}") from None


async def _merge_hardware() -> None:
    from tortoise import Tortoise
    from tortoise.exceptions import IntegrityError, OperationalError

    database = Tortoise.get_connection("default")
    try:
        await database.execute_script(_INDEX)
    except (IntegrityError, OperationalError):
        await database.execute_script(_MERGE + _INDEX)


async def _prepare(admin: Admin) -> None:
    """Bring the database to this version, and make ``admin.json`` true of it."""
    import goosebit
    from aerich import Command
    from goosebit.db.config import TORTOISE_CONF
    from goosebit.db.models import User
    from goosebit.settings import PWD_CXT
    from tortoise import Tortoise

    migrations = Path(goosebit.__file__).parent / "db" / "migrations"
    logging.getLogger("aerich").setLevel(logging.WARNING)
    try:
        async with Command(TORTOISE_CONF, app="models", location=str(migrations)) as command:
            await command.upgrade(run_in_transaction=True)
        await Tortoise.init(config=TORTOISE_CONF)
        user = await User.get_or_none(username=admin.name)
        hashed = PWD_CXT.hash(admin.password)
        if user is None:
            await User.create(username=admin.name, hashed_pwd=hashed, permissions=["*"])
        else:
            user.hashed_pwd = hashed
            user.enabled = True
            await user.save(update_fields=["hashed_pwd", "enabled"])
        await _merge_hardware()
    except Exception as error:
        raise PicoOtaError(
            f"the database cannot be used: {error or type(error).__name__}"
        ) from None
    finally:
        await Tortoise.close_connections()
