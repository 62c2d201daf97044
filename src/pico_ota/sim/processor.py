"""The board's processor: a process that is MicroPython, and what the chip around it does.

Nothing is polled while nothing is due. The process writes the board's registers and pokes a wire;
deadlines are in the registers. What no program on a board can survive (reset, watchdog, power cut)
is a SIGKILL here.
"""

from __future__ import annotations

import json
import math
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from pico_ota.sim import registers as reg
from pico_ota.sim.boards import Setup
from pico_ota.sim.console import Console
from pico_ota.sim.radio import Radio

_CHILD = Path(__file__).parent / "child.py"
_ASK_FIRST_S = 0.001  # a board that computes answers sooner
_ASK_AGAIN_S = 0.005
_PROBE_S = 0.005  # for the listening socket of a board that starts
_PROBE_LATE_S = 0.05


class End(Enum):
    """Why the process is no more."""

    STOPPED = "stopped"
    POWER_CUT = "power cut"
    RESET = "machine.reset"
    SOFT_RESET = "soft reset"
    WATCHDOG = "watchdog"
    BOOTLOADER = "bootloader"
    LOCKED_UP = "locked up"
    CRASH = "crash"


_HALTS = {
    reg.RESET: End.RESET,
    reg.SOFT_RESET: End.SOFT_RESET,
    reg.POWER_CUT: End.POWER_CUT,
    reg.BOOTLOADER: End.BOOTLOADER,
}


class Wiring(Protocol):
    """What there is on the board before the processor is, and that it works on."""

    setup: Setup
    registers: reg.Registers
    radio: Radio
    console: Console
    engine: str
    """The program that is MicroPython."""
    rom_fd: int
    listening: bool
    wake_in: int
    """Readable when there are orders."""

    def event(self, event: dict[str, Any], /) -> None:
        """Tell what has happened."""

    def take_orders(self) -> End | None:
        """Carry out what has been ordered; returns how the board's life has to end, if it has."""

    def assign_ports(self) -> None:
        """Give the host's ports for those that the application has asked for."""


