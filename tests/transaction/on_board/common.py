"""What the tests share: a board on a flash in RAM, and how to expect a refusal."""

import io
import os

import world
from ramflash import RamFlash

import ota_boot
from ota import reasons
from ota.errors import Refused

OLD = {
    "/boot.py": world.BOOT,
    "/ota_boot.py": b"supervisor = None\ndef load():\n return {}\nrun = save = restart = load\n",
    "/main.py": b"print('main 1')\n" * 60,
    "/lib/a.py": b"A = 1\n" * 200,
    "/lib/b.py": b"B = 1\n",
    "/lib/gone.py": b"GONE = 1\n" * 20,
    "/data/log.txt": b"of the application\n",
}


def changed():
    """Return OLD after an update that replaces, adds and deletes."""
    new = dict(OLD)
    new["/main.py"] = b"print('main 2')\n" * 50
    new["/lib/a.py"] = b"A = 2\n" * 300
    new["/lib/new/c.py"] = b"C = 2\n"
    del new["/lib/gone.py"]
    return new


def board(files=None, blocks=96, version="1.0"):
    """Return a flash with *files* on it, mounted and booted."""
    flash = RamFlash(blocks)
    world.mount(flash, fresh=True)
    world.write_tree(files or OLD)
    if version:
        os.mkdir("/.ota")
        record = ota_boot.load()
        record["version"] = version
        ota_boot.save(record)
    world.power_on(flash)
    return flash


def refused(status, word, call, *args):
    """Call and expect a refusal; return it."""
    try:
        call(*args)
    except Refused as error:
        assert (error.status, error.word) == (status, word), (error.status, error.word, error)
        assert len(error.message) > 20
        return error
    raise AssertionError("not refused: %s %s" % (status, word))


def installed(flash, new=None, old=None, version="2.0", trial=True):
    """Update to the files *new* and boot."""
    world.update(version, old or OLD, new or changed(), trial)
    world.power_on(flash)


def live():
    """Return the live files."""
    return world.tree()[0]


def main(script, name):
    # The host's files are out of reach once the flash is mounted at `/`.
    with open(reasons._PLACES[0]) as catalogue:
        text = catalogue.read()
    reasons.open = lambda path: io.StringIO(text)
    getattr(__import__(script), name)()
    world.unmount()
    print("passed")
