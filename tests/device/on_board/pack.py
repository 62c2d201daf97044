"""ota/__init__.py: a package whose modules lie in one file."""

import gc
import os
import sys

from harness import raises, read, write

PACK = b"a.mpy 0042 99999\n" + b"missing.mpy 0042 00000\n\n"


def packed():
    """Load the package anew, from a flash that has a pack."""
    source = read("/device/ota/__init__.py")
    here = b'__file__.endswith(".mpy")'  # which only a compiled one is
    assert source.count(here) == 1
    write("/ota/__init__.py", source.replace(here, b"True"))
    write("/ota/modules.pack", PACK)
    for name in list(sys.modules):
        if name == "ota" or name.startswith("ota."):
            del sys.modules[name]
    sys.path[:] = [""]
    import ota

    assert ota.__path__ == "/.r"
    return ota


def test_what_is_not_in_the_pack_is_no_module():
    ota = packed()
    raises(ImportError, ota.load, "nothing_like_this")


def test_a_walk_of_everything_finds_an_empty_folder():
    packed()
    assert list(os.ilistdir("/.r")) == []
    assert os.stat("/.r/")[0] & 0x4000
    raises(OSError, open, "/.r/nothing.mpy")
    for refused in (os.remove, os.rmdir, os.mkdir, os.chdir, os.statvfs):
        raises(OSError, refused, "/.r")
    assert os.getcwd() == "/"


def test_looking_for_modules_leaves_nothing_behind():
    # An exception that is raised again and again grows by each place where it was.
    ota = packed()
    for _ in range(20):
        raises(ImportError, ota.load, "nothing_like_this")
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(200):
        raises(ImportError, ota.load, "nothing_like_this")
    gc.collect()
    assert gc.mem_alloc() - before < 500
