"""A simulated Raspberry Pi Pico W: real MicroPython on a real littlefs flash image.

The board's process is MicroPython itself; the supervisor around it, `hardware.py`, is the
board's hardware.
"""

from pico_ota.sim.errors import SimError
from pico_ota.sim.pico import SimulatedPico

__all__ = ["SimError", "SimulatedPico"]
