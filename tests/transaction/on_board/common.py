"""What the tests share: a board on a flash in RAM, and how to expect a refusal."""

import io
import os

import world
from ramflash import RamFlash

from ota import conditions, errors, record, transaction, trust
from ota.errors import Refused
from ota.flash import space

OLD = {
    "/boot.py": world.BOOT,
    "/ota_boot.py": b"supervisor = None\ndef load():\n return {}\nrun = save = load\n",
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
        now = record.load()
        now["version"] = version
        record.save(now)
    world.power_on(flash)
    return flash


def refused(status, word, call, *args):
    """Call and expect a refusal; return it."""
    try:
        call(*args)
    except Refused as error:
        assert (error.status, error.word) == (status, word), (error.status, error.word, error)
        assert len(error.message) > 20, error.args
        return error
    raise AssertionError("not refused: %s %s" % (status, word))


def installed(flash, new=None, old=None, version="2.0", trial=True):
    """Update to the files *new* and boot."""
    world.update(version, old or OLD, new or changed(), trial)
    world.power_on(flash)


def live():
    """Return the live files."""
    return world.tree()[0]


def row(number, path, data=b"12345", **other):
    """Return the line of file *number* in a description; *other* values replace the right ones."""
    fields = {
        "filename": world.entry_name(number, path),
        "path": path,
        "sha256": world.sha256(data),
        "size": len(data),
        "chksum": "%08X" % sum(data),
    }
    fields.update(other)
    form = '{ filename = "%s"; path = "%s"; sha256 = "%s"; size = %s; chksum = "%s"; }'
    return form % tuple(
        [fields[name] for name in ("filename", "path", "sha256", "size", "chksum")]
    )


def describe(rows=(), deletes=(), total=None, version="2.0", more=(), boards=(), trial="true"):
    """Return a description of the lines *rows* and the paths *deletes*, as they stand.

    *more* are lines in front of that of the trial, *total* is the number of bytes, by default 5
    for each row.
    """
    text = ["software =", "{", 'version = "%s";' % version]
    text.extend(boards)
    text.extend(("pico-ota = {", "format = 1;", 'micropython = "1.25.0";'))
    text.extend(more)
    text.append("trial = %s;" % trial)
    text.append("files = %d;" % len(rows))
    text.append("bytes = %d;" % (5 * len(rows) if total is None else total))
    text.append("deletes = %d;" % len(deletes))
    text.append("delete = (")
    text.append(",\n".join(['"%s"' % path for path in deletes]))
    text.extend((");", "};", "files = ("))
    text.append(",\n".join(rows))
    text.extend((");", "};"))
    return ("\n".join([line for line in text if line]) + "\n").encode()


def files_of(*paths):
    """Return the lines of files *paths* of five bytes each, numbered in this order."""
    return [row(number + 1, path) for number, path in enumerate(paths)]


def take(text, signature=None):
    """Send the head of an archive with the description *text* and return the answer."""
    head = world.archive(text)
    if signature is not None:
        out = bytearray(head)
        world._enter(out, 1, "000081A4", "sw-description.sig", signature)
        head = bytes(out)
    status, body = world.ask("POST", "/api/v1/update", head)
    assert status == 201, (status, body)
    assert body["id"] == world.sha256(text) and body["state"] == "staging"
    return body


#: What a description says of this board, once accept_signatures() was called.
BOARD = 'RPI_PICO_W = { hardware-compatibility = [ "1.0" ]; };'
#: As long as one of the key of accept_signatures().
SIGNATURE = b"s" * 256


def accept_signatures():
    """Make the board a Pico W with a public key to which every signature is right.

    This holds for the requests until the next power_on().
    """
    conditions.board_name = lambda: "RPI_PICO_W"
    trust.Key.verifies = lambda self, signature, digest: True
    form = {"alg": "rsa-pkcs1-sha256", "e": 65537, "n": "f" * 512}
    try:
        trust.Key(form)
    except Refused as error:
        form["id"] = error.args[1]
    world._the_service().public_key = form


def status():
    """Return what `GET /api/v1/status` tells of updates."""
    return transaction.status()


def untouched(previous=None):
    """Assert that a refused update left nothing, and not even the previous set gone."""
    now = status()
    assert (now["state"], now["previous"]) == ("idle", previous), now
    assert world.leftovers() == [], world.leftovers()
    assert not record.exists(record.DESCRIPTION)


def plan():
    """Return {path: kind} of the lines of the plan, and the paths in their order."""
    lines = list(record.lines(record.PLAN))
    return {fields[5]: fields[0] for fields in lines}, [fields[5] for fields in lines]


def name_of(path):
    """Return what the staged file for *path* is called, with its folder."""
    for fields in record.lines(record.PLAN):
        if fields[5] == path:
            return "/.ota/new/" + fields[1]
    raise KeyError(path)


def fill(spare):
    """Write a file so that *spare* blocks are free."""
    size = space()[0] - spare * 4096
    with open("/filler", "wb") as file:
        for _ in range(size // 4096):
            file.write(bytes(4096))
    while space()[0] // 4096 > spare:
        with open("/filler", "ab") as file:
            file.write(bytes(4000))


def fill_up():
    """Write a file until nothing is free, as an application does that logs too much."""
    with open("/more", "wb") as file:
        try:
            while True:
                file.write(bytes(4096))
                file.flush()
        except OSError:
            pass


def without_fillers():
    """Return the live files without those that only take room."""
    files = live()
    files.pop("/filler", None)
    files.pop("/more", None)
    return files


def main(script, name):
    # The host's files are out of reach once the flash is mounted at `/`.
    with open(errors._PLACES[0]) as catalogue:
        text = catalogue.read()
    errors.open = lambda path: io.StringIO(text)
    getattr(__import__(script), name)()
    world.unmount()
    print("passed")
