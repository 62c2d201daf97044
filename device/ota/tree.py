"""Going through the folders of the live file system. Nothing here writes."""

import os
from micropython import const

_DIR = const(0x4000)


def join(folder, name):
    """Return the path of *name* in *folder*."""
    return folder + name if folder == "/" else folder + "/" + name


def entries(folder):
    """Yield (name, is_dir, size) of *folder* in name order; sizes of folders are 0."""
    for entry in os.ilistdir(folder):
        is_dir = entry[1] == _DIR
        yield entry[0], is_dir, 0 if is_dir or len(entry) < 4 else entry[3]


def walk(top):
    """Yield (path, size) of every file below *top*, without recursion."""
    pending = [top]
    while pending:
        folder = pending.pop()
        for name, is_dir, size in entries(folder):
            path = join(folder, name)
            if is_dir:
                pending.append(path)
            else:
                yield path, size
