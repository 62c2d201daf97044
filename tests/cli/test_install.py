"""`install`: into a folder, and over the wire with mpremote onto a real littlefs."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tty
from pathlib import Path

import pytest

from pico_ota import usb
from pico_ota.devicefiles import device_files
from pico_ota.digest import secret_of
from pico_ota.errors import PicoOtaError, UnreachableError, UsageError
from pico_ota.install import may_replace_boot, runs_guard_first
from pico_ota.sim import SimulatedPico

GUARD = b"import ota_boot\nota_boot.run()\n"


@pytest.fixture(autouse=True)
def wifi(monkeypatch):
    monkeypatch.setenv("PICO_OTA_WIFI_SSID", "test-net")
    monkeypatch.setenv("PICO_OTA_WIFI_PASSWORD", "test-password")


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch, board_files):
    def known(mpy=True, debug=False):
        return dict(board_files) if mpy and not debug else device_files(mpy, debug)

    monkeypatch.setattr("pico_ota.devicefiles.device_files", known)


def files_of(folder):
    return {
        "/" + path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("boot", "free", "guarded"),
    [
        (None, True, False),
        (b"", True, False),
        (b"# This file is executed on every boot\n", True, False),
        (b'"""Nothing."""\n', True, False),
        (GUARD, True, True),
        (b"import ota_boot  # first\n\nota_boot.run()\n", True, True),
        (b"import ota_boot; ota_boot.run()", True, True),
        (GUARD + b"import mine\n", False, True),
        (b"import mine\n" + GUARD, False, False),
        (b"import webrepl\nwebrepl.start()\n", False, False),
        (b"import ota_boot\n", True, False),
        (b"x = = 1\n", False, False),
        (b"\x00\xff", False, False),
    ],
)
def test_what_may_be_done_to_boot_py(boot, free, guarded):
    assert may_replace_boot(boot) is free
    assert runs_guard_first(boot) is guarded


def test_a_folder_gets_what_a_board_needs(cli, here, board_files):
    result = cli("install", "--dir", "board", "--hostname", "pico-kitchen", "--country", "DE")
    assert result.status == 0
    found = files_of(here / "board")
    assert set(found) == {*board_files, "/settings.py", "/main.py"}
    assert all(found[path] == data for path, data in board_files.items())
    settings = {}
    exec(found["/settings.py"], settings)
    assert settings["WIFI_SSID"] == "test-net"
    assert settings["WIFI_PASSWORD"] == "test-password"
    assert (settings["HOSTNAME"], settings["COUNTRY"]) == ("pico-kitchen", "DE")
    # Made up, so it has to be shown; the board gets what it keeps of it, and takes no Basic.
    words = re.findall(r"[a-z0-9-]{19}", result.out)
    assert settings["OTA_PASSWORD"] in ["sha256:" + secret_of("admin", word) for word in words]
    assert b"basic=False" in found["/main.py"]
    assert "test-password" not in result.out + result.err


@pytest.mark.parametrize(
    ("given", "means"),
    [
        ("192.168.1.7", ("192.168.1.7", "255.255.255.0", "192.168.1.1", "192.168.1.1")),
        ("10.1.2.3/16", ("10.1.2.3", "255.255.0.0", "10.1.0.1", "10.1.0.1")),
        ("10.1.2.3/255.255.0.0", ("10.1.2.3", "255.255.0.0", "10.1.0.1", "10.1.0.1")),
        ("192.168.1.7,192.168.1.254", ("192.168.1.7", "255.255.255.0") + ("192.168.1.254",) * 2),
        ("192.168.1.7, 0.0.0.0", ("192.168.1.7", "255.255.255.0", "0.0.0.0", "0.0.0.0")),
        (
            "192.168.1.7,192.168.1.254,9.9.9.9",
            ("192.168.1.7", "255.255.255.0", "192.168.1.254", "9.9.9.9"),
        ),
    ],
)
def test_a_fixed_address(cli, here, given, means):
    assert cli("install", "--dir", "board", "--address", given).status == 0
    settings = {}
    exec((here / "board/settings.py").read_text(), settings)
    assert settings["ADDRESS"] == means


def test_a_fixed_address_is_asked_for(cli, here, monkeypatch):
    answers = {"Address": "192.168.1.7", "Its gateway": "192.168.1.254", "Its name": None}

    def prompt(text, err, default=None):
        return next(a for start, a in answers.items() if text.startswith(start)) or default

    monkeypatch.setattr("pico_ota.credentials.prompt", lambda: lambda question: "")
    monkeypatch.setattr("typer.prompt", prompt)
    monkeypatch.setattr("typer.confirm", lambda text, default, err: default)
    assert cli("install", "--dir", "board", "--address", "ask").status == 0
    settings = {}
    exec((here / "board/settings.py").read_text(), settings)
    assert settings["ADDRESS"] == ("192.168.1.7", "255.255.255.0") + ("192.168.1.254",) * 2


def test_an_access_point_is_offered_to_who_has_a_password_for_it(cli, here, monkeypatch):
    settings = {}
    assert cli("install", "--dir", "plain").status == 0
    exec((here / "plain/settings.py").read_text(), settings)
    assert settings["RESCUE_AP"] is False
    assert (
        cli("install", "--dir", "board", "--rescue-ap").status == 0
    )  # one that is made up will do
    exec((here / "board/settings.py").read_text(), settings)
    assert settings["RESCUE_AP"] is True
    assert len(settings["OTA_PASSWORD"]) < 40  # WPA2 needs it in clear
    assert "RESCUE_AP" in (here / "board/main.py").read_text()
    monkeypatch.setenv("PICO_OTA_PASSWORD", "seven77")
    refused = cli("install", "--dir", "short", "--rescue-ap")
    assert refused.status == 2
    assert "8 to 63 ASCII characters, got 7" in refused.err
    (here / "own").mkdir()
    (here / "own/main.py").write_text("from service_ota import OTAUpdateService\n")
    monkeypatch.delenv("PICO_OTA_PASSWORD")
    told = cli("install", "--dir", "own", "--rescue-ap").out
    assert "OTAUpdateService(..., rescue_ap=settings.RESCUE_AP)" in told


def test_a_main_of_ones_own_is_told_of_the_address(cli, here):
    (here / "board").mkdir()
    (here / "board/main.py").write_text("from service_ota import OTAUpdateService\n")
    told = cli("install", "--dir", "board", "--address", "192.168.1.7")
    assert "address=settings.ADDRESS" in told.out
    plain = cli("install", "--dir", "board", "--new-settings")
    assert "address=" not in plain.out


def test_a_board_with_a_fixed_address_comes_up_where_nobody_gives_one(cli, here, monkeypatch):
    monkeypatch.setenv("PICO_OTA_PASSWORD", "word-of-mine")
    assert cli("install", "--dir", "board", "--address", "192.168.1.7").status == 0
    with SimulatedPico(here / "flash.img", device_files=files_of(here / "board")) as board:
        board.set_wifi(address=None)
        board.start()
        board.wait_listening(30)
        board.wait_console("Listening at http://192.168.1.7:")


def test_a_first_main_bears_settings_of_an_older_install(cli, here, monkeypatch):
    monkeypatch.setenv("PICO_OTA_PASSWORD", "word-of-mine")
    assert cli("install", "--dir", "board").status == 0
    text = (here / "board/settings.py").read_text()
    older = "".join(line for line in text.splitlines(True) if not line.startswith("ADDRESS"))
    assert older != text
    (here / "board/settings.py").write_text(older)
    with SimulatedPico(here / "flash.img", device_files=files_of(here / "board")) as board:
        board.start()
        board.wait_listening(30)


def test_a_board_that_is_installed_so_comes_up(cli, here, monkeypatch):
    monkeypatch.setenv("PICO_OTA_PASSWORD", "chosen-password")
    result = cli("install", "--dir", "board", "--hostname", "pico-test", "-q")
    assert (result.out, result.err) == ("", "")
    files = files_of(here / "board")
    with SimulatedPico(here / "flash.img", device_files=files) as pico:
        pico.start()
        pico.wait_listening(20)
        assert cli("-H", pico.url, "df").status == 0


def test_nothing_of_ones_own_is_overwritten(cli, here):
    mine = {
        "boot.py": "import webrepl\nwebrepl.start()\n",
        "main.py": "x = 1\n",
        "settings.py": "",
    }
    (here / "board").mkdir()
    for name, text in mine.items():
        (here / "board" / name).write_text(text)
    result = cli("install", "--dir", "board")
    assert result.status == 0
    for name, text in mine.items():
        assert (here / "board" / name).read_text() == text
    assert "    import ota_boot\n    ota_boot.run()\n" in result.out
    assert "OTAUpdateService(wifi).start()" in result.out
    advice = json.loads(cli("install", "--dir", "board", "--json").out)["advice"]
    assert len(advice) == 2


def test_a_main_of_ones_own_stays_when_the_settings_are_new(cli, here):
    (here / "board").mkdir()
    (here / "board/main.py").write_text("x = 1\n")
    result = cli("install", "--dir", "board")
    assert (here / "board/settings.py").exists()
    assert (here / "board/main.py").read_text() == "x = 1\n"
    assert "main.py is yours and was left as it is" in result.out


def test_installing_again_writes_what_is_new_and_retires_the_other_form(cli, here):
    cli("install", "--dir", "board")
    (here / "board/ota/server.py").write_text("an old one, which MicroPython would import first\n")
    (here / "board/ota_boot.mpy").write_bytes(b"old")
    (here / "board/ota/keys.json").write_text("[]")
    report = json.loads(cli("install", "--dir", "board", "--json").out)
    assert report["written"] == ["/ota_boot.mpy"]
    assert report["removed"] == ["/ota/server.py"]
    assert not (here / "board/ota/server.py").exists()
    assert (here / "board/ota/keys.json").exists()
    assert report["advice"] == []
    assert "password" not in report


def test_source_retires_the_pack_and_the_pack_the_sources(cli, here):
    cli("install", "--dir", "board")
    report = json.loads(cli("install", "--dir", "board", "--no-mpy", "--json").out)
    assert "/ota/modules.pack" in report["removed"]
    assert (here / "board/ota/server.py").exists()
    cli("install", "--dir", "board")
    assert {f.suffix for f in (here / "board/ota").iterdir()} == {".mpy", ".pack", ".gz", ".txt"}
    assert [f.name for f in (here / "board/ota").glob("*.mpy")] == ["__init__.mpy"]


def test_debug_keeps_names_and_line_numbers(cli, here):
    assert cli("install", "--dir", "lean").status == 0
    assert cli("install", "--dir", "full", "--debug").status == 0
    lean, full = ((here / name / "ota/modules.pack").read_bytes() for name in ("lean", "full"))
    assert b"_check_neighbours" in full
    assert b"_check_neighbours" not in lean
    assert b"ota/server.py" in full
    assert b"ota/server.py" not in lean
    assert len(lean) < 0.93 * len(full)
    assert cli("install", "--dir", "x", "--debug", "--no-mpy").status == 2


def test_new_settings_replace_only_the_settings(cli, here):
    cli("install", "--dir", "board")
    (here / "board/main.py").write_text("import service_ota  # mine\n")
    again = cli("install", "--dir", "board", "--new-settings", "--ssid", "Other", "--json")
    assert json.loads(again.out)["written"] == ["/settings.py"]
    assert "'Other'" in (here / "board/settings.py").read_text()


def test_odd_names_and_passwords_survive(cli, here, monkeypatch):
    odd = 'it\'s "ü" \\n #{}%'
    monkeypatch.setenv("PICO_OTA_WIFI_PASSWORD", odd)
    (here / "secret").write_text(odd + "\n")
    cli("install", "--dir", "board", "--ssid", odd, "--password-file", "secret")
    settings = {}
    exec((here / "board/settings.py").read_text(), settings)
    assert settings["WIFI_SSID"] == settings["WIFI_PASSWORD"] == odd
    assert settings["OTA_PASSWORD"] == "sha256:" + secret_of("admin", odd)


def test_without_a_wifi_name_and_nobody_to_ask(cli, here, monkeypatch):
    monkeypatch.delenv("PICO_OTA_WIFI_SSID")
    result = cli("install", "--dir", "board")
    assert result.status == 0
    assert "Give --ssid NAME" in result.err
    assert not (here / "board/settings.py").exists()
    assert (here / "board/boot.py").exists()


def test_questions_are_asked_where_there_is_somebody(cli, here, monkeypatch):
    monkeypatch.delenv("PICO_OTA_WIFI_SSID")
    monkeypatch.delenv("PICO_OTA_WIFI_PASSWORD")
    asked = []

    def hidden(question):
        asked.append(question)
        return {"W": "from the keyboard", "P": ""}[question[0]]

    monkeypatch.setattr("pico_ota.credentials.prompt", lambda: hidden)
    monkeypatch.setattr("typer.prompt", lambda text, err: "My Net ")
    monkeypatch.setattr("typer.confirm", lambda text, default, err: "rescue mode" in text)
    result = cli("install", "--dir", "board")
    settings = (here / "board/settings.py").read_text()
    assert "RESCUE_AP = True" in settings
    assert "WIFI_SSID = 'My Net'" in settings
    assert "WIFI_PASSWORD = 'from the keyboard'" in settings
    assert len(asked) == 2
    assert "from the keyboard" not in result.out + result.err
    # Once there are settings, nobody is bothered again.
    cli("install", "--dir", "board")
    assert len(asked) == 2


def test_an_access_point_is_not_asked_about_where_it_is_said_or_cannot_be(cli, here, monkeypatch):
    def confirm(*arguments, **options):
        raise AssertionError("nobody was to be asked")

    monkeypatch.setattr("typer.confirm", confirm)
    for word, options, wanted in (
        ("", ["--rescue-ap"], True),
        ("", ["--no-rescue-ap"], False),
        ("short", [], False),  # no Wi-Fi takes that
    ):
        monkeypatch.setattr("pico_ota.credentials.prompt", lambda word=word: lambda text: word)
        folder = f"board{len(list(here.iterdir()))}"
        assert cli("install", "--dir", folder, *options).status == 0
        assert f"RESCUE_AP = {wanted}\n" in (here / folder / "settings.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["--country", "germany"], {}, "two capital letters"),
        (["--country", "de"], {}, "two capital letters"),
        (["--hostname", "bad host!"], {}, "letters, digits and hyphens"),
        (["--hostname", "-pico"], {}, "letters, digits and hyphens"),
        (["--hostname", ""], {}, "letters, digits and hyphens"),
        (["--ssid", "x" * 33], {}, "1 to 32 bytes"),
        (["--address", "192.168.1"], {}, "--address takes ADDRESS[/BITS]"),
        (["--address", "192.168.1.7/33"], {}, "--address takes ADDRESS[/BITS]"),
        (["--address", "192.168.1.7/0"], {}, "a whole network"),
        (["--address", "192.168.1.7,1.2.3.4"], {}, "as the gateway"),
        (["--address", "192.168.1.1"], {}, "as the gateway"),
        (["--address", "192.168.1.255"], {}, "a whole network"),
        (["--address", "1.2.3.4,1.2.3.1,1.2.3.1,1.1.1.1"], {}, "--address takes ADDRESS[/BITS]"),
        (["--address", "ask"], {}, "nobody to ask"),
        ([], {"PICO_OTA_WIFI_PASSWORD": "short"}, "8 to 64 characters"),
        ([], {"PICO_OTA_PASSWORD": "x" * 129}, "at most 128"),
    ],
)
def test_what_main_py_would_die_of_is_refused(cli, here, monkeypatch, arguments, variables, said):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = cli("install", "--dir", "board", *arguments)
    assert result.status == 2
    assert said in result.err
    assert not (here / "board").exists()


def test_what_is_not_used_is_said(cli, here, monkeypatch):
    assert cli("install", "--dir", "board").status == 0
    again = cli("install", "--dir", "board", "--ssid", "Other")
    assert again.status == 0
    assert "--new-settings" in again.err
    monkeypatch.delenv("PICO_OTA_WIFI_PASSWORD")
    assert "an open network" in cli("install", "--dir", "other").err


def test_port_and_folder_exclude_each_other(cli):
    assert cli("install", "--dir", "x", "--port", "y").status == 2


# --- over the wire ---------------------------------------------------------------------------


@pytest.fixture
def board(here):
    """Start a board at a pseudo-terminal with some files; returns its serial port."""
    running = []

    def start(**files):
        (here / "given").mkdir(exist_ok=True)
        for name, text in files.items():
            (here / "given" / name.replace("_py", ".py")).write_text(text)
        master, slave = os.openpty()
        tty.setraw(slave)
        micropython = Path(sys.executable).with_name("micropython")
        script = Path(__file__).with_name("usb_board.py")
        process = subprocess.Popen(
            [micropython, "-X", "heapsize=32M", script, here / "given"],
            stdin=master,
            stdout=master,
        )
        running.append((process, master, slave))
        return os.ttyname(slave)

    yield start
    for process, master, slave in running:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


def test_over_the_wire_onto_a_littlefs_and_real_micropython_imports_it(cli, board, board_files):
    port = board()
    result = cli("install", "--port", port, "--no-restart", "--json")
    assert result.status == 0, result.err
    assert set(json.loads(result.out)["written"]) == {*board_files, "/settings.py", "/main.py"}
    with usb.connect(port) as there:
        for path, data in board_files.items():
            assert there.digest(path) == hashlib.sha256(data).hexdigest()
        assert there.read("/boot.py") == board_files["/boot.py"]
        assert there.read("/nothing") is None
        there._transport.exec("import ota_boot, settings, ota.paths")
        assert there._transport.eval("settings.WIFI_SSID") == "test-net"
    again = cli("install", "--port", port, "--no-restart", "--json")
    assert json.loads(again.out)["written"] == []


def test_over_the_wire_a_foreign_boot_py_stays_and_the_board_restarts(cli, board):
    port = board(boot_py="import webrepl\n", main_py="x = 1\n")
    result = cli("install", "--port", port, "--no-settings")
    assert result.status == 0
    assert "boot.py is yours" in result.out
    assert "main.py is yours" in result.out
    assert "The board restarts" in result.out


class Port:
    def __init__(self, device, vid):
        self.device, self.vid = device, vid


@pytest.mark.parametrize(
    ("ports", "chosen"),
    [
        ([Port("/dev/ttyS0", None), Port("/dev/ttyACM0", 0x2E8A)], "/dev/ttyACM0"),
        ([Port("/dev/ttyUSB0", 0x1A86), Port("/dev/ttyACM0", 0x2E8A)], "/dev/ttyACM0"),
        ([Port("/dev/ttyUSB0", 0x1A86)], "/dev/ttyUSB0"),
    ],
)
def test_the_only_board_is_found(monkeypatch, ports, chosen):
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)
    assert usb.find_port() == chosen


def test_no_board_and_several_boards(monkeypatch, cli):
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [Port("/dev/ttyS0", None)])
    with pytest.raises(UnreachableError, match="BOOTSEL"):
        usb.find_port()
    assert cli("install").status == 3
    two = [Port("/dev/ttyACM0", 0x2E8A), Port("/dev/ttyACM1", 0x2E8A)]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: two)
    with pytest.raises(UsageError, match="/dev/ttyACM0, /dev/ttyACM1"):
        usb.find_port()


def test_a_port_that_is_not_there(cli):
    result = cli("install", "--port", "/dev/pts/none")
    assert (result.status, result.out) == (3, "")
    assert "Is it plugged in" in result.err


class Transport:
    """Reports an old firmware, or fails."""

    def __init__(self, found):
        self.found = found

    def exec(self, text):
        pass

    def eval(self, text):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.mark.parametrize(
    ("found", "mpy", "reason"),
    [
        (((1, 24, 1), "Pico W", 6), True, "expected MicroPython 1.25 or newer, found 1.24.1"),
        (((1, 29, 0), "Pico W", 7), True, "format 7, expected 6. Install with --no-mpy"),
        (OSError(5, "gone"), True, "could not say what it is"),
    ],
)
def test_a_firmware_that_does_not_fit_is_refused(found, mpy, reason):
    from pico_ota.cli.install import _check_firmware
    from pico_ota.cli.options import Settings
    from pico_ota.cli.output import Out
    from pico_ota.cli.session import Session

    with pytest.raises(PicoOtaError, match=reason.replace(".", r"\.")):
        _check_firmware(Session(Settings(), Out(quiet=True)), usb.UsbBoard(Transport(found)), mpy)


def test_a_board_of_a_fleet(cli, here, monkeypatch):
    monkeypatch.setenv("PICO_OTA_PASSWORD", "word-of-mine")
    assert cli("keygen", "keys").status == 0
    url = "http://127.0.0.1:9"
    given = ("--fleet", url, "--fleet-token", "abc", "--public-key", "keys/public.json")
    assert cli("install", "--dir", "board", *given).status == 0
    settings = {}
    exec((here / "board/settings.py").read_text(), settings)
    assert settings["FLEET"] == {"url": url, "token": "abc"}
    assert settings["PUBLIC_KEY"] == "/public.json"
    with SimulatedPico(here / "flash.img", device_files=files_of(here / "board")) as board:
        board.start()
        board.wait_listening(30)
        told = json.loads(cli("-H", board.url, "status", "--json").out)
        assert told["fleet"]["server"] == url
        assert told["require_signed"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--fleet", "server"), "http://SERVER:PORT"),
        (("--fleet", "ftp://server"), "http://SERVER:PORT"),
        (("--fleet-token", "abc"), "goes with --fleet"),
        (("--fleet", "http://s", "--fleet-token", "a b"), "without blanks"),
        (("--public-key", "nothing.json"), "nothing.json"),
    ],
)
def test_an_update_server_that_cannot_be_is_refused(cli, here, given, said):
    result = cli("install", "--dir", "board", *given)
    assert result.status != 0
    assert said in result.err
