"""A board that is told over stdin what to take in: one process for many hundred archives.

Each request is a line of JSON and, where "size" says so, that many bytes behind it; the answer is
a line of JSON. The file system is a littlefs of a Pico's size in RAM, put back before each case.
"""

import asyncio
import gc
import json
import os
import sys
import vfs
from binascii import unhexlify

BLOCK = 4096


class RamFlash:
    def __init__(self, blocks):
        self.data = bytearray(b"\xff" * (blocks * BLOCK))

    def readblocks(self, block, buf, offset=0):
        at = block * BLOCK + offset
        buf[:] = memoryview(self.data)[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        at = block * BLOCK + offset
        self.data[at : at + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // BLOCK
        if op == 5:
            return BLOCK
        if op == 6:
            self.data[arg * BLOCK : (arg + 1) * BLOCK] = b"\xff" * BLOCK
        return 0


DEVICE = next(path for path in sys.path if path.endswith("/device"))
# The host's files are out of reach once the flash is mounted at "/", but for these.
vfs.mount(vfs.VfsPosix(DEVICE), "/rom")
sys.path[:] = ["/rom", ".frozen"]

# Nothing here asks for the network.
sys.modules["network"] = sys

import ota  # noqa: E402
import ota_boot  # noqa: E402
from ota import changes, commit, conditions, flash, record, transaction, trust  # noqa: E402
from ota.errors import Gone, Refused  # noqa: E402
from ota.request import Head  # noqa: E402
from ota.server import find  # noqa: E402

chip = None
pristine = None
TOP = {"/.ota/state", "/.ota/history"}  # what stays of the updater when nothing is under way


class Service:
    """What the handlers ask of an OTAUpdateService."""

    auth = ("admin", "secret")
    basic = True
    name = "pico"
    wifi_service = None
    allowed_hosts = ()
    before_install = on_progress = None
    mode = "normal"
    boot_id = "0"
    trial_deadline_s = 180
    confirm_after_s = 30
    public_key = min_version = None
    require_signed = decided = False
    lease = upload = buffer = staged = None
    changed = ()
    port = wanted_port = 8080

    def log(self, text):
        pass


class Received:
    """What a client sends: bytes in pieces of *chunk*, which may end early."""

    def __init__(self, data, chunk, stop):
        self._data = data
        self._chunk = chunk
        self._stop = stop
        self._at = 0
        self.left = len(data)

    def take(self, view):
        return 0

    async def readinto(self, view):
        if self._at == self._stop and self.left:
            raise Gone(104)
        count = min(len(view), self._chunk, self._stop - self._at)
        view[:count] = self._data[self._at : self._at + count]
        self._at += count
        self.left -= count
        return count


def mount():
    restart()
    while True:
        try:
            vfs.umount("/")
        except OSError:
            break
    vfs.mount(vfs.VfsLfs2(chip, progsize=256), "/")


def restart():
    """What a restart of the board forgets."""
    transaction._sound = None
    Service.decided = False
    Service.lease = None
    global service
    service = Service()
    changes.restart = lambda service, mode="normal": {"boot_id": "0", "restart_ms": 1000}


def format(files, blocks):
    global chip, pristine
    chip = RamFlash(blocks)
    vfs.VfsLfs2.mkfs(chip, progsize=256)
    mount()
    for path in sorted(files):
        record.make_parents(path)
        with open(path, "wb") as out:
            out.write(unhexlify(files[path]))
    pristine = bytes(chip.data)


def reset():
    while True:
        try:
            vfs.umount("/")
        except OSError:
            break
    chip.data[:] = pristine
    mount()


def digest(path):
    with open(path, "rb") as source:
        return asyncio.run(flash.digest(source))


def contents(private=False):
    """Return {path: digest} of what is live, or of what is ours in /.ota."""
    found = {}
    for name, is_dir, _ in list(flash.entries("/")):
        if name == "rom" or (name == ".ota") != private:
            continue
        for path in [p for p, _ in flash.walk("/" + name)] if is_dir else ["/" + name]:
            found[path] = digest(path)
    return found


def look():
    status = transaction.status()
    return {
        "state": status["state"],
        "version": status["version"],
        "id": status["id"],
        "floor": status["floor"],
        "last": status["last"],
        "live": contents(),
        "left": sorted([path for path in contents(True) if path not in TOP]),
    }


def ask(method, target, data=b"", chunk=1000, stop=None, headers=()):
    """Return what the handler answers to a request: {"status", ...}."""
    head = Head(method, target, 1)
    head.headers = dict(headers)
    head.length = len(data)
    head.source = Received(data, chunk, len(data) if stop is None else stop)
    module, function = find(head, service.require_signed)
    status, body, _ = asyncio.run(getattr(ota.load(module), function)(service, head))
    if body is None:
        body = {}
    elif not isinstance(body, dict):
        body = json.loads(b"".join(list(body)))
    body["status"] = status
    return body


def prepare(request):
    """Make the device the one that *request* tells of."""
    Service.public_key = request.get("keys")
    Service.require_signed = request.get("required", Service.public_key is not None)
    Service.min_version = request.get("floor")
    conditions.board_name = lambda: request.get("board", "RPI_PICO_W")
    if request.get("force"):
        service.lease = None


def take(request, archive):
    """Send *archive* as one request; "stop" ends it early as a lost connection does."""
    prepare(request)
    try:
        answer = ask("PUT", "/api/v1/update", archive, request.get("chunk", 1000),
                     request.get("stop"))  # fmt: skip
    except Gone:
        return {"gone": True}
    staged = {}
    for kind, name, _, _, _, path in record.lines(record.PLAN):
        if kind in transaction.FILES:
            where = path if kind == "=" else record.NEW + "/" + name
            if record.exists(where):
                staged[path] = digest(where)
    answer["staged"] = staged
    if request.get("commit"):
        ask("POST", "/api/v1/update/commit")
        boot()
    elif not request.get("keep"):
        transaction.abort()
    return answer


def boot():
    """A restart: what the guard does before the application runs."""
    restart()
    ota_boot._ran = False
    ota_boot.run(False)
    if ota_boot.supervisor is not None:
        ota_boot.supervisor.stop()
        ota_boot.supervisor = None


def peak(request, archive):
    """Measure the heap that taking in the archive needs, in bytes of this port."""
    prepare(request)
    gc.collect()
    before = gc.mem_alloc()
    highest = [0]
    every = request.get("every", 7)
    count = [0]
    readinto = Received.readinto

    async def measured(self, view):
        count[0] += 1
        if count[0] % every == 0:
            gc.collect()
            highest[0] = max(highest[0], gc.mem_alloc() - before)
        return await readinto(self, view)

    Received.readinto = measured
    try:
        ask("PUT", "/api/v1/update", archive)
    finally:
        Received.readinto = readinto
    transaction.abort()
    return {"peak": highest[0]}


def answer_to(request, archive):
    op = request["op"]
    try:
        if op == "format":
            format(request["files"], request.get("blocks", 212))
            return {}
        if op == "reset":
            reset()
            return {}
        if op == "boot":
            boot()
            return {}
        if op == "confirm":
            transaction.confirm()
            return {}
        if op == "rollback":
            transaction.rollback()
            boot()
            return {}
        if op == "ask":
            prepare(request)
            return ask(request["method"], request["target"], archive, stop=request.get("stop"),
                       headers=request.get("headers", {}))  # fmt: skip
        if op == "write":
            record.make_parents(request["path"])
            with open(request["path"], "wb") as out:
                out.write(unhexlify(request["data"]))
            return {}
        if op == "remove":
            os.remove(request["path"])
            return {}
        if op == "abort":
            transaction.abort()
            return {}
        if op == "look":
            return look()
        if op == "peak":
            return peak(request, archive)
        if op == "compare":
            for text in (request["one"], request["other"]):
                if not conditions.parse(text):
                    raise ValueError(text)
            return {"sign": conditions.compare(request["one"], request["other"])}
        if op == "keys":
            return {"ids": [key.id for key in trust.load(request.get("keys"))]}
        return take(request, archive)
    except Refused as error:
        return {"word": error.word, "status": error.status, "message": error.message,
                "extra": error.extra}  # fmt: skip
    except Gone:
        return {"gone": True}
    except ValueError as error:
        return {"value_error": str(error)}


def main():
    # One phase would unload another's modules; here all stay, so that they can be looked at.
    ota.use = lambda name, goes_on=False: ota.load(name)
    assert commit
    source = sys.stdin.buffer
    while True:
        line = source.readline()
        if not line:
            return
        request = json.loads(line)
        size = request.get("size", 0)
        archive = memoryview(source.read(size)) if size else memoryview(b"")
        try:
            answer = answer_to(request, archive)
        except Exception as error:
            sys.print_exception(error, sys.stderr)
            answer = {"crash": repr(error)}
        del archive
        gc.collect()
        print(json.dumps(answer))


main()
