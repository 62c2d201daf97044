"""Make this build's modules those of the board's firmware. Imported before every script."""

# Some of these are Python here, and would count where they are first imported. The board has C.
import binascii  # noqa: F401
import builtins
import collections  # noqa: F401
import hashlib  # noqa: F401
import io  # noqa: F401
import json  # noqa: F401
import machine  # noqa: F401
import network  # noqa: F401
import os
import random
import select  # noqa: F401
import socket  # noqa: F401
import struct  # noqa: F401
import sys
import time  # noqa: F401

# OSError carries WASI's error numbers here; the board's are those of littlefs and Linux.
_NUMBERS = {2: 13, 8: 9, 20: 17, 28: 22, 29: 5, 31: 21, 44: 2, 51: 28, 54: 20, 55: 39, 63: 1}


def _with_numbers(function):
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except OSError as error:
            raise OSError(_NUMBERS.get(error.errno, error.errno))  # noqa: B904

    return call


for _name in ("chdir", "ilistdir", "listdir", "mkdir", "remove", "rename", "rmdir", "stat"):
    setattr(os, _name, _with_numbers(getattr(os, _name)))
builtins.open = _with_numbers(open)


def _urandom(size):
    return bytes([random.getrandbits(8) for _ in range(size)])


_second = None  # the console's second end, held as the firmware holds it; nothing is told to it


def _dupterm(stream=None, index=0):
    global _second
    before, _second = _second, stream
    return before


os.urandom = _urandom
os.dupterm = _dupterm

# Releases are for a Pico W.
sys.modules["sys"] = __import__("_sys")

for _module in sys.modules.values():
    if hasattr(_module, "__file__"):
        del _module.__file__  # what is built into the firmware has none

# Keep what only this build brings along (inspect, functools, ...) out of reach.
sys.path[:] = ["/board", "", "/lib"]
