"""`mpremote mip install` onto a board that is only in memory, without a network."""

import importlib.util
import re
from pathlib import Path

from mpremote import mip


class Board:
    """A board as mpremote sees it: {path: content} in *files*."""

    def __init__(self):
        self.files = {}
        self._folders = {"/"}

    def fs_exists(self, path):
        """Tell whether a file or folder is there."""
        return re.sub("/+", "/", path) in self._folders | set(self.files)

    def fs_mkdir(self, path):
        """Make a folder."""
        self._folders.add(re.sub("/+", "/", path))

    def fs_writefile(self, path, data, progress_callback=None):
        """Write a file."""
        self.files[re.sub("/+", "/", path)] = data


class _Answer:
    """What a server sends: Microdot as it is installed here."""

    def __init__(self, url):
        self.url = url

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self):
        """Return the file."""
        return Path(importlib.util.find_spec("microdot.microdot").origin).read_bytes()


def install(monkeypatch, package, target="/lib"):
    """Return (files on the board, addresses asked) after mip has installed *package*.

    *package* is as on the command line, with "@" and a version behind it or not.
    """
    asked = []

    def urlopen(url):
        asked.append(url)
        return _Answer(url)

    monkeypatch.setattr(mip.urllib.request, "urlopen", urlopen)
    board = Board()
    package, _, version = package.partition("@")
    mip._install_package(board, package, "", target, version or None, True)
    return board.files, asked
