"""A flash chip in RAM with a Pico's geometry and real rules, whose power can fail.

Every erase and every program call is one operation. They can be logged, so that the image at any
cut is built by replaying the log, and they can be cut for real, which proves the replay right.
"""

BLOCK = 4096
PAGE = 256

#: What of the operation that was cut has happened.
TEARS = ("none", "half", "garbage")


class PowerCut(BaseException):
    """The power failed; nothing after this reaches the flash, and no code goes on."""


class RamFlash:
    """A block device for VfsLfs2."""

    def __init__(self, blocks, data=None):
        self.blocks = blocks
        self.data = data if data is not None else bytearray(b"\xff" * (blocks * BLOCK))
        self.log = None  # a list collects (block, offset, bytes), bytes None for an erase
        self.operations = 0
        self.erases = 0
        self.pages = 0
        self.reads = 0
        self.read_bytes = 0
        self.copied = 0  # bytes programmed
        self.cut_at = None
        self.tear = "none"
        self.dead = False

    def readblocks(self, block, buf, offset=0):
        self.reads += 1
        self.read_bytes += len(buf)
        at = block * BLOCK + offset
        buf[:] = memoryview(self.data)[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        assert offset % PAGE == 0 and len(buf) % PAGE == 0, "not whole pages"
        self.pages += len(buf) // PAGE
        self.copied += len(buf)
        self._operate((block, offset, bytes(buf)))

    def ioctl(self, op, arg):
        if op == 4:
            return self.blocks
        if op == 5:
            return BLOCK
        if op == 6:
            self.erases += 1
            self._operate((arg, 0, None))
        return 0

    def _operate(self, operation):
        if self.dead:
            raise PowerCut()
        self.operations += 1
        if self.log is not None:
            self.log.append(operation)
        if self.operations == self.cut_at:
            self.dead = True
            apply(self.data, operation, self.tear)
            raise PowerCut()
        apply(self.data, operation)


def apply(data, operation, tear="all"):
    """Carry out *operation* on the image *data*, or as much of it as *tear* says."""
    block, offset, content = operation
    at = block * BLOCK + offset
    if tear == "none":
        return
    if content is None:
        half = BLOCK // 2 if tear != "all" else BLOCK
        data[at : at + half] = b"\xff" * half
        if tear == "garbage":  # bits on their way to 1
            for index in range(at + half, at + BLOCK, 7):
                data[index] |= index * 37 & 0xFF
        return
    size = len(content)
    for byte in (at, at + size // 2, at + size - 1):
        assert data[byte] == 0xFF or tear != "all", "programmed without an erase"
    half = size // 2 if tear != "all" else size
    data[at : at + half] = content[:half]
    if tear == "garbage":  # bits on their way to 0
        for index in range(half, size, 5):
            data[at + index] &= content[index] | (index * 53 & 0xFF)
