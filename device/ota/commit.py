"""The ends of an update: commit, abort, confirm and rollback, as requests.

The commit checks and prepares everything while it can still be refused, then one write decides.
"""

import asyncio
import os
import sys
from binascii import crc32
from micropython import const

from ota import changes, load, transaction
from ota import record as records
from ota.errors import Refused
from ota.flash import DIRECTORY, UNIT, check_room, companion, cost, digest_steps, entries, kind
from ota.names import real
from ota.record import NEW, OLD, PLAN, STARTS, exists, lines
from ota.transaction import CRITICAL, FILES, check_session, received

_LISTED = const(20)  # of missing files, in one answer
_MAX_START = const(32768)  # a boot.py is read and compiled whole
_TRIED = "/.g"
_FILE = (0x8000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
# What a start takes of the guard, and the service first of all.
_GUARD_HAS = ("run", "load", "save", "supervisor")


# --- requests -----------------------------------------------------------------------------------


async def commit(service, head):
    """Answer `POST /api/v1/update/commit`: the staged set goes live at the next start."""
    restart = (await head.json()).get("restart", True)
    async with changes.WriteLock(service, PLAN, 0):
        check_session(head)
        return 202, await go_live(service, restart), ()


async def abort(service, head):
    """Answer `DELETE /api/v1/update`: drop what is staged."""
    async with changes.WriteLock(service, PLAN, 0):
        check_session(head)
        transaction.abort()
    service.log("The update was dropped.")
    return 204, None, ()


async def confirm(service, head):
    """Answer `POST /api/v1/confirm`: keep the set on trial."""
    load("trial").confirm(service)
    record = transaction.load()
    return 200, {"state": record["state"], "version": record["version"]}, ()


async def rollback(service, head):
    """Answer `POST /api/v1/rollback`: bring the previous set back at once."""
    transaction.rollback()
    service.decided = True
    service.log("Rolling back.")
    answer = changes.restart(service)
    answer["state"] = "reverting"
    return 202, answer, ()


# --- the commit ---------------------------------------------------------------------------------


async def go_live(service, restart):
    """Commit what is staged, restart if *restart*, and return what the answer says.

    What the live files are may have changed since the description came, so it is looked at again.
    Raises Refused: 409 when files are missing or the application does not want it, 503 when it
    does not want it now, 507 when what is kept by copy does not fit.
    """
    record = transaction.load()
    state = transaction.after(record, "commit")
    if service.require_signed and record["signer"] is None:
        # It was staged before the device took signed releases only.
        raise Refused(403, "signed_only")
    # Nobody else comes in between: what the application is asked about is what goes live.
    await _ask_application(service, record["next"])
    if not await _still_fits():
        await load("planning").build_again(record)
    need = await _check()
    try:
        await _prepare(need)
    except OSError as error:
        records.empty(OLD)
        raise Refused(507, "no_space/copies", error)
    record["state"] = state
    record["previous"] = record["version"] or ""
    if not record["trial"]:
        # Nothing undoes it, as nothing undoes what is changed by hand.
        known = record["changed"] or "%d" % changes.proof_s(service)
        record["changed"] = "%s %s" % (known, record["next"])
    records.save(record)
    records.remove(load("console").TRACEBACK)  # of the set that is replaced
    service.decided = True
    service.log("Version %s goes live at the restart." % record["next"])
    answer = changes.restart(service) if restart else {"boot_id": service.boot_id}
    answer["state"] = "committed"
    answer["id"], answer["version"] = record["id"], record["next"]
    answer["signer"] = record["signer"]
    return answer


async def _ask_application(service, version):
    """Raise Refused when the application does not want *version*, or not now."""
    ask = service.before_install
    if ask is None:
        return
    try:
        verdict = ask(version)
        if hasattr(verdict, "send"):
            verdict = await verdict
        if verdict is None or verdict is True:
            return
        if verdict is not False and not isinstance(verdict, str):
            verdict = max(1, int(verdict))
    except MemoryError:
        raise
    except Exception as error:
        verdict = "before_install raised %r; rescue mode does not ask it" % error
    if verdict is False or isinstance(verdict, str):
        raise Refused(409, "refused_by_application/why", verdict or "it gave no reason")
    raise Refused(503, "delayed_by_application", verdict, retry_after=verdict)


async def _still_fits():
    """Return whether the live files are still as the plan found them."""
    retires = None  # the other form of the module before, which has to go with it
    made = "//"  # what paths in the last folder that is to be made begin with
    for does, name, size, sha, _, path in lines(PLAN):
        await asyncio.sleep_ms(0)
        if path.startswith(made):
            continue  # as that folder is missing
        here = kind(path)
        if does == "=" and transaction.is_once(name):
            fits = here == "file"
        elif does == "=":
            fits = here == "file" and os.stat(path)[6] == int(size)
            if fits:
                step = None
                for step in digest_steps(path):
                    await asyncio.sleep_ms(0)
                fits = step.encode() == sha
        elif does in "rRdD":
            fits = here == "file"
        else:
            fits = here == ("folder" if does in "xX" else None)
        if retires:
            fits = fits and path == retires and does in "dD"
        if not fits:
            return False
        if does == "m":
            made = path + "/"
        retires = companion(path) if does in FILES else None
        if retires and kind(retires) != "file":
            retires = None
    return retires is None


async def _check():
    """Return what is still to be made, in sixteenths of a block.

    Raises Refused when files are missing, or when the board would not start with them.
    """
    need = 0
    # All that is staged as one number, since a listing tells the sizes of all files for little
    # more than it takes to look one of them up.
    left = 0
    for name, is_dir, size in entries(NEW) if kind(NEW) == "folder" else ():
        left += 0 if is_dir else _sum(name, size)
    stays = kind(STARTS[0]) == "file"  # the boot.py that is live
    for does, name, size, _, _, path in lines(PLAN):
        await asyncio.sleep_ms(0)
        if does in "RD":
            need += cost(os.stat(path)[6])
        elif does == "X" or (does == "m" and not exists(NEW + "/" + name)):
            need += DIRECTORY
        if does in FILES and does != "=":
            left -= _sum(name, size)
            stays = stays and path != STARTS[0]
            if path in CRITICAL and received(name) == int(size):
                check_whole(path, NEW + "/" + name)
    if left:
        await _check_each()
    if stays:
        check_start(STARTS[0], STARTS[0])
    return need


def _sum(name, size):
    return crc32(b"%s %s" % (name, size)) & 0xFFFFF  # a thousand of them need no heap


async def _check_each():
    """Raise Refused when a file is missing."""
    missing = []
    count = 0
    for does, name, size, _, _, path in lines(PLAN):
        await asyncio.sleep_ms(0)
        if does in FILES and does != "=" and received(name) != int(size):
            count += 1
            if count <= _LISTED:
                missing.append(path)
    if count:
        raise Refused(409, "missing", count, need=missing, count=count)


async def _prepare(need):
    """Make all that needs room while it can still be refused: copies and folders.

    *need* is what they take. Raises Refused(507), OSError.
    """
    check_room(need + UNIT)
    for does, name, _, _, _, path in lines(PLAN) if need else ():
        if does in "RD":
            # At one go: littlefs would give the blocks of a file that the application replaces
            # meanwhile to others, also while they are copied.
            for _ in records.copy_steps(path, OLD + "/" + name):
                pass
        elif does == "m" and not exists(NEW + "/" + name):
            os.mkdir(NEW + "/" + name)
        elif does == "X":
            await _copy_folders(path, OLD + "/" + name)
        await asyncio.sleep_ms(0)


async def _copy_folders(top, twin):
    """Make the folder *twin*, and in it all folders below *top*."""
    pending = [""]
    for below in pending:  # grows as we go
        if not kind(twin + below):
            os.mkdir(real(twin + below))
        for name, is_dir, _ in entries(top + below):
            if is_dir:
                pending.append(below + "/" + name)
        await asyncio.sleep_ms(0)


# --- what the board starts with -----------------------------------------------------------------


def check_whole(path, content):
    """Raise Refused(422) when the file *content* would do harm as *path*, one of CRITICAL."""
    if path in STARTS:
        check_start(path, content)
    else:
        trust = load("trust")
        trust.check_size(path, os.stat(content)[6])
        with open(content, "rb") as file:
            # One that cannot be read would end all updates of this device.
            trust.parse(file.read())


def check_start(path, content):
    """Raise Refused(422) if the board would not start with the file *content* as *path*.

    *path* is one of STARTS. A boot.py that cannot be compiled would not even call the guard, and
    a guard that cannot be imported would undo nothing.
    """
    if os.stat(content)[6] > _MAX_START:
        raise Refused(422, "boot_too_large", path, _MAX_START)
    try:
        if path == STARTS[0]:
            with open(content) as file:
                text = file.read()
            if not guard_first(text.replace("\r", "\n").split("\n")):  # both end a line
                raise Refused(422, "boot_without_guard")
            compile(text, path, "exec")
        else:
            _try_guard(path, content)
    except (Refused, MemoryError):
        raise
    except Exception as error:
        raise Refused(422, "boot_syntax", path, error)


def _try_guard(path, content):
    """Import what is to be the guard: importing it does nothing yet."""
    import vfs  # the host has none, and only reads this module for guard_first()

    vfs.mount(_Tried(path[path.rfind(".") :], content), _TRIED)
    sys.path.insert(0, _TRIED)
    try:
        guard = __import__("ota_boot_tried")
        for name in _GUARD_HAS:
            getattr(guard, name)
        guard.load()
    finally:
        sys.path.remove(_TRIED)
        sys.modules.pop("ota_boot_tried", None)
        vfs.umount(_TRIED)


class _Tried:
    """A file system with one module, a staged file under another name."""

    def __init__(self, form, content):
        self._form = form
        self._content = content

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def stat(self, path):
        if path != "/ota_boot_tried" + self._form:
            raise OSError(2)
        return _FILE

    def open(self, path, mode):
        return open(self._content, mode)


def guard_first(text):
    """Return True if *text*, the lines of a boot.py, calls the guard before all else."""
    wanted = ["import ota_boot", "ota_boot.run()"]
    for line in text:
        code = line.split("#", 1)[0].replace(";", " ; ").split()
        while code:
            if code[0] == ";":
                code.pop(0)
                continue
            words = wanted[0].split()
            if code[: len(words)] != words:
                return False
            code = code[len(words) :]
            if code and code[0] != ";":
                return False
            wanted.pop(0)
            if not wanted:
                return True
    return False
