"""The boards that can be simulated, and what one of them is made of."""

from __future__ import annotations

from dataclasses import dataclass

from pico_ota.sim.ports import Port
from pico_ota.sim.radio import Air

BLOCK = 4096
"""Bytes in one erase block of the flash chip."""

PAGE = 256
"""Bytes in one program page of the flash chip."""


@dataclass(frozen=True)
class Board:
    """What differs between the boards."""

    name: str
    number: int
    blocks: int
    """Erase blocks of the file system: `mpconfigboard.cmake` of the MicroPython board."""
    heap: str
    """As much heap as objects of 64 bits need for what the board's (200 and 450 KB) holds."""

    @property
    def size(self) -> int:
        """Bytes of the flash image."""
        return self.blocks * BLOCK


BOARDS = {
    board.name: board
    for board in (
        Board("pico_w", 0, 212, "400K"),  # 848 KiB at flash offset 0x12C000
        Board("pico2_w", 1, 640, "900K"),  # 2560 KiB at 0x180000
    )
}


def heap_of(name: str) -> str | None:
    """The heap of the board *name*, None for one that there is not."""
    return BOARDS[name].heap if name in BOARDS else None


@dataclass(frozen=True)
class Setup:
    """What a board is made of."""

    board: Board
    image_fd: int
    port: Port
    unique_id: bytes
    air: Air
    heap: str | None = None
    """MicroPython's `-X heapsize=`; None: its default of 2 MB."""
    cut_after: int = 0
    """The flash operation, counted from power-on, in which the power fails; 0: none."""
    tear_half: bool = False
    flash_timing: bool = False
