"""A board in a few lines: mount an image at `/`, boot it, look at it, and drive an update."""

import asyncio
import binascii
import gc
import hashlib
import json
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


class _Console:
    @staticmethod
    def begin(urgent):
        pass

    TRACEBACK = "/.ota/traceback"


class _Rescue:
    @staticmethod
    def begin(why):
        rescues.append(why)


#: What the guard entered rescue mode for.
rescues = []
#: One entry for each time the guard restarted the board.
restarts = []
#: The watchdog's registers, by offset: none on this board unless a test puts some here.
registers = None
#: Offsets of the reason for the restart, and of the register that a hint is left in.
REASON, SCRATCH = 0x08, 0x28


sys.modules["machine"] = _Machine
sys.modules["network"] = _Machine  # nobody joins one here

import ota  # noqa: E402
import ota_boot  # noqa: E402

# What runs beside the application is not what is proved here.
sys.modules["ota.console"] = ota.console = _Console
sys.modules["ota.rescue"] = ota.rescue = _Rescue

# All of it now: then the flash is mounted in place of the host's files. And it stays.
ota.busy = 2
_MODULES = (
    "updates trust conditions description planning staging commit files api server body chip"
)
for _name in _MODULES.split(" "):
    ota.load(_name)
from ota import record, request, server, staging, transaction  # noqa: E402


async def _no_sleep(ms):
    pass


# Nobody else runs here.
asyncio.sleep_ms = _no_sleep

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
    global service
    service = None
    transaction._sound = None
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


def _no_supervisor(*_):
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
        guard.ignored = guard.supervisor = None
        guard._changed, guard._trial_s, guard._by_hand = False, 0, False
        guard.chip._memory = registers
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
        record.make_parents(path)
        with open(path, "wb") as file:
            file.write(files[path])


def leftovers():
    """Return what of ours lies about although the record does not speak of it."""
    now = record.load()
    # The service clears away what was arriving when it starts.
    wanted = ["/.ota/state", "/.ota/history", "/.ota/~incoming", "/.ota/description"]
    if now["plan"]:
        wanted.append("/.ota/plan")
        try:
            for kind, name, _, _, _, _ in record.lines("/.ota/plan"):
                if now["state"] == "staging":
                    wanted.append("/.ota/new/" + name)
                if now["previous"] is not None and kind in "rRdDxX":
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


def promised():
    """Return (version, files) of the previous set as far as it is kept, or None without one.

    The files that have not gone yet are not among them.
    """
    now = record.load()
    if now["previous"] is None:
        return None
    found = {}
    for kind, name, _, _, _, path in record.lines(record.PLAN):
        if kind in "rRdD":
            try:
                with open("/.ota/old/" + name, "rb") as file:
                    found[path] = file.read()
            except OSError:
                found[path] = None
    return now["previous"], found


# --- requests ----------------------------------------------------------------------------------


class Service:
    """What the handlers use of OTAUpdateService."""

    def __init__(self):
        self.auth = ("admin", "otapico")
        self.allowed_hosts = self.notes = ()
        self.name = self.host = "board"
        self.require_signed = False
        self.public_key = self.min_version = self.before_install = self.on_progress = None
        self.trial_deadline_s = 180
        self.confirm_after_s = 30
        self.changed = ()
        self.lease = self.upload = self.buffer = self.staged = None
        self.readers = []
        self.decided = False
        self.boot_id = "boot"
        self.mode = "normal"
        self.uptime_ms = 0
        self.basic = True
        self.login = None
        self.lines = []

    def restart_soon(self, mode):
        return {"boot_id": self.boot_id}

    def log(self, line):
        self.lines.append(line)


class Sent:
    """The body of a request that arrives in pieces; it breaks off where *data* ends."""

    def __init__(self, data, piece=1024):
        self._data = memoryview(data)
        self._piece = piece

    def take(self, view):
        return 0

    async def readinto(self, view):
        count = min(len(view), len(self._data), self._piece)
        view[:count] = self._data[:count]
        self._data = self._data[count:]
        return count


#: What all requests share since the board was switched on, see service_ota.py; None before.
service = None


def _the_service():
    global service
    if service is None:
        service = Service()
        server.Server(service)
    return service