class Processor:
    """The process from one start of MicroPython to its end."""

    def __init__(self, hardware: Wiring) -> None:
        self._hardware = hardware
        self._words = hardware.registers.words
        self._longs = hardware.registers.longs
        self._started = time.monotonic()
        self._asked_for = 0  # the alarm that has been signalled
        self._asked = 0  # how often
        self._ask_again = 0.0
        self._dirty = self._words[reg.DIRTY]
        self._prompt = False
        self._gone = False
        self._deadline = 0  # of the watchdog, as it was seen last
        self._waited_before = 0.0  # what _waited_us() was then

    def run(self) -> End:
        """Start the process, serve it, and see to it that it is gone."""
        self._wire, their_wire = socket.socketpair()
        self._console, their_console = os.pipe()
        their_stdin, stdin = os.pipe()  # nobody types, but the end of input does not come either
        try:
            self._process = self._spawn(their_wire.fileno(), their_console, their_stdin)
        finally:
            their_wire.close()
            os.close(their_console)
            os.close(their_stdin)
        self._wire.setblocking(False)
        os.set_blocking(self._console, False)
        try:
            end = self._serve()
        finally:
            self._process.kill()
            self._process.wait()
            with suppress(BlockingIOError):
                while data := os.read(self._console, 65536):
                    self._hardware.console.feed(data)
            self._wire.close()
            os.close(self._console)
            os.close(stdin)
        if end is End.CRASH:
            self._hardware.event({"event": "crash", "status": self._process.returncode})
        return end

    def _spawn(self, wire: int, console: int, stdin: int) -> subprocess.Popen[bytes]:
        setup = self._hardware.setup
        given: dict[str, Any] = {
            "parent": os.getpid(),
            "registers": self._hardware.registers.fd,
            "flash": setup.image_fd,
            "wire": wire,
            "rom": self._hardware.rom_fd,
            "engine": self._hardware.engine,
            "heap": setup.heap,
        }
        return subprocess.Popen(
            [sys.executable, "-I", "-S", _CHILD, json.dumps(given)],
            stdin=stdin,
            stdout=console,
            stderr=console,
            pass_fds=[given[name] for name in ("registers", "rom", "flash", "wire")],
            # Ctrl-C in the terminal is for the supervisor, not for the board's own prompt.
            start_new_session=True,
        )

    def _serve(self) -> End:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wire, selectors.EVENT_READ, self._read_wire)
            selector.register(self._console, selectors.EVENT_READ, self._read_console)
            selector.register(self._hardware.wake_in, selectors.EVENT_READ, self._read_wake)
            while True:
                end = self._look()
                if end is not None:
                    return end
                for key, _ in selector.select(self._timeout()):
                    if not key.data():
                        selector.unregister(key.fileobj)

    # The three sources of news. They return False when there will be no more.

    def _read_wire(self) -> bool:
        with suppress(BlockingIOError):
            # The end of it is the end of the process, expected or not.
            self._gone = not self._wire.recv(4096)
        return not self._gone

    def _read_wake(self) -> bool:
        with suppress(BlockingIOError):
            os.read(self._hardware.wake_in, 4096)
        return True

    def _read_console(self) -> bool:
        # Not until it is empty: a board that prints for ever must not keep the rest from its turn.
        with suppress(BlockingIOError):
            data = os.read(self._console, 65536)
            self._hardware.console.feed(data)
            return bool(data)
        return True

    # One look at everything that may have changed or is due

    def _look(self) -> End | None:
        end = self._hardware.take_orders()
        if end is not None:
            return end
        if self._words[reg.HALT]:
            return _HALTS[self._words[reg.HALT]]
        if self._bites_at() <= _now_us():
            # RP2040 with MicroPython up to 1.28: nothing but power brings it back.
            asleep = self._words[reg.ASLEEP] and not self._words[reg.BOARD]
            return End.LOCKED_UP if asleep else End.WATCHDOG
        if self._gone:
            return End.CRASH
        self._hardware.radio.work()
        self._hardware.assign_ports()
        self._interrupt()
        self._report()
        return None

    def _bites_at(self) -> float:
        """Return when the watchdog bites, in microseconds; infinite when it is not armed.

        The time that the board's process had to wait for a processor is none of its own: on a
        busy computer every watchdog would bite otherwise.
        """
        deadline = self._longs[reg.WDT_DEADLINE]
        if not deadline:
            return math.inf
        waited = _waited_us(self._process.pid)
        if deadline != self._deadline:
            self._deadline, self._waited_before = deadline, waited
        return deadline + waited - self._waited_before

    def _timeout(self) -> float | None:
        due = []
        now, now_us = time.monotonic(), _now_us()
        alarm = self._longs[reg.ALARM]
        bites_at = self._bites_at()
        if bites_at < math.inf:
            due.append((bites_at - now_us) / 1e6)
        if alarm and not self._words[reg.IRQ_OFF]:
            again = self._ask_again if alarm == self._asked_for else now
            due.append((alarm - now_us) / 1e6 if alarm > now_us else again - now)
        if self._hardware.radio.due is not None:
            due.append(self._hardware.radio.due - now)
        if not self._hardware.listening and self._words[reg.PORTS]:
            due.append(_PROBE_S if now - self._started < 3 else _PROBE_LATE_S)
        # Rounded up: a selector without microseconds would return too early again and again.
        return max(0.0, min(due) + 0.0001) if due else None

    def _interrupt(self) -> None:
        # Level-triggered, until the board sets the next alarm: it may be busy with its flash.
        alarm = self._longs[reg.ALARM]
        if not alarm or self._words[reg.IRQ_OFF] or _now_us() < alarm:
            return
        now = time.monotonic()
        if alarm != self._asked_for:
            self._asked_for, self._asked = alarm, 0
        elif now < self._ask_again:
            return
        with suppress(OSError):
            self._wire.send(b"T")
        if self._asked:
            # The callback is queued by now, and the main thread sleeps in a system call.
            self._process.send_signal(signal.SIGALRM)
        self._ask_again = now + (_ASK_AGAIN_S if self._asked else _ASK_FIRST_S)
        self._asked += 1

    def _report(self) -> None:
        hardware = self._hardware
        port = hardware.setup.port
        if not hardware.listening and self._words[reg.PORTS] and port.is_listening():
            hardware.listening = True
            hardware.event({"event": "listening", "url": port.url})
        if self._words[reg.DIRTY] != self._dirty:
            self._dirty = self._words[reg.DIRTY]
            hardware.event({"event": "bug", "what": "flash programmed without erasing"})
        if self._words[reg.STAGE] == reg.PROMPT and not self._prompt:
            self._prompt = True
            self._read_console()  # what the program has printed comes before
            hardware.event({"event": "prompt"})


def _now_us() -> int:
    # The clock of MicroPython's time.ticks_us() on the unix port: CLOCK_MONOTONIC.
    return time.monotonic_ns() // 1000


def _waited_us(pid: int) -> float:
    """Return how long the threads of process *pid* were ready to run but did not, in all.

    The second number of schedstat, in nanoseconds (Linux, Documentation/scheduler/sched-stats).
    """
    waited = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, IndexError, ValueError):  # a thread that has just ended
            waited += int(task.read_text().split()[1])
    return waited / 1000
