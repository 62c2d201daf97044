"""``python -m pico_ota.cli``."""

from . import run

run()
