"""What the board starts with, `boot.py` and the guard: would a new one start?"""

import os
from micropython import const

from ota.errors import Refused

_MAX_START = const(32768)  # it is read and compiled whole


def check(path, content):
    """Raise Refused(422) if *content* would not start as *path*, /boot.py or /ota_boot.py.

    *content* is the path of the file that is to be *path*. A boot.py that cannot be compiled would
    not even call the guard, and nothing could undo it.
    """
    if os.stat(content)[6] > _MAX_START:
        raise Refused(422, "boot_too_large", path, _MAX_START)
    try:
        with open(content) as file:
            text = file.read()
        if path == "/boot.py" and not guard_first(text.split("\n")):
            raise Refused(422, "boot_without_guard")
        compile(text, path, "exec")
    except (SyntaxError, ValueError) as error:
        raise Refused(422, "boot_syntax", path, error)


def guard_first(text):
    """Return True if *text*, a line iterator over boot.py, calls the guard before all else."""
    wanted = ["import ota_boot", "ota_boot.run()"]
    for line in text:
        code = line.split("#", 1)[0].replace(";", " ; ").split()
        while code:
            if code[0] == ";":
                code.pop(0)
                continue
            words = wanted[0].split()
            if code[: len(words)] != words:
                return False
            code = code[len(words) :]
            if code and code[0] != ";":
                return False
            wanted.pop(0)
            if not wanted:
                return True
    return False
