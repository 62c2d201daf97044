"""A board that is told over stdin what to take in: one process for many hundred archives.

Each request is a line of JSON and, where "size" says so, that many bytes behind it; the answer is
a line of JSON. The file system is a littlefs of a Pico's size in RAM, put back before each case.
"""

import gc
import json
import sys
import vfs
from binascii import unhexlify

BLOCK = 4096


class RamFlash:
    def __init__(self, blocks):
        self.data = bytearray(b"\xff" * (blocks * BLOCK))
        self.erases = 0

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
            self.erases += 1
            self.data[arg * BLOCK : (arg + 1) * BLOCK] = b"\xff" * BLOCK
        return 0


DEVICE = next(path for path in sys.path if path.endswith("/device"))
# The host's files are out of reach once the flash is mounted at "/", but for these.
vfs.mount(vfs.VfsPosix(DEVICE), "/rom")
sys.path[:] = ["/rom", ".frozen"]

import ota  # noqa: E402
import ota_boot  # noqa: E402
from ota import (  # noqa: E402
    arrivals,
    current,
    flash,
    keyring,
    release,
    release_resume,
    staging,
    startup,
    transaction,
    tree,
    version,
)
from ota.errors import Refused  # noqa: E402

chip = None
pristine = None
TOP = {"/.ota/state", "/.ota/history"}  # what stays of the updater when nothing is under way


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
    ota.close_writers()
    staging._cursor = ("", 0)
    current._sound = None


def format(files, blocks):
    global chip, pristine
    chip = RamFlash(blocks)
    vfs.VfsLfs2.mkfs(chip, progsize=256)
    mount()
    for path in sorted(files):
        ota_boot.make_parents(path)
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


def contents(private=False):
    """Return {path: digest} of what is live, or of what is ours in /.ota."""
    found = {}
    for name, is_dir, _ in list(tree.entries("/")):
        if name == "rom" or (name == ".ota") != private:
            continue
        for path in [p for p, _ in tree.walk("/" + name)] if is_dir else ["/" + name]:
            found[path] = flash.digest(path)
    return found


def look():
    status = transaction.status()
    return {
        "state": status["state"],
        "version": status["version"],
        "floor": status["floor"],
        "last": status["last"],
        "live": contents(),
        "left": sorted([path for path in contents(True) if path not in TOP]),
        "half": release_resume.pending(),
    }


class Spy:
    """A module, which tells what was called of it."""

    def __init__(self, module, calls):
        self._module = module
        self._calls = calls

    def __getattr__(self, name):
        self._calls.append(name)
        return getattr(self._module, name)


SPIED = ("opening", "current", "staging", "commit")


def watch(function, *arguments):
    """Call *function* and return what it called of the transaction."""
    calls = []
    let_go = ota.let_go
    for name in SPIED:
        sys.modules["ota." + name] = Spy(ota.load(name), calls)
    release.let_go = ota.let_go = lambda *names: None
    try:
        function(*arguments)
    except Refused:
        pass
    finally:
        release.let_go = ota.let_go = let_go
        for name in SPIED + ("release_plan", "release_files"):
            sys.modules.pop("ota." + name, None)
    return calls


def reader_for(request):
    return release.Reader(
        request.get("keys"),
        required=request.get("required", False),
        board=request.get("board", "RPI_PICO_W"),
        min_version=request.get("floor"),
    )


def take(request, archive):
    """Feed *archive* to a Reader; "stop" ends it early as a lost connection does."""
    reader = reader_for(request)
    if "offset" in request:
        reader.resume(request["offset"])
        archive = archive[request["offset"] :]
    chunk = request.get("chunk", 1000)
    stop = request.get("stop", len(archive))
    at = 0
    idle = 0
    while at < stop:
        count = reader.feed(archive[at : min(at + chunk, stop)])
        idle = 0 if count else idle + 1
        if idle > 20000:
            raise RuntimeError("no progress")
        at += count
    if stop < len(archive):
        reader.pause()
        return {"paused": reader.received}
    reader.finish()
    staged = {}
    for kind, name, _, _, path in arrivals.entries():
        staged[path] = flash.digest(path if kind == "=" else ota_boot.NEW + "/" + name)
    answer = {"version": reader.version, "signer": reader.signer, "staged": staged}
    if request.get("commit"):
        transaction.commit()
        reader.close()
        boot()
    else:
        reader.abort()
    return answer


def boot():
    """A restart: what the guard does before the application runs."""
    restart()
    ota_boot._ran = False
    ota_boot.repair()


def start():
    """What the service does at its start."""

    class Service:
        auth = ("admin", "secret")
        wifi_service = None
        log = print_nothing

    ota.started = True
    try:
        startup.run(Service()).send(None)
    except StopIteration:
        pass


def print_nothing(*_):
    pass


def peak(request, archive):
    """Measure the heap that taking in the archive needs, in bytes of this port."""
    gc.collect()
    before = gc.mem_alloc()
    highest = 0
    reader = reader_for(request)
    at = 0
    number = 0
    while at < len(archive):
        at += reader.feed(archive[at : at + 1000])
        number += 1
        if number % request.get("every", 7) == 0:
            gc.collect()
            highest = max(highest, gc.mem_alloc() - before)
    reader.finish()
    reader.abort()
    return {"peak": highest}


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
            start()
            return {}
        if op == "confirm":
            transaction.confirm()
            return {}
        if op == "rollback":
            transaction.rollback()
            boot()
            return {}
        if op == "push":
            # An update of several files that no release stands for.
            draft = transaction.begin("0.0.1")
            draft.add_file("/pushed.py", 3, request["sha"])
            return {"id": draft.seal()}
        if op == "write":
            ota_boot.make_parents(request["path"])
            with open(request["path"], "wb") as out:
                out.write(unhexlify(request["data"]))
            return {}
        if op == "abort":
            transaction.abort()
            return {}
        if op == "calls":
            return {"calls": watch(take, request, archive)}
        if op == "look":
            return look()
        if op == "peak":
            return peak(request, archive)
        if op == "compare":
            return {"sign": version.compare(request["one"], request["other"])}
        if op == "keys":
            return {"ids": [key.id for key in keyring.load(request.get("keys"))]}
        return take(request, archive)
    except Refused as error:
        return {"word": error.word, "status": error.status, "message": error.message,
                "extra": error.extra}  # fmt: skip
    except ValueError as error:
        return {"value_error": str(error)}


def main():
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
