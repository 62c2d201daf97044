"""`os` as the board has it: `uname` and `sync` are there, the host's environment is not."""
# ruff: noqa: F401 - what is imported is what `os` exports

from os import (
    VfsFat,
    VfsLfs2,
    chdir,
    getcwd,
    ilistdir,
    listdir,
    mkdir,
    mount,
    remove,
    rename,
    rmdir,
    sep,
    stat,
    statvfs,
    umount,
    unlink,
    urandom,
)

__name__ = "os"


def sync():
    """Do nothing: littlefs has no write-back cache to empty."""


def uname():
    """Return the same five fields as the rp2 port."""
    import sys
    from collections import namedtuple

    version = ".".join([str(n) for n in sys.implementation.version[:3]])
    fields = ("sysname", "nodename", "release", "version", "machine")
    machine = sys.implementation._machine
    return namedtuple("uname", fields)("rp2", "rp2", version, sys.version, machine)
