"""The simulated Pico as a Python object."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pico_ota.devicefiles import device_files as _device_files
from pico_ota.sim import image as images
from pico_ota.sim import registers as reg
from pico_ota.sim.boards import Setup
from pico_ota.sim.errors import SimError
from pico_ota.sim.hardware import EXIT_CRASH, Event, Hardware
from pico_ota.sim.ports import Port
from pico_ota.sim.radio import Air

_HEAP = re.compile(r"([1-9][0-9]*)([KkMm]?)")
_CONSOLE_MAX = 4 * 1024 * 1024  # of what the board has printed, the older half goes then
_HEAP_MIN = 48 * 1024  # the stand-ins alone hold some 15 KB of 64-bit objects


class SimulatedPico:
    """A Pico W or Pico 2 W: real MicroPython on a real littlefs image.

    Example:
        with SimulatedPico(tmp_path / "flash.img", app=Path("app")) as pico:
            pico.start()
            httpx.get(pico.wait_listening(10) + "/api/v1/info")

    Args:
        image: raw flash image, made and filled with the device files when missing.
        board: `pico_w` or `pico2_w`.
        app: folder copied over the root of a new image.
        port: TCP port on 127.0.0.1 that stands for the first one the board listens at; 0: a free
            one. It stays the same over resets and restarts of this object.
        heap: MicroPython's heap, such as `200K`; objects there are 64-bit, so a heap holds about
            half of what it holds on the board.
        cut_after: the power fails in this flash operation (erase or program call), counted from
            power-on.
        tear: that operation is `none` or `half` done.
        flash_timing: charge 45 ms per erased block and 0.4 ms per programmed page.
        device_files: for a new image, instead of `pico_ota.devicefiles.device_files()`.
        quiet: do not show the board's console on stderr.
        unique_id: the 8 bytes of `machine.unique_id()`; made from the image's path if not given.
        on_event: called with each event, in a thread of the simulator.
        on_console: called with what the board prints, in a thread of the simulator.

    Raises:
        SimError: an argument cannot be used.
    """

    def __init__(
        self,
        image: Path,
        board: str = "pico_w",
        app: Path | None = None,
        port: int = 0,
        heap: str | None = None,
        cut_after: int | None = None,
        tear: str = "none",
        flash_timing: bool = False,
        device_files: dict[str, bytes] | None = None,
        quiet: bool = True,
        *,
        unique_id: bytes | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_console: Callable[[bytes], None] | None = None,
    ) -> None:
        self.image = Path(image)
        self.board = images.board_of(board)
        self.app = app
        self.heap = _checked_heap(heap)
        self.cut_after = cut_after
        self.tear = tear
        self.flash_timing = flash_timing
        self.unique_id = _id_of(self.image) if unique_id is None else unique_id
        if tear not in ("none", "half"):
            raise SimError(f"unknown tear {tear!r}: it is none or half")
        if cut_after is not None and cut_after < 1:
            raise SimError(f"flash operations count from 1, the power cannot fail in {cut_after}")
        if cut_after is None and tear != "none":
            raise SimError("a torn flash operation needs its number too (cut after)")
        if not 0 <= port <= 0xFFFF:
            raise SimError(f"{port} is no port: 1 to 65535, or 0 for a free one")
        if len(self.unique_id) != 8:
            raise SimError("a unique id has 8 bytes")
        self._wanted_port = port
        self._device_files = device_files
        self._quiet = quiet
        self._on_event = on_event
        self._on_console = on_console
        self._port: Port | None = None
        self._air = Air()
        # All below belongs to the lock of this condition.
        self._changed = threading.Condition()
        self._hardware: Hardware | None = None
        self._thread: threading.Thread | None = None
        self._events: list[Event] = []
        self._printed = bytearray()
        self._operations = 0
        self._status = 0
        self._bootsel = False

    def __enter__(self) -> SimulatedPico:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Power

    def prepare(self) -> None:
        """Make the image if there is none, with the device files and the application on it.

        Raises:
            SimError: that is not possible, or the image is none of this board's.
        """
        if self.app is not None and not self.app.is_dir():
            raise SimError(f"the application {self.app} is not a folder")
        if not self.image.exists():
            files = dict(_device_files() if self._device_files is None else self._device_files)
            if self.app is not None:
                files.update(images.folder_files(self.app))
            images.create(self.image, self.board.name, files)
        images.check(self.image, self.board.name)

    def start(self) -> None:
        """Switch the board on and return at once; what it did before is forgotten.

        Raises:
            SimError: the image or the port cannot be used.
        """
        if self.running:
            raise RuntimeError("the board is on already")
        if sys.platform != "linux":
            raise SimError("the simulated Pico needs Linux, on Windows for example in WSL")
        if self._port is None:
            self._port = Port(self._wanted_port)
        self.prepare()
        fd = _locked(self.image)
        try:
            setup = Setup(
                self.board,
                fd,
                self._port,
                self.unique_id,
                self._air,
                self.heap,
                self.cut_after or 0,
                self.tear == "half",
                self.flash_timing,
            )
            hardware = Hardware(setup, self._event, self._print)
        except BaseException:
            os.close(fd)
            raise
        self._events, self._printed, self._operations = [], bytearray(), 0
        hardware.registers.words[reg.BOOTSEL] = self._bootsel
        self._hardware = hardware
        # The child dies with the *thread* that made it: it has to be this one, which lives on.
        self._thread = threading.Thread(target=self._run, args=(hardware, fd), daemon=True)
        self._thread.start()

    def _run(self, hardware: Hardware, fd: int) -> None:
        status = EXIT_CRASH
        try:
            status = hardware.run()
        finally:
            with self._changed:
                self._status = status
                self._operations = hardware.registers.words[reg.OPS]
                self._hardware = None
                hardware.close()
                os.close(fd)
                self._changed.notify_all()

    def stop(self) -> int:
        """Switch the board off. Returns the exit status: 0; 70 and 1 if it had died before."""
        self.request_stop()
        return self.wait()

    def request_stop(self) -> None:
        """Order to switch the board off, and return at once."""
        with self._changed:
            if self._hardware is not None:
                self._hardware.stop()

    def power_cut(self) -> int:
        """Pull the plug now. Returns the exit status, 70."""
        with self._changed:
            if self._hardware is not None:
                self._hardware.power_cut()
        return self.wait()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the board is off and return the exit status.

        Raises:
            TimeoutError: it is still on after *timeout* seconds.
        """
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the board is still on after {timeout} s")
        return self._status

    def close(self) -> None:
        """Switch the board off and give its port back."""
        self.stop()
        if self._port is not None:
            self._port.close()
            self._port = None

    @property
    def running(self) -> bool:
        """Whether the board is on."""
        return self._thread is not None and self._thread.is_alive()

    # What it does

    @property
    def url(self) -> str:
        """Address of the board's first listening port, without a slash at the end."""
        if self._port is None:
            raise RuntimeError("the board has not been switched on")
        return self._port.url

    @property
    def events(self) -> list[Event]:
        """What has happened since power-on, oldest first."""
        with self._changed:
            return list(self._events)

    def console(self) -> str:
        """Return what the board has printed since power-on."""
        with self._changed:
            return self._printed.decode(errors="replace")

    @property
    def flash_operations(self) -> int:
        """Flash operations (erases and program calls) since power-on."""
        with self._changed:
            if self._hardware is None:
                return self._operations
            return self._hardware.registers.words[reg.OPS]

    @property
    def flash_counts(self) -> dict[str, int]:
        """Erases, program calls and programmed bytes since power-on, as in the `flash` event."""
        with self._changed:
            if self._hardware is not None:
                latest = self._hardware.counters()
            else:
                latest = next(e for e in reversed(self._events) if e["event"] == "flash")
            return {name: value for name, value in latest.items() if name != "event"}

    def wait_listening(self, timeout: float = 10) -> str:
        """Wait until the board listens, in the boot that is under way; returns its address.

        Raises:
            TimeoutError: it does not; the message ends with the console.
        """
        self._wait(
            lambda: self._hardware is not None and self._hardware.listening, "listen", timeout
        )
        return self.url

    def wait_event(self, name: str, timeout: float = 10, since: int = 0) -> Event:
        """Wait for the first event called *name* at or after position *since* of `events`.

        Raises:
            TimeoutError: none came; the message ends with the console.
        """

        def found() -> list[Event]:
            return [event for event in self._events[since:] if event["event"] == name]

        self._wait(lambda: bool(found()), f"report {name!r}", timeout)
        return found()[0]

    def wait_console(self, text: str, timeout: float = 10) -> str:
        """Wait until the board has printed *text*; returns the console.

        Raises:
            TimeoutError: it has not; the message ends with the console.
        """
        self._wait(lambda: text.encode() in self._printed, f"print {text!r}", timeout)
        return self.console()

    def _wait(self, ready: Callable[[], bool], what: str, timeout: float) -> None:
        end = time.monotonic() + timeout
        with self._changed:
            while not ready():
                if self._hardware is None:
                    raise TimeoutError(f"the board is off and did not {what}:\n{self._tail()}")
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(f"the board did not {what} in {timeout} s:\n{self._tail()}")

    def _tail(self) -> str:
        return self._printed[-4000:].decode(errors="replace")

    # What is done to it

    def press_bootsel(self, pressed: bool = True) -> None:
        """Hold the BOOTSEL button down, or let it go; for as long as this object lives."""
        with self._changed:
            self._bootsel = pressed
            if self._hardware is not None:
                self._hardware.registers.words[reg.BOOTSEL] = pressed

    @property
    def access_point(self) -> tuple[str, str] | None:
        """Name and password of the board's own access point; None while it has none.

        The password is empty where it is an open one.
        """
        with self._changed:
            return None if self._hardware is None else self._hardware.radio.access_point

    def set_wifi(self, **changes: Any) -> None:
        """Change what the radio finds: the fields of `pico_ota.sim.radio.Air`.

        Holds over resets and restarts; is in force on return.
        """
        for name in changes:
            if not hasattr(self._air, name):
                raise TypeError(f"unknown Wi-Fi setting {name!r}")
        done = threading.Event()

        def change() -> None:
            for name, value in changes.items():
                setattr(self._air, name, value)

        with self._changed:
            hardware = self._hardware
            if hardware is None:
                change()
                return

            def order() -> None:
                change()
                hardware.radio.changed()
                done.set()

            hardware.change(order)
        done.wait(5)

    # Called from the board's thread

    def _event(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()
        if self._on_event is not None:
            self._on_event(event)

    def _print(self, data: bytes) -> None:
        with self._changed:
            self._printed += data
            if len(self._printed) > _CONSOLE_MAX:
                del self._printed[: len(self._printed) - _CONSOLE_MAX // 2]
            self._changed.notify_all()
        if self._on_console is not None:
            self._on_console(data)
        if not self._quiet:
            sys.stderr.write(data.decode(errors="replace"))


def _checked_heap(heap: str | None) -> str | None:
    if heap is None:
        return None
    match = _HEAP.fullmatch(heap)
    if match is None:
        raise SimError(f"{heap!r} is no size of a heap: a number, with K or M after it: 200K")
    if int(match[1]) * {"": 1, "K": 1024, "M": 1024 * 1024}[match[2].upper()] < _HEAP_MIN:
        raise SimError(f"a heap of {heap} is too small to boot: {_HEAP_MIN // 1024}K or more")
    return heap


def _id_of(image: Path) -> bytes:
    # Those of most boards begin with e6, by their flash chip; the rest tells two images apart.
    return b"\xe6" + hashlib.sha256(os.fsencode(image.resolve())).digest()[:7]


def _locked(image: Path) -> int:
    try:
        fd = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise SimError(f"cannot write the flash image {image}: {error.strerror}") from error
    for _ in range(20):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # The process of another board may have been born with it, and not have closed it yet.
            time.sleep(0.05)
        else:
            return fd
    os.close(fd)
    raise SimError(f"the flash image {image} is in use by another simulator")
