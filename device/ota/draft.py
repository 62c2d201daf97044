"""A draft: the manifest of an update on its way into a plan on flash, entry by entry."""

import hashlib
import os
from binascii import hexlify

from ota import load, manifest, space
from ota.errors import Refused
from ota.flash import companion, digest_steps, kind
from ota.plan import DRAFT, Seen, find, in_root, line

_GUARDS = ("/ota_boot.py", "/ota_boot.mpy")
_RECENT = 8  # directories remembered, so that a folder's files do not search the plan


class Draft:
    """Takes the files and deletions of one update; close() ends it, sealing.py goes on from there.

    *version*, *trial* and *floor* may be set at any time before. With *compare* it is only
    compared with what is staged already: nothing is written, nothing needs a check. *count* is
    how many entries there are at most.
    """

    def __init__(self, version=None, trial=True, floor=None, compare=False, count=1000):
        self.version = version
        self.trial = trial
        self.floor = floor
        self.count = 0
        self.compare = compare
        self._sum = bytearray(8)
        self._seen = Seen(count)
        self._made = []
        self._dirs = 0
        self._guards = {path: kind(path) is not None for path in _GUARDS}
        self._any_delete = False
        self.need = space.RESERVE  # sixteenths of a block, at the worst moment
        self._out = None if compare else open(DRAFT, "wb")

    # entries

    def add_file(self, path, size, sha):
        """Enter a file to be installed; see file_steps()."""
        for _ in self.file_steps(path, size, sha):
            pass

    def file_steps(self, path, size, sha):
        """Enter a file to be installed, yielding while the live one is hashed.

        Raises Refused when the entry breaks a rule or contradicts an earlier one.
        """
        size, sha = manifest.check_file(path, size, sha)
        name = self._enter("file %d %s %s" % (size, sha, path))
        if self.compare:
            return
        self._once(path)
        other = companion(path)
        if other and "f" + other in self._seen and self._find(other, "aArR="):
            raise Refused(400, "both_forms", path, other)
        for step in self._live(path, size, sha):
            yield step
        does = self._does
        if does != "=":
            self.need += space.cost(size)
        elif path == "/boot.py":
            from ota import start

            start.check(path, path)
        if does == "R":
            self.need += space.cost(os.stat(path)[6])
        if path in self._guards:
            self._guards[path] = True
        self._write(does, name, size, sha, path)
        if not other or kind(other) != "file":
            return
        if not (self._seen.add("f" + other) and self._find(other, "dD")):
            self._delete(name + "p", other)

    def add_delete(self, path):
        """Enter a file to be deleted; it need not be there. Raises Refused."""
        manifest.check_path(path)
        name = self._enter("delete - - %s" % path)
        if self.compare:
            return
        if path == "/boot.py":
            raise Refused(403, "protected/boot")
        if kind(path) == "folder":
            raise Refused(409, "is_directory/delete", path)
        if "f" + path in self._seen:
            entry = self._find(path, "dD")
            if entry and entry[1].endswith("p"):
                return  # a new form of this module retires it already
        self._once(path)
        self._delete(name, path)

    # rules

    def _enter(self, text):
        if self.count == manifest.MAX_ENTRIES:
            raise Refused(413, "too_many", manifest.MAX_ENTRIES)
        # A sum over all entries: the same manifest in another order is the same update.
        digest = hashlib.sha256(text.encode()).digest()
        for at in range(8):
            self._sum[at] ^= digest[at]
        name = "%03d" % self.count
        self.count += 1
        return name

    def _once(self, path):
        if self._seen.add("f" + path) and self._find(path, "aArRdD=-"):
            raise Refused(400, "duplicate/twice", path)

    def _live(self, path, size, sha):
        """Find out what installing *path* means, as self._does."""
        root = in_root(path)
        try:
            stat = os.stat(path)
        except OSError:
            if "m" + path in self._seen and self._find(path, "m"):
                raise Refused(400, "duplicate/folder", path)
            self._make_parents(path)
            self._does = "A" if root else "a"
            return
        if stat[0] & 0x4000:
            raise Refused(409, "is_directory/install", path)
        self._does = "R" if root else "r"
        if stat[6] == size:
            step = None
            for step in digest_steps(path):
                yield None
            if step == sha:
                self._does = "="

    def _make_parents(self, path):
        at = path.find("/", 1)
        while at > 0:
            folder = path[:at]
            if folder not in self._made and kind(folder) != "folder":
                self._make(folder)
            at = path.find("/", at + 1)

    def _make(self, folder):
        if kind(folder) or ("f" + folder in self._seen and self._find(folder, "aA")):
            raise Refused(409, "not_directory/parent", folder)
        if self._seen.add("m" + folder) and self._find(folder, "m"):
            return
        self._write("m", "m%d" % self._dirs, "-", "-", folder)
        self._dirs += 1
        self.need += space.DIRECTORY
        self._made.append(folder)
        if len(self._made) > _RECENT:
            self._made.pop(0)

    def _delete(self, name, path):
        if path in self._guards:
            self._guards[path] = False
        does = "-"
        if kind(path):
            does = "D" if in_root(path) else "d"
            if does == "D":
                self.need += space.cost(os.stat(path)[6])
            self.need += space.ENTRY
            self._any_delete = self._any_delete or not name.endswith("p")
        self._write(does, name, "-", "-", path)

    # the file

    def _write(self, does, name, size, sha, path):
        self._out.write(line(does, name, size, sha, path))

    def _find(self, path, kinds):
        # Rare: a real contradiction, or a false alarm of Seen.
        self._out.flush()
        return find(DRAFT, path, kinds)

    def drop(self):
        """Forget the draft; what was staged or kept before is untouched."""
        if self._out:
            self._out.close()
            self._out = None
            os.remove(DRAFT)

    def close(self):
        """End the plan: check what only the whole can tell. Raises Refused.

        Returns (version, trial, floor, session, need): *session* is the id of the session, the
        same for the same manifest, *need* what the update takes at the worst moment, in sixteenths
        of a block; None when it was only compared.
        """
        facts = (self.version, self.trial, self.floor, self._session())
        if self.compare:
            return facts + (None,)
        manifest.check_version(self.version)
        if not self.count:
            raise Refused(400, "empty")
        if True not in self._guards.values() and (kind(_GUARDS[0]) or kind(_GUARDS[1])):
            raise Refused(403, "protected/guard")
        self._out.close()
        if self._any_delete:
            self.need += load("records", "tree", "emptied").enter(DRAFT)
        self._out = None
        return facts + (self.need,)

    def _session(self):
        text = "%s %s %d" % (self.version, bool(self.trial), self.count)
        digest = hashlib.sha256(text.encode()).digest()
        return hexlify(bytes([a ^ b for a, b in zip(self._sum, digest)])).decode()
