"""What this board is called, as releases name boards: like MicroPython's builds."""

import sys

_MACHINES = (
    ("Pico 2 W", "RPI_PICO2_W"),
    ("Pico W", "RPI_PICO_W"),
)


def board_name(implementation=sys.implementation):
    """Return the name of the build, such as RPI_PICO_W, without its variant, or None."""
    build = getattr(implementation, "_build", "")
    if build.startswith("RPI_"):
        return build.split("-")[0]
    # Builds before 1.25 do not know their name, but all know the machine.
    machine = getattr(implementation, "_machine", "")
    for text, name in _MACHINES:
        if text in machine:
            return name
    return build or None
