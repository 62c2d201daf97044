"""Putting the updater on a board: which files, and what is left alone.

The files of the updater are written. `boot.py` is written only where there is none, or one that
holds nothing but comments, or our own; `main.py` and `settings.py` only where there are none. What
was left alone comes back as advice.
"""

from __future__ import annotations

import ast
import hashlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from .credentials import DEFAULT_USER
from .digest import secret_of
from .errors import PicoOtaError, UsageError

_GUARD = ["import ota_boot", "ota_boot.run()"]
# As the board makes one of it, see device/ota/wifi_help.py.
_HOST_NAME = re.compile("[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
BOOT, MAIN, SETTINGS = "/boot.py", "/main.py", "/settings.py"
_PUBLIC = "/public.json"

_SETTINGS_TEXT = """\
# Settings of this board, written by `pico-ota install`. `pico-ota push --delete` leaves it alone.
WIFI_SSID = {ssid}
WIFI_PASSWORD = {wifi_password}
HOSTNAME = {hostname}  # None: pico- and the end of the board's serial number
COUNTRY = {country}  # two letters, such as "DE": more Wi-Fi channels in most countries
ADDRESS = {address}  # None: from the router; or ("192.168.1.7", netmask, gateway, name server)
# True: rescue mode opens a Wi-Fi of its own where this one is gone. It needs the password itself.
RESCUE_AP = {rescue_ap}
# Of the user "admin" on http://<hostname>.local:8080: what the board keeps of the password, the
# SHA-256 of "admin:pico-ota:<password>". A password itself may stand here as well.
OTA_PASSWORD = {ota_password}
FLEET = {fleet}  # None, or {{"url": ..., "token": ...}} of an update server to ask
PUBLIC_KEY = {public_key}  # None, or the path of public.json: only signed releases are taken
"""

_MAIN_TEXT = """\
# A start for your application, written by `pico-ota install`. Change it as you like.
import asyncio

import settings
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService


async def main():
    wifi = WiFiManager(
        settings.WIFI_SSID,
        settings.WIFI_PASSWORD,
        settings.HOSTNAME,
        settings.COUNTRY,
        getattr(settings, "ADDRESS", None),
    )
    # basic=True is for tools that know no Digest, such as circup: the password travels in clear.
    ota = OTAUpdateService(
        wifi,
        auth_password=settings.OTA_PASSWORD,
        basic=False,
        rescue_ap=getattr(settings, "RESCUE_AP", False),
        fleet=getattr(settings, "FLEET", None),
        public_key=getattr(settings, "PUBLIC_KEY", None),
    )
    await ota.start()  # returns at once; Wi-Fi and updates work in the background

    # Your application. Everything it waits for has to be awaited: during time.sleep() nobody
    # answers the browser.
    while True:
        await asyncio.sleep(1)


asyncio.run(main())
"""

_GUARD_ADVICE = (
    "boot.py is yours and was left as it is. Make these its first two lines, or an update that "
    "breaks your application cannot be undone:\n    import ota_boot\n    ota_boot.run()"
)
# The updater's own folder, and what in it is code.
_FOLDER = "/ota/"
_MODULES = (".py", ".mpy", ".pack")
_START_ADVICE = (
    "Start the updater in it:\n"
    "    from service_ota import OTAUpdateService\n"
    "    await OTAUpdateService(wifi).start()"
)


@dataclass(frozen=True)
class Settings:
    """What goes into ``settings.py``."""

    ssid: str
    wifi_password: str
    ota_password: str
    hostname: str | None = None
    country: str | None = None
    address: tuple[str, str, str, str] | None = None
    rescue_ap: bool = False
    #: Address of an update server, and the board's token there.
    fleet: str | None = None
    fleet_token: str | None = None
    #: The content of a public.json.
    public_key: bytes | None = None

    def check(self) -> None:
        """See that a board takes them: a `main.py` that raises would leave it at the prompt.

        Raises:
            UsageError: what is expected, and what came.
        """
        size = len(self.ssid.encode())
        if not 0 < size <= 32:
            raise UsageError(f"a Wi-Fi name has 1 to 32 bytes, this one has {size}.")
        size = len(self.wifi_password.encode())
        if size and not 8 <= size <= 64:
            raise UsageError(
                f"a Wi-Fi password has 8 to 64 characters (none: an open network), got {size}."
            )
        if self.country is not None and not re.fullmatch("[A-Z]{2}", self.country):
            raise UsageError(f"--country takes two capital letters like DE, got {self.country!r}.")
        if len(self.ota_password) > 128:
            raise UsageError(
                f"a password for updates has at most 128 characters, got {len(self.ota_password)}."
            )
        if self.rescue_ap and not is_wifi_key(self.ota_password):
            raise UsageError(
                "--rescue-ap: as the key of a Wi-Fi the password for updates has 8 to 63 ASCII "
                f"characters, got {len(self.ota_password)}."
            )
        self._check_fleet()
        name = (self.hostname or "pico").strip().lower().replace(" ", "-").replace("_", "-")
        if self.hostname == "" or not _HOST_NAME.fullmatch(name.removesuffix(".local")):
            raise UsageError(
                f"--hostname takes 1 to 32 letters, digits and hyphens, got {self.hostname!r}."
            )

    def _check_fleet(self) -> None:
        if self.fleet_token is not None and self.fleet is None:
            raise UsageError("--fleet-token goes with --fleet URL.")
        if self.fleet is not None:
            parts = urlsplit(self.fleet)
            if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
                raise UsageError(f"--fleet takes http://SERVER:PORT, got {self.fleet!r}.")
        if self.fleet_token is not None and not re.fullmatch("[!-~]{1,200}", self.fleet_token):
            raise UsageError("--fleet-token takes 1 to 200 letters and digits without blanks.")

    def text(self) -> bytes:
        """The file."""
        fleet = None
        if self.fleet is not None:
            fleet = {"url": self.fleet}
            if self.fleet_token is not None:
                fleet["token"] = self.fleet_token
        return _SETTINGS_TEXT.format(
            ssid=repr(self.ssid),
            wifi_password=repr(self.wifi_password),
            ota_password=repr(
                self.ota_password  # the key of an access point is no digest
                if self.rescue_ap
                else "sha256:" + secret_of(DEFAULT_USER, self.ota_password)
            ),
            hostname=repr(self.hostname),
            country=repr(self.country),
            address=repr(self.address),
            rescue_ap=repr(self.rescue_ap),
            fleet=repr(fleet),
            public_key=repr(_PUBLIC if self.public_key is not None else None),
        ).encode()


def is_wifi_key(word: str) -> bool:
    """Whether *word* can be the key of an access point (WPA2)."""
    return 8 <= len(word) <= 63 and word.isascii()


def fixed_address(text: str) -> tuple[str, str, str, str]:
    """Address, netmask, gateway and name server from *text*, as the board takes them.

    *text* is `192.168.1.7`, `192.168.1.7/24`, and may go on with a comma and the gateway, and one
    more and the name server. Without them: a network of 256 addresses, whose first is the gateway,
    which is also the name server.

    Raises:
        UsageError: what is expected, and what came.
    """
    parts = [part.strip() for part in text.split(",")]
    own, slash, mask = parts[0].partition("/")
    try:
        if len(parts) > 3:
            raise ValueError
        board = ipaddress.IPv4Interface(f"{own}/{mask if slash else 24}")
        network = board.network
        gateway = ipaddress.IPv4Address(parts[1] if len(parts) > 1 else network[1])
        server = ipaddress.IPv4Address(parts[2]) if len(parts) > 2 else gateway
    except (ValueError, IndexError) as error:
        raise UsageError(
            f"--address takes ADDRESS[/BITS][,GATEWAY[,DNS]] like 192.168.1.7, got {text!r}."
        ) from error
    ends = (network.network_address, network.broadcast_address)
    if network.prefixlen == 0 or (network.prefixlen < 31 and board.ip in ends):
        raise UsageError(f"--address: {board} is a whole network, not a board in it.")
    if int(gateway) and (gateway == board.ip or gateway not in network):
        raise UsageError(
            f"--address: expected another address of {network} as the gateway (or 0.0.0.0 for "
            f"none), got {gateway}. Give it after a comma: {own},GATEWAY."
        )
    return str(board.ip), str(network.netmask), str(gateway), str(server)


class Board(Protocol):
    """A place that the files go to."""

    def read(self, path: str) -> bytes | None:
        """The content of *path*; None when there is no such file."""

    def digest(self, path: str) -> str | None:
        """The SHA-256 of *path*; None when there is no such file."""

    def write(self, path: str, data: bytes) -> None:
        """Put a file, with the folders above it."""

    def remove(self, path: str) -> None:
        """Delete a file that exists."""

    def names(self, folder: str) -> list[str]:
        """What is in *folder*; nothing when there is no such folder."""


@dataclass
class Report:
    """What `install` did."""

    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


def install(
    board: Board,
    files: Mapping[str, bytes],
    settings: Settings | None,
    *,
    replace_settings: bool = False,
    told: Callable[[str, int], None] = lambda path, size: None,
) -> Report:
    """Put *files* on *board*; with *settings* also a first ``settings.py`` and ``main.py``.

    Args:
        board: where to.
        files: what `devicefiles.device_files` returns.
        settings: None leaves ``settings.py`` and ``main.py`` out.
        replace_settings: write ``settings.py`` also over one that is there.
        told: hears of each file that is written.
    """
    report = Report()

    def put(path: str, data: bytes) -> None:
        if board.digest(path) == hashlib.sha256(data).hexdigest():
            report.unchanged.append(path)
        else:
            board.write(path, data)
            report.written.append(path)
            told(path, len(data))

    # The guard comes last: until all it needs is there, a restart must not run it.
    for path in sorted(files):
        if path == BOOT:
            continue
        put(path, files[path])
        twin = _twin(path)
        if twin is not None and twin not in files and board.digest(twin) is not None:
            board.remove(twin)  # MicroPython would import it in the place of the new one
            report.removed.append(twin)
    for path in _other_forms(board, files):
        board.remove(path)
        report.removed.append(path)
    if settings is not None:
        if replace_settings or board.digest(SETTINGS) is None:
            put(SETTINGS, settings.text())
            if settings.public_key is not None:
                put(_PUBLIC, settings.public_key)
        else:
            report.advice.append(
                "settings.py is there already and was left as it is; --new-settings replaces it."
            )
        if board.digest(MAIN) is None:
            put(MAIN, _MAIN_TEXT.encode())
    _advise_main(board.read(MAIN), settings, report)
    boot = board.read(BOOT)
    if may_replace_boot(boot):
        put(BOOT, files[BOOT])
    elif not runs_guard_first(boot):
        report.advice.append(_GUARD_ADVICE)
    return report


def _other_forms(board: Board, files: Mapping[str, bytes]) -> list[str]:
    """The modules on *board* that are in *files* in another form: one by one, or in one pack."""
    paths = [_FOLDER + name for name in sorted(board.names(_FOLDER.rstrip("/")))]
    return [path for path in paths if path.endswith(_MODULES) and path not in files]


def _advise_main(main: bytes | None, settings: Settings | None, report: Report) -> None:
    if main is None:
        report.advice.append("there is no main.py yet. " + _START_ADVICE)
    elif b"service_ota" not in main:
        report.advice.append("main.py is yours and was left as it is. " + _START_ADVICE)
        return
    for used, name, code in (
        (settings and settings.address, "ADDRESS", "WiFiManager(..., address=settings.ADDRESS)"),
        (
            settings and settings.rescue_ap,
            "RESCUE_AP",
            "OTAUpdateService(..., rescue_ap=settings.RESCUE_AP)",
        ),
        (
            settings and settings.fleet,
            "FLEET",
            "OTAUpdateService(..., fleet=settings.FLEET, public_key=settings.PUBLIC_KEY)",
        ),
    ):
        if used and main is not None and name.encode() not in main:
            report.advice.append(
                f"main.py is yours and was left as it is. Use {name} in it:\n    {code}"
            )


def may_replace_boot(boot: bytes | None) -> bool:
    """Whether ``boot.py`` with the content *boot* does nothing, or nothing but run the guard."""
    statements = _statements(boot)
    return statements is not None and all(text in _GUARD for text in statements)


def runs_guard_first(boot: bytes | None) -> bool:
    """Whether ``boot.py`` with the content *boot* calls the guard before anything else."""
    statements = _statements(boot)
    return statements is not None and statements[:2] == _GUARD


def _statements(source: bytes | None) -> list[str] | None:
    """The statements of *source* without comments and docstring; None when it cannot be read."""
    try:
        body = ast.parse(source or b"").body
    except (SyntaxError, ValueError):
        return None
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    return [ast.unparse(statement) for statement in body]


def _twin(path: str) -> str | None:
    stem, dot, suffix = path.rpartition(".")
    if dot and suffix in ("py", "mpy"):
        return f"{stem}.{'mpy' if suffix == 'py' else 'py'}"
    return None


class FolderBoard:
    """A folder on this computer that gets the same tree: for an image, or for another tool."""

    def __init__(self, top: Path) -> None:
        self._top = top

    def read(self, path: str) -> bytes | None:
        """The content of *path*; None when there is no such file."""
        place = self._place(path)
        return place.read_bytes() if place.is_file() else None

    def digest(self, path: str) -> str | None:
        """The SHA-256 of *path*; None when there is no such file."""
        data = self.read(path)
        return None if data is None else hashlib.sha256(data).hexdigest()

    def write(self, path: str, data: bytes) -> None:
        """Put a file, with the folders above it."""
        place = self._place(path)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        except OSError as error:
            raise PicoOtaError(f"cannot write {place}: {error.strerror}.") from error

    def remove(self, path: str) -> None:
        """Delete a file that exists."""
        self._place(path).unlink()

    def names(self, folder: str) -> list[str]:
        """What is in *folder*; nothing when there is no such folder."""
        place = self._place(folder)
        return [entry.name for entry in place.iterdir()] if place.is_dir() else []

    def _place(self, path: str) -> Path:
        return self._top / path.lstrip("/")
