# A board at a serial port, as mpremote sees it: MicroPython's raw prompt on standard input and
# output, and a littlefs with the geometry of a Pico W at "/". Runs under MicroPython.
import io
import os
import sys
import vfs


class Flash:
    def __init__(self, blocks):
        self.blocks = [None] * blocks

    def readblocks(self, number, buf, offset=0):
        block = self.blocks[number]
        for at in range(len(buf)):
            buf[at] = 255 if block is None else block[offset + at]

    def writeblocks(self, number, buf, offset=None):
        if self.blocks[number] is None or offset is None:
            self.blocks[number] = bytearray(b"\xff" * 4096)
        offset = offset or 0
        self.blocks[number][offset : offset + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.blocks)
        if op == 5:
            return 4096
        if op == 6:
            self.blocks[arg] = None
            return 0


class machine:
    @staticmethod
    def reset():
        raise SystemExit


source, out = sys.stdin.buffer, sys.stdout.buffer
folder = sys.argv[1] if len(sys.argv) > 1 else None
given = []
if folder:
    # What is on the board already: read before the board's own file system takes the root.
    for name in os.listdir(folder):
        with open(folder + "/" + name, "rb") as f:
            given.append((name, f.read()))
flash = Flash(212)
vfs.VfsLfs2.mkfs(flash, progsize=256)
vfs.mount(vfs.VfsLfs2(flash, progsize=256), "/board")
os.chdir("/board")
vfs.umount("/")
vfs.mount(vfs.VfsLfs2(flash, progsize=256), "/")
vfs.umount("/board")
os.chdir("/")
sys.path[:] = ["", "/lib"]
sys.modules["machine"] = machine
for name, data in given:
    with open("/" + name, "wb") as f:
        f.write(data)

WINDOW = 2048
BANNER = b"raw REPL; CTRL-B to exit\r\n"


def take():
    """Read a command: plain until Ctrl-D, or in raw-paste mode."""
    text = bytearray()
    while True:
        byte = source.read(1)
        if byte == b"\x05" and not text:
            source.read(2)
            out.write(b"R\x01" + bytes((WINDOW & 255, WINDOW >> 8)))
            return paste()
        if byte == b"\x04":
            return text, b"OK"
        if byte == b"\x01":
            out.write(BANNER + b">")
            text = bytearray()
        elif byte in (b"\x02", b"\x03", b"\r") and not text:
            pass
        else:
            text.extend(byte)


def paste():
    text = bytearray()
    while True:
        byte = source.read(1)
        if byte == b"\x04":
            return text, b"\x04"
        text.extend(byte)
        if len(text) % WINDOW == 0:
            out.write(b"\x01")


scope = {"__name__": "__main__"}
out.write(BANNER)
while True:
    out.write(b">")
    command, answer = take()
    if not command:  # Ctrl-D alone: soft reset
        scope = {"__name__": "__main__"}
        out.write(b"OK\r\nMPY: soft reboot\r\n" + BANNER)
        continue
    out.write(answer)
    problem = b""
    try:
        exec(bytes(command).decode(), scope)
    except SystemExit:
        sys.exit()
    except Exception as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        problem = text.getvalue().encode()
    out.write(b"\x04" + problem + b"\x04")
