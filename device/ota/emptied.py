"""The folders that an update leaves empty: their last file is deleted, so they go with it."""

from ota import space
from ota.plan import Seen, find, in_root, line, parent
from ota.records import lines
from ota.tree import walk


def enter(draft):
    """Add the topmost of them to the plan at *draft*.

    Returns what the commit will take for that, in sixteenths of a block.
    """
    need = 0
    with open(draft, "ab") as out:
        for text in _lines(draft, out):
            out.write(text)
            need += space.DIRECTORY if text[:1] == b"X" else 0
    return need


def _lines(draft, out):
    checked = Seen()
    before = ""
    number = 0
    for does, _, _, _, path in lines(draft):
        if does != "d" or parent(path) == before:
            continue
        before = parent(path)
        at = path.find("/", 1)
        while at > 0:
            folder = path[:at]
            at = path.find("/", at + 1)
            if checked.add(folder):
                out.flush()
                if find(draft, folder, "xX"):
                    break
            if _loses_all(draft, folder):
                yield line("X" if in_root(folder) else "x", "x%d" % number, "-", "-", folder)
                number += 1
                break


def _loses_all(draft, folder):
    """Return True if the draft deletes every file below *folder* and adds none."""
    left = 0
    for _ in walk(folder):
        left += 1
    for does, _, _, _, path in lines(draft):
        if path.startswith(folder + "/"):
            if does == "d":
                left -= 1
            elif does != "-":
                return False
    return left == 0
