"""The other end of on_board/board.py: a device in a process of MicroPython."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MICROPYTHON = Path(sys.executable).with_name("micropython")


class Device:
    """Takes archives in, each time as a board that has never seen one."""

    def __init__(self, live, blocks=212):
        path = [str(HERE / "on_board"), str(ROOT / "device"), ".frozen"]
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [MICROPYTHON, "-X", "heapsize=8M", str(HERE / "on_board" / "board.py")],
            env={**os.environ, "MICROPYPATH": ":".join(path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self.live = {path: hashlib.sha256(data).hexdigest() for path, data in live.items()}
        files = {path: data.hex() for path, data in live.items()}
        self.ask("format", files=files, blocks=blocks)

    def ask(self, op, archive=b"", **more):
        """Return the answer to a request, whatever it is."""
        request = {"op": op, "size": len(archive), **more}
        self._process.stdin.write(json.dumps(request).encode() + b"\n" + archive)
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line.startswith(b"{"):
            rest = line + self._process.stdout.read()
            raise RuntimeError(f"the board died: {rest.decode()[-2000:]}")
        answer = json.loads(line)
        if "crash" in answer:
            self._errors.seek(0)
            raise RuntimeError(f"{answer['crash']}: {self._errors.read().decode()[-2000:]}")
        return answer

    def take(self, archive, fresh=True, **more):
        """Return the answer to an archive; *fresh* puts the flash back as it was first."""
        if fresh:
            self.ask("reset")
        return self.ask("take", archive, **more)

    def look(self):
        """Return the state, what is live and what of the updater's is left."""
        return self.ask("look")

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
        self._errors.close()
