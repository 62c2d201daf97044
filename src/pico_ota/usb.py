"""A board at USB, by way of mpremote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import PicoOtaError, UnreachableError, UsageError

RASPBERRY_PI = 0x2E8A  # USB vendor
OLDEST = (1, 25)  # older firmware loses its Wi-Fi and cannot be found by name
_CHUNK = 1024
_SILENT_S = 10  # without it a board that hangs would be waited for without end


# One question instead of the five that mpremote's own calls would take, for each of fifty files.
_HELPER = """
import binascii, hashlib
def _pico_ota_digest(path):
    try:
        file = open(path, "rb")
    except OSError:
        return None
    with file:
        sha, buf = hashlib.sha256(), memoryview(bytearray(1024))
        while True:
            n = file.readinto(buf)
            if not n:
                return binascii.hexlify(sha.digest()).decode()
            sha.update(buf[:n])
"""


class UsbBoard:
    """The file system of a board whose prompt is at a serial port.

    Raises:
        PicoOtaError: from each method, when the board does not do what it is told.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._folders = {"", "/"}
        self._helped = False

    def read(self, path: str) -> bytes | None:
        """The content of *path*; None when there is no such file."""
        if self.digest(path) is None:
            return None
        with _told(f"read {path}"):
            return bytes(self._transport.fs_readfile(path, _CHUNK))

    def digest(self, path: str) -> str | None:
        """The SHA-256 of *path*; None when there is no such file."""
        with _told(f"read {path}"):
            if not self._helped:
                self._transport.exec(_HELPER)
                self._helped = True
            found = self._transport.eval(f"_pico_ota_digest({path!r})")
        return None if found is None else str(found)

    def write(self, path: str, data: bytes) -> None:
        """Put a file, with the folders above it, and read back that it is the same."""
        self._make_folder(path.rpartition("/")[0])
        with _told(f"write {path}"):
            self._transport.fs_writefile(path, data, _CHUNK)
        if self.digest(path) != hashlib.sha256(data).hexdigest():
            raise PicoOtaError(f"{path} is not on the board as it was sent. Run it again.")

    def remove(self, path: str) -> None:
        """Delete a file that exists."""
        with _told(f"delete {path}"):
            self._transport.fs_rmfile(path)

    def names(self, folder: str) -> list[str]:
        """What is in *folder*; nothing when there is no such folder."""
        with _told(f"list {folder}"):
            if not self._transport.fs_isdir(folder):
                return []
            return [str(entry.name) for entry in self._transport.fs_listdir(folder)]

    def firmware(self) -> dict[str, Any]:
        """Board, version and .mpy format of what runs there."""
        with _told("say what it is"):
            self._transport.exec("import sys")
            found = self._transport.eval(
                "(tuple(sys.implementation.version[:3]), "
                "getattr(sys.implementation, '_machine', ''), "
                "getattr(sys.implementation, '_mpy', 0) & 255)"
            )
        version, machine, mpy = found
        return {"version": tuple(version), "machine": str(machine), "mpy": int(mpy)}

    def restart(self) -> None:
        """Restart the board; the connection ends."""
        with _told("restart"):
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")

    def _make_folder(self, path: str) -> None:
        if path in self._folders:
            return
        self._make_folder(path.rpartition("/")[0])
        with _told(f"make {path}"):
            if not self._transport.fs_isdir(path):
                self._transport.fs_mkdir(path)
        self._folders.add(path)


@contextmanager
def connect(port: str | None) -> Iterator[UsbBoard]:
    """The board at *port*, or at the only port that has one.

    Raises:
        UsageError: several boards are there.
        UnreachableError: none is, or it does not come to its prompt.
    """
    from mpremote.transport import TransportError  # type: ignore[import-untyped]
    from mpremote.transport_serial import SerialTransport  # type: ignore[import-untyped]

    device = port or find_port()
    try:
        transport = SerialTransport(device, timeout=_SILENT_S)
    except (TransportError, OSError) as error:
        raise UnreachableError(
            f"cannot open {device}: {error}. Is it plugged in, and no other program (Thonny, "
            "mpremote, a terminal) using it? On Linux you may have to join the group 'dialout'."
        ) from error
    try:
        try:
            transport.enter_raw_repl()
        except (TransportError, OSError) as error:
            raise UnreachableError(
                f"the board at {device} does not come to its prompt ({error}). Unplug it, plug it "
                "in again, and run this at once."
            ) from error
        yield UsbBoard(transport)
    finally:
        try:
            if transport.in_raw_repl:
                transport.exit_raw_repl()
            transport.close()
        except OSError:
            pass  # it has restarted, and the port is gone with it


def find_port() -> str:
    """The serial port of the one board that is plugged in.

    Raises:
        UsageError: there are several.
        UnreachableError: there is none.
    """
    from serial.tools.list_ports import comports  # type: ignore[import-untyped]

    ports = [port for port in comports() if port.vid is not None]
    ports = [port for port in ports if port.vid == RASPBERRY_PI] or ports
    if not ports:
        raise UnreachableError(
            "no board at USB. Plug it in with a data cable. A new board first needs MicroPython: "
            "hold BOOTSEL while plugging in and copy the .uf2 from micropython.org/download."
        )
    if len(ports) > 1:
        names = ", ".join(sorted(port.device for port in ports))
        raise UsageError(f"several boards are plugged in: choose one with --port, of {names}.")
    return str(ports[0].device)


@contextmanager
def _told(what: str) -> Iterator[None]:
    from struct import error as struct_error

    from mpremote.transport import TransportError

    try:
        yield
    except (TransportError, OSError, struct_error) as error:  # the last: an answer too short
        lines = str(error).strip().splitlines()
        raise PicoOtaError(
            f"the board could not {what}: {lines[-1] if lines else 'no reason given'}."
        ) from error
