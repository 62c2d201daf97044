"""A board in a few lines: mount an image at `/`, boot it, look at it, and drive an update."""

import gc
import os
import sys
import vfs

from ramflash import PowerCut, RamFlash


class Restart(BaseException):
    """The board was reset by its own code."""


class _Machine:
    """What the guard uses of `machine`."""

    @staticmethod
    def reset():
        raise Restart()


class _Prompt:
    @staticmethod
    def Watch(urgent=False):
        pass


class _Rescue:
    @staticmethod
    def run(why):
        rescues.append(why)


#: What the guard entered rescue mode for.
rescues = []
#: One entry for each time the guard restarted the board.
restarts = []
#: The watchdog's registers, by offset: none on this board unless a test puts some here.
registers = None


sys.modules["machine"] = _Machine

import ota  # noqa: E402
import ota_boot  # noqa: E402

# What runs beside the application is not what is proved here.
sys.modules["ota.prompt"] = ota.prompt = _Prompt
sys.modules["ota.rescue"] = ota.rescue = _Rescue
from ota import current, staging, transaction  # noqa: E402

# All of it now: then the flash is mounted in place of the host's files.
ota.load("start", "mpy", "emptied", "update", "commit", "replan", "manifest_reader")

BOOT = b"import ota_boot\nota_boot.run()\n"


class Dead(Exception):
    """The board does not come up: only a cable would help."""


#: Whether files get a time, as on the board.
mtime = True


def mount(flash, fresh=False):
    """Mount *flash* at `/` as the board's frozen _boot.py does.

    Only the read size is another, 256 for 32: what is written is the same, in a third of the time.
    """
    if fresh:
        vfs.VfsLfs2.mkfs(flash, progsize=256)
    unmount()
    vfs.mount(vfs.VfsLfs2(flash, readsize=256, progsize=256, mtime=mtime), "/")


def unmount():
    ota.writers.clear()
    ota.staged = None
    staging._cursor = ("", 0)
    current._sound = None
    while True:
        try:
            vfs.umount("/")
        except OSError:
            return


#: True: the guard is imported from the image, as the board does it; else it is the one loaded.
from_image = False


def _import_guard():
    for path in ("/ota_boot.py", "/ota_boot.mpy"):
        try:
            with open(path, "rb") as file:
                file.read(1)
            break
        except OSError:
            pass
    else:
        raise Dead("no guard to import")
    if not from_image:
        return ota_boot
    loaded = sys.modules.pop("ota_boot")
    path = list(sys.path)
    sys.path[:] = ["", "/lib"]
    try:
        return __import__("ota_boot")
    except Exception as error:
        raise Dead("the guard cannot be imported: %r" % error)
    finally:
        sys.path[:] = path
        sys.modules["ota_boot"] = loaded


def _no_supervisor(seconds):
    return None


def power_on(flash):
    """Boot *flash* until the application would run; returns what the guard said it ignored.

    Raises Dead when the board would stop at the prompt.
    """
    for _ in range(9):
        mount(flash)
        try:
            with open("/boot.py", "rb") as file:
                if not file.read().startswith(BOOT):
                    raise Dead("boot.py without the guard")
        except OSError:
            raise Dead("boot.py is missing")
        guard = _import_guard()
        guard._ran = False
        guard.ignored = None
        guard.changed = guard.trial_s = 0
        guard.registers = registers
        guard.Supervisor = _no_supervisor
        try:
            guard.run()
        except Restart:
            restarts.append(1)
            continue
        try:
            with open("/main.py", "rb") as file:
                file.read(1)
        except OSError:
            raise Dead("main.py is missing")
        return guard.ignored
    raise Dead("it restarts for ever")


def tree(top="/"):
    """Return ({path: content}, directories) of all live files, without what is ours."""
    found = {}
    folders = []
    pending = [top]
    while pending:
        folder = pending.pop()
        for entry in os.ilistdir(folder):
            path = (folder if folder != "/" else "") + "/" + entry[0]
            if path == "/.ota":
                continue
            if entry[1] == 0x4000:
                folders.append(path)
                pending.append(path)
            else:
                with open(path, "rb") as file:
                    found[path] = file.read()
    folders.sort()
    return found, folders


def write_tree(files):
    for path in sorted(files):
        ota_boot.make_parents(path)
        with open(path, "wb") as file:
            file.write(files[path])


def leftovers():
    """Return what of ours lies about although the record does not speak of it."""
    record = ota_boot.load()
    wanted = ["/.ota/state", "/.ota/history"]
    state = record["state"]
    if record["plan"]:
        wanted.append("/.ota/plan")
        try:
            for kind, name, _, _, _ in ota_boot.lines("/.ota/plan"):
                if state == "staging":
                    wanted.append("/.ota/new/" + name)
                if record["kept"] is not None and kind in "rRdDxX":
                    wanted.append("/.ota/old/" + name)
        except OSError:
            return ["no plan"]
    found = []
    pending = ["/.ota"]
    while pending:
        folder = pending.pop()
        try:
            for entry in os.ilistdir(folder):
                path = folder + "/" + entry[0]
                if path in ("/.ota/new", "/.ota/old"):
                    pending.append(path)
                elif path not in wanted:
                    found.append(path)
        except OSError:
            pass
    return found


# --- an update ---------------------------------------------------------------------------------


def sha256(data):
    import binascii
    import hashlib

    return binascii.hexlify(hashlib.sha256(data).digest()).decode()


def companion(path):
    if path.endswith(".mpy"):
        return path[:-3] + "py"
    return path[:-2] + "mpy" if path.endswith(".py") else None


def begin(version, old, new, trial=True, force=False):
    """Begin the update from the files *old* to the files *new*."""
    draft = transaction.begin(version, trial=trial, force=force)
    enter(draft, old, new)
    return draft.seal()


def enter(draft, old, new):
    """Enter into *draft* what leads from the files *old* to the files *new*."""
    for path in sorted(new):
        draft.add_file(path, len(new[path]), sha256(new[path]))
    for path in sorted(old):
        if path not in new and companion(path) not in new:
            draft.add_delete(path)


def send(path, data, offset=0, piece=1024):
    writer = transaction.open_file(path, offset)
    try:
        view = memoryview(data)
        for at in range(offset, len(data), piece):
            writer.write(view[at : at + piece])
        if not data:
            writer.write(view)
        return writer.close()
    except BaseException:
        writer.abandon()
        raise


def stage(new, most=None):
    """Send the files that are needed, at most *most* of them."""
    names = [(path, received) for path, _, received in transaction.needed()]
    for path, received in names[:most]:
        send(path, new[path], received)


def update(version, old, new, trial=True):
    """Stage and commit; the next power_on() puts it in place."""
    begin(version, old, new, trial)
    stage(new)
    transaction.commit()


__all__ = ("PowerCut", "RamFlash", "gc")
