"""``python -m pico_ota.sim``: the same as ``pico-ota sim``."""

import sys

from pico_ota.cli.app import call

sys.exit(call(["sim", *sys.argv[1:]]))