def finish(coroutine):
    """Run what waits for nothing to its end, and return what it returns."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def ask(method, target, data=b"", length=None, piece=1024, **headers):
    """Return (status, body) of the answer to a request; *data* is what comes of *length* bytes.

    Raises Refused.
    """
    head = request.Head(method, target, 1)
    head.headers = {name.replace("_", "-"): value for name, value in headers.items()}
    head.length = len(data) if length is None else length
    head.source = Sent(data, piece)
    status, body, _ = finish(server.respond(_the_service(), head))
    if body is not None and not isinstance(body, dict):
        body = json.loads(b"".join(list(body)))
    return status, body


# --- an update ---------------------------------------------------------------------------------


def sha256(data):
    return binascii.hexlify(hashlib.sha256(data).digest()).decode()


def companion(path):
    if path.endswith(".mpy"):
        return path[:-3] + "py"
    return path[:-2] + "mpy" if path.endswith(".py") else None


def by_path(paths):
    """Return *paths* in the order of a description: by the bytes of their UTF-8."""
    return sorted(paths, key=lambda path: path.encode())


def description(version, old, new, trial=True):
    """Return the text that asks for the way from the files *old* to the files *new*."""
    gone = [path for path in old if path not in new and companion(path) not in new]
    text = ["software =", "{", 'version = "%s";' % version, "pico-ota = {", "format = 1;"]
    text.append('micropython = "1.25.0";')
    text.append("trial = %s;" % ("true" if trial else "false"))
    text.append("files = %d;" % len(new))
    text.append("bytes = %d;" % sum([len(data) for data in new.values()]))
    text.append("deletes = %d;" % len(gone))
    text.append("delete = (")
    text.extend(_parted(['"%s"' % path for path in by_path(gone)]))
    text.extend((");", "};", "files = ("))
    rows = []
    for number, path in enumerate(by_path(new)):
        data = new[path]
        fields = (entry_name(number + 1, path), path, sha256(data), len(data), sum(data))
        row = '{ filename = "%s"; path = "%s"; sha256 = "%s"; size = %d; chksum = "%08X"; }'
        rows.append(row % fields)
    text.extend(_parted(rows))
    text.extend((");", "};"))
    return ("\n".join(text) + "\n").encode()


def _parted(rows):
    return [row + "," for row in rows[:-1]] + rows[-1:]


def entry_name(number, path):
    safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
    stem = "".join([char if char in safe else "_" for char in path[path.rfind("/") + 1 :]])
    return "%04d-%s" % (number, stem[-48:])


def archive(text, new=None):
    """Return the archive of the description *text*, with the files *new*, or only its head."""
    entries = [("sw-description", text)]
    if new is not None:
        for number, path in enumerate(by_path(new)):
            entries.append((entry_name(number + 1, path), new[path]))
    out = bytearray()
    for index, (name, data) in enumerate(entries):
        _enter(out, index, "000081A4", name, data)
    if new is not None:
        _enter(out, 0, "00000000", "TRAILER!!!", b"")
        out.extend(bytes(-len(out) % 512))
    return bytes(out)


def _enter(out, index, mode, name, data):
    plain = mode == "00000000"
    form = "070702%08X%s%016d00000001%08d%08X%032d%08X%08X"
    check = 0 if plain else sum(data) & 0xFFFFFFFF
    out.extend((form % (index, mode, 0, 0, len(data), 0, len(name) + 1, check)).encode())
    out.extend(name.encode() + b"\0")
    out.extend(bytes(-len(out) % 4))
    out.extend(data)
    out.extend(bytes(-len(out) % 4))


def begin(version, old, new, trial=True, force=False):
    """Begin the update from the files *old* to the files *new*, and return its id."""
    if force:
        _the_service().lease = None
    head = archive(description(version, old, new, trial))
    status, body = ask("POST", "/api/v1/update", head)
    assert status == 201, body
    return body["id"]


def send(path, data, offset=0, upto=None, piece=1024):
    """Send the file *path* from byte *offset* on, as far as *upto*."""
    end = len(data) if upto is None else min(upto, len(data))
    headers = {}
    if offset or end < len(data):
        headers["content_range"] = "bytes %d-%d/%d" % (offset, end - 1, len(data))
    target = "/api/v1/update/files" + path
    return ask("PUT", target, memoryview(data)[offset:end], piece=piece, **headers)


def needed():
    """Return [(path, bytes that are here)] of the files that are still needed."""
    return [(path, here) for path, _, here, wanted in staging.files() if wanted]


def stage(new, most=None, upto=None):
    """Send the files that are needed, at most *most* of them, each only up to byte *upto*."""
    for path, here in needed()[:most]:
        send(path, new[path], here, None if upto is None else here + upto)


def commit():
    """Decide that what is staged goes live at the next start."""
    status, body = ask("POST", "/api/v1/update/commit", b'{"restart": false}')
    assert status == 202, body


def abort():
    """Drop what is staged."""
    ask("DELETE", "/api/v1/update")


def rollback():
    """Decide that the previous set comes back."""
    transaction.rollback()


def send_archive(version, old, new, trial=True, query="?commit=yes&restart=no"):
    """Send it all in one request, which decides, too."""
    whole = archive(description(version, old, new, trial), new)
    return ask("POST", "/api/v1/update" + query, whole)


def update(version, old, new, trial=True):
    """Stage and commit; the next power_on() puts it in place."""
    begin(version, old, new, trial)
    stage(new)
    commit()


__all__ = ("PowerCut", "RamFlash", "gc")
