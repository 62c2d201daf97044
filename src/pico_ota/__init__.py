"""The host side of pico-ota: command line, release builder and simulated Pico."""

__version__ = "0.2.0"
