"""Goes: the old name of pack.py, until everything that imports it says `pico_ota.pack`."""

from .pack import PACK as PACK
from .pack import packed as packed
from .pack import unpacked as unpacked
