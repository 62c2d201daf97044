"""``pico-ota install``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import credentials
from ..errors import PicoOtaError, UsageError
from .options import verb
from .output import amount, count
from .session import Session

if TYPE_CHECKING:
    from ..install import Board, Settings
    from ..usb import UsbBoard


@verb()
def command(
    session: Session,
    port: Annotated[
        str | None,
        typer.Option("--port", "-p", metavar="PORT", help="Serial port. Default: the only board."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Write the files to a folder, not to a board."),
    ] = None,
    mpy: Annotated[
        bool, typer.Option("--mpy/--no-mpy", help="Compiled files: they need half the memory.")
    ] = True,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="Compiled files with all names and line numbers in tracebacks."
        ),
    ] = False,
    ssid: Annotated[
        str | None, typer.Option("--ssid", metavar="NAME", help="Wi-Fi to join (2.4 GHz).")
    ] = None,
    wifi_password_file: Annotated[
        Path | None,
        typer.Option(
            "--wifi-password-file",
            metavar="FILE",
            help="Its password, from the first line. Without it: PICO_OTA_WIFI_PASSWORD, or a "
            "question.",
        ),
    ] = None,
    country: Annotated[
        str | None, typer.Option("--country", metavar="XX", help="Two letters, such as DE.")
    ] = None,
    hostname: Annotated[
        str | None,
        typer.Option("--hostname", metavar="NAME", help="Its name. Default: pico-xxxxxx."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="IP",
            help="A fixed address: IP[/BITS][,GATEWAY[,DNS]], or 'ask'. Default: the router's "
            "choice.",
        ),
    ] = None,
    rescue_ap: Annotated[
        bool | None,
        typer.Option(
            "--rescue-ap/--no-rescue-ap",
            help="In rescue mode, where its Wi-Fi is gone, it opens one of its own, with the "
            "password for updates. Default: a question.",
            show_default=False,
        ),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file",
            metavar="FILE",
            help="Password for updates, from the first line. Without it: PICO_OTA_PASSWORD, or a "
            "question; empty makes one up.",
        ),
    ] = None,
    fleet: Annotated[
        str | None,
        typer.Option("--fleet", metavar="URL", help="An update server that the board asks."),
    ] = None,
    fleet_token: Annotated[
        str | None,
        typer.Option(
            "--fleet-token", metavar="TOKEN", help="The board's, as 'pico-ota fleet token' says."
        ),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key", metavar="FILE", help="public.json: only signed releases are taken."
        ),
    ] = None,
    new_settings: Annotated[
        bool,
        typer.Option(
            "--new-settings", help="Replace the settings.py that is there: new Wi-Fi or password."
        ),
    ] = False,
    settings: Annotated[
        bool,
        typer.Option("--settings/--no-settings", help="Write settings.py and a first main.py."),
    ] = True,
    restart: Annotated[
        bool, typer.Option("--restart/--no-restart", help="Restart the board when done.")
    ] = True,
) -> None:
    """Put the updater on a board over USB, ready to be updated over Wi-Fi.

    Asks for Wi-Fi and for a password for updates. boot.py, main.py and settings.py are written
    only where there are none; what has to be added to yours is said. It may be run again at any
    time, also to update the updater.

    \b
    Examples:
      pico-ota install
      pico-ota install --port /dev/ttyACM0 --ssid Home --hostname pico-kitchen
      pico-ota install --address 192.168.1.7
      pico-ota install --fleet http://server:8000 --fleet-token TOKEN --public-key public.json
      pico-ota install --new-settings
      pico-ota install --dir board/ --no-settings
    """
    from ..devicefiles import device_files
    from ..install import FolderBoard

    if directory is not None and port is not None:
        raise UsageError("give --port or --dir, not both.")
    if debug and not mpy:
        raise UsageError("give --debug or --no-mpy, not both: source has all names anyway.")
    files = device_files(mpy, debug)
    chosen = _Questions(
        session, ssid, wifi_password_file, password_file, hostname, country, address, rescue_ap
    )
    chosen.ask_server(fleet, fleet_token, public_key)
    if directory is not None:
        _put(session, FolderBoard(directory), files, chosen if settings else None, new_settings)
        return
    from .. import usb

    with usb.connect(port) as board:
        _check_firmware(session, board, mpy)
        _put(session, board, files, chosen if settings else None, new_settings)
        if restart:
            board.restart()
            session.out.say(
                "The board restarts. 'pico-ota discover' shows it when it is on Wi-Fi."
            )


def _check_firmware(session: Session, board: UsbBoard, mpy: bool) -> None:
    from ..usb import OLDEST

    firmware = board.firmware()
    version = ".".join(str(part) for part in firmware["version"])
    session.out.say(f"{firmware['machine']}, MicroPython {version}.")
    if firmware["version"] < OLDEST:
        raise PicoOtaError(
            f"expected MicroPython {'.'.join(map(str, OLDEST))} or newer, found {version}. "
            "Get a new one from micropython.org/download; files on the board stay."
        )
    if mpy and firmware["mpy"] != 6:
        raise PicoOtaError(
            f"the board loads .mpy format {firmware['mpy']}, expected 6. Install with --no-mpy."
        )


class _Questions:
    """Finds out what goes into settings.py, asking where there is somebody to ask."""

    def __init__(
        self,
        session: Session,
        ssid: str | None,
        wifi_password_file: Path | None,
        password_file: Path | None,
        hostname: str | None,
        country: str | None,
        address: str | None,
        rescue_ap: bool | None,
    ) -> None:
        self._session = session
        self._ssid = ssid
        self._wifi_password_file = wifi_password_file
        self._password_file = password_file
        self._hostname = hostname
        self._country = country
        self._address = address
        self._rescue_ap = rescue_ap
        self._fleet: str | None = None
        self._fleet_token: str | None = None
        self._public_key: Path | None = None
        self._hidden = credentials.prompt()
        #: The password that was made up here and has to be shown.
        self.made_up: str | None = None

    def ask_server(self, url: str | None, token: str | None, public_key: Path | None) -> None:
        """Take the update server that the board is to ask, and the key of its releases."""
        self._fleet, self._fleet_token, self._public_key = url, token, public_key

    def answers(self) -> Settings | None:
        """The settings; None when there is no Wi-Fi name and nobody to ask."""
        import os

        from ..install import Settings

        ssid = self._ssid or os.environ.get("PICO_OTA_WIFI_SSID")
        if not ssid and self._hidden is not None:
            ssid = typer.prompt("Wi-Fi name", err=True).strip()
        if not ssid:
            self._session.out.warn(
                "no Wi-Fi name: settings.py and main.py are left out. Give --ssid NAME."
            )
            return None
        address = self._fixed_address()
        wifi = self._wifi()
        if not wifi and self._hidden is None:
            self._session.out.warn(
                "no Wi-Fi password: an open network. PICO_OTA_WIFI_PASSWORD gives one."
            )
        password = self._updates()
        settings = Settings(
            ssid,
            wifi,
            password,
            self._hostname,
            self._country,
            address,
            self._wants_rescue_ap(password),
            self._fleet,
            self._fleet_token,
            self._key(),
        )
        settings.check()
        return settings

    def _wants_rescue_ap(self, password: str) -> bool:
        from ..install import is_wifi_key

        if self._rescue_ap is not None or self._hidden is None or not is_wifi_key(password):
            return bool(self._rescue_ap)
        return typer.confirm(
            "Shall it open a Wi-Fi of its own, with that password, when it is in rescue mode and "
            "yours is gone?\nsettings.py then holds the password in clear.",
            default=False,
            err=True,
        )

    @property
    def given(self) -> bool:
        """Whether something of it was said on the command line."""
        return any(
            (
                self._ssid,
                self._wifi_password_file,
                self._hostname,
                self._country,
                self._address,
                self._rescue_ap,
                self._fleet,
                self._public_key,
            )
        )

    def _key(self) -> bytes | None:
        from ..release import load_public_keys

        if self._public_key is None:
            return None
        load_public_keys(self._public_key)
        return self._public_key.read_bytes()

    def _fixed_address(self) -> tuple[str, str, str, str] | None:
        from ..install import fixed_address

        if self._address is None:
            return None
        if self._address != "ask":
            return fixed_address(self._address)
        if self._hidden is None:
            raise UsageError("--address ask: there is nobody to ask. Give --address IP.")
        own = typer.prompt("Address of the board, such as 192.168.1.7", err=True).strip()
        gateway = fixed_address(own)[2]
        gateway = typer.prompt("Its gateway, the router", default=gateway, err=True).strip()
        server = typer.prompt("Its name server", default=gateway, err=True).strip()
        return fixed_address(f"{own},{gateway},{server}")

    def _wifi(self) -> str:
        import os

        if self._wifi_password_file is not None:
            return credentials.read_file(self._wifi_password_file)
        value = os.environ.get("PICO_OTA_WIFI_PASSWORD")
        if value is not None:
            return value
        return self._hidden("Wi-Fi password (empty: open network): ") if self._hidden else ""

    def _updates(self) -> str:
        import os

        if self._password_file is not None:
            return credentials.read_file(self._password_file)
        value = os.environ.get(credentials.VARIABLE)
        if not value and self._hidden is not None:
            value = self._hidden("Password for updates (empty: make one up): ")
        if not value:
            value = self.made_up = credentials.random_password()
        return value


def _put(
    session: Session,
    board: Board,
    files: dict[str, bytes],
    questions: _Questions | None,
    new_settings: bool,
) -> None:
    from ..install import SETTINGS, install

    out = session.out
    wanted = questions is not None and (new_settings or board.digest(SETTINGS) is None)
    settings = questions.answers() if questions is not None and wanted else None
    if questions is not None and not wanted and questions.given:
        out.warn(f"{SETTINGS} is there already and stays as it is; --new-settings replaces it.")
    report = install(
        board,
        files,
        settings,
        replace_settings=new_settings,
        told=lambda path, size: out.say(f"wrote {path} ({amount(size)} bytes)"),
    )
    out.say(
        f"Wrote {count(len(report.written), 'file')}; {len(report.unchanged)} up to date."
        + (f" Removed {', '.join(report.removed)}." if report.removed else "")
    )
    made_up = questions.made_up if questions is not None and settings is not None else None
    if made_up:
        out.show(f"Password for updates, user admin: {made_up}")
        out.say("Write it down: it is in settings.py on the board, and nowhere else.")
    for advice in report.advice:
        for line in advice.splitlines():
            out.say(line, "yellow")
    out.result(
        {
            "written": report.written,
            "unchanged": report.unchanged,
            "removed": report.removed,
            "advice": report.advice,
        }
        | ({"password": made_up} if made_up else {})
    )
