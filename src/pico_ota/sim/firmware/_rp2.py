"""`rp2` as the board has it, without PIO and DMA."""

from _chip import W
from _flash import Flash  # noqa: F401
from _network import country  # noqa: F401
from _numbers import _BOOTSEL

__name__ = "rp2"


def bootsel_button():
    """Return 1 while the BOOTSEL button is held down."""
    return W[_BOOTSEL]
