"""A board on trial: an application that takes orders, an update, and its outcome."""

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from traceback import format_exc

import httpx

from pico_ota.devicefiles import compile_tree, device_files
from pico_ota.mpy import compiled_name
from pico_ota.pack import packed
from pico_ota.release.archive import checksum, pack
from pico_ota.release.description import Description, ListedFile, archive_name
from pico_ota.shrink import shrink
from pico_ota.sim import SimulatedPico
from pico_ota.sim.image import read_tree, write_files

AUTH = ("admin", "otapico")
HEADERS = {"X-Requested-With": "tests"}

APP = """
import asyncio, json, os, sys, time
import machine, network
from manager_wifi import WiFiManager
from service_ota import OTAUpdateService

wifi = WiFiManager("test-net", "test-password", "pico-test")
verdicts = []  # what before_install answers, first one first
calls = []

def before_install(version):
    calls.append(("before", version))
    return verdicts.pop(0) if verdicts else None

def after_install(version):
    calls.append(("after", version))

def on_progress(path, received, size):
    if path != "/order":
        calls.append((path, received, size))

def answer(value):
    with open("/answer", "w") as file:
        json.dump(value, file)

options = dict(before_install=before_install, after_install=after_install, on_progress=on_progress)
options.update(dict(OPTIONS))

class Quiet(OTAUpdateService):
    # Orders and answers are files, and shall not count as changed by hand.
    changed = property(lambda self: ("/order",), lambda self, value: None)

service = Quiet(wifi, **options)
feed = None

async def main():
    await service.start()
    while True:
        await asyncio.sleep_ms(50)
        if feed:
            feed()
        if "order" in os.listdir("/"):
            with open("/order") as file:
                order = file.read()
            os.remove("/order")
            exec(order)

asyncio.run(main())
"""


def app(**options):
    """The text of main.py with these options of the service; short limits unless given."""
    options = {"trial_deadline_s": 6, "confirm_after_s": 1, **options}
    return APP.replace("OPTIONS", ", ".join(f"{k}={v!r}" for k, v in options.items())).encode()


DEVICE = Path(__file__).parents[2] / "device"


def patched(changes):
    """The device files that change, path -> (old, new) text in its source, for `files`."""
    sources = {}
    for path, (old, new) in changes.items():
        text = (DEVICE / path[1:]).read_text()
        assert text.count(old) == 1, f"{path} has changed: {old!r}"
        sources[path] = text.replace(old, new)
    return repacked(sources)


def repacked(sources):
    """The device files that change when the modules have these, path -> source, for `files`."""
    texts = {f"/{p.relative_to(DEVICE)}": p.read_text() for p in DEVICE.rglob("*.py")}
    assert set(sources) <= set(texts)
    short = shrink({**texts, **sources})
    modules = {path: text.encode() for path, text in short.items() if compiled_name(path) != path}
    before = device_files()
    after = packed(compile_tree(modules, lines=False))
    return {path: data for path, data in after.items() if before.get(path) != data}


def describe(files, delete=(), version="2.0.0", trial=True):
    """The description of an update to *files*, path -> content."""
    paths = sorted(files, key=str.encode)
    listed = [
        ListedFile(
            archive_name(number, path),
            path,
            hashlib.sha256(files[path]).hexdigest(),
            len(files[path]),
            checksum(files[path]),
        )
        for number, path in enumerate(paths, 1)
    ]
    gone = sorted(delete, key=str.encode)
    return Description(version, tuple(listed), tuple(gone), trial=trial).render()


def head_of(*arguments, **options):
    """The head of the archive of an update, as describe() has it."""
    return pack([("sw-description", describe(*arguments, **options))])


#: What else is on the board, for an update to replace, delete and leave alone.
DATA = {
    "/lib/x.py": b"x = 1\n",
    "/lib/deep/er/y.py": b"y = 1\n" * 300,
    "/data/old.txt": b"old" * 500,
    "/zeta.txt": b"in the root",
    "/keep.bin": bytes(range(256)) * 20,
}
#: Beside the file that is on trial: replaced, added, deleted, in folders and in the root.
CHANGES = {
    "/lib/x.py": b"x = 2\n",
    "/lib/deep/er/y.py": b"y = 2\n" * 200,
    "/new/folder/z.py": b"z = 1\n",
    "/zeta.txt": b"in the root, but new",
    "/beta.txt": b"also new",
}
DELETED = ["/data/old.txt"]


class Scenarios:
    """Functions that wait most of the time, and so are run at the same time.

    Decorate each: `@scenario()`, or more than once with what it gets beside *make_board*.
    """

    def __init__(self):
        self._all = []

    def __call__(self, *arguments):
        def add(function):
            name = " ".join(str(part)[:60] for part in (function.__name__, *arguments))
            self._all.append((name, function, arguments))
            return function

        return add

    def run(self, make_board, part, parts):
        """Run every *parts*-th, and fail with what went wrong in all of them.

        To look at one alone, put a part of its name into the environment as SCENARIO.
        """
        wanted = os.environ.get("SCENARIO", "")

        def run(entry):
            name, function, arguments = entry
            try:
                function(make_board, *arguments)
            except Exception:
                return f"{name}: {format_exc()[-3000:]}"
            return None

        with ThreadPoolExecutor(20) as pool:
            chosen = [entry for entry in self._all[part::parts] if wanted in entry[0]]
            wrong = list(filter(None, pool.map(run, chosen)))
        assert not wrong, "\n\n".join(wrong)


class Board:
    """A SimulatedPico and a client of it that bears restarts."""

    def __init__(self, image, files, **options):
        write_files(image, files)
        self.image = image
        self._requests = []
        self.pico = SimulatedPico(image, **options)
        self.before = self.tree()
        # A board that has restarted knows nothing of a connection that was kept.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.Client(auth=AUTH, headers=HEADERS, timeout=20, limits=limits)

    def __getattr__(self, name):
        return getattr(self.pico, name)

    def tree(self):
        """Every file of the image but ours; the board is off."""
        return {p: d for p, d in read_tree(self.image).items() if not p.startswith("/.ota/")}

    def ours(self):
        """The files below `/.ota/`; the board is off."""
        return {p: d for p, d in read_tree(self.image).items() if p.startswith("/.ota/")}

    def write(self, files):
        """Change the image by hand; the board is off."""
        write_files(self.image, files)

    def damage(self, path):
        """Change some bytes in the middle of a file; the board is off."""
        data = bytearray(read_tree(self.image)[path])
        middle = len(data) // 2
        data[middle : middle + 4] = b"\xff\0\xff\0"
        write_files(self.image, {path: bytes(data)})

    def changed(self):
        """The paths that are not as they were at first."""
        after = self.tree()
        return {p for p in {*self.before, *after} if self.before.get(p) != after.get(p)}

    def request(self, method, path, **options):
        self._requests.append(method)
        return self.client.request(method, self.url + path, **options)

    def request_count(self, method):
        """How many requests of this kind were sent."""
        return self._requests.count(method)

    def status(self):
        return self.request("GET", "/api/v1/status").json()

    def wait_saved(self):
        """Wait for what a good start leaves: settings for rescue mode."""
        end = time.monotonic() + 30
        self.wait_listening(30)
        while not self.order("answer(service.good_ms is None)"):
            assert time.monotonic() < end, self.console()[-1500:]
            time.sleep(0.2)

    def wait_status(self, ready, timeout=40, every=0.25):
        """The first status that *ready* says yes to; restarts in between are borne."""
        end, last = time.monotonic() + timeout, None
        while time.monotonic() < end:
            with suppress(httpx.HTTPError, json.JSONDecodeError):
                last = self.status()
                if "state" in last and ready(last):  # else it says why it has none
                    return last
            time.sleep(every)
        raise TimeoutError(f"{last}\n{self.events}\n{self.console()[-1500:]}")

    def order(self, code, answered=True):
        """Let the application execute *code*; returns what it passes to `answer`."""
        if answered:
            self.request("DELETE", "/fs/answer")
        assert self.request("PUT", "/fs/order", content=code.encode()).is_success
        end = time.monotonic() + 20
        while answered:
            found = self.request("GET", "/fs/answer")
            if found.status_code == 200:
                self.request("DELETE", "/fs/answer")
                return found.json()
            assert time.monotonic() < end, self.console()[-1500:]
            time.sleep(0.05)
        return None

    def stage(self, files, delete=(), version="2.0.0", trial=True):
        """Begin an update and send what is needed; returns the answer to the beginning."""
        head = head_of(files, delete, version, trial)
        begun = self.request("POST", "/api/v1/update", content=head)
        assert begun.status_code == 201, begun.text
        for path in begun.json()["need"]:
            put = self.request("PUT", "/api/v1/update/files" + path, content=files[path])
            assert put.status_code == 201, put.text
        return begun.json()

    def commit(self, **body):
        return self.request("POST", "/api/v1/update/commit", json=body)

    def update(self, files, delete=(), version="2.0.0", trial=True):
        """An update up to the restart that is about to come."""
        self.stage(files, delete, version, trial)
        answer = self.commit()
        assert answer.status_code == 202, answer.text

    def outcome(self, timeout=40):
        """Wait until the update has come to its end, and return the status."""
        return self.wait_status(lambda s: s["state"] == "idle" and s["last"], timeout)

    def boots(self, since=0):
        """How the board restarted, one word each."""
        return [e["cause"] for e in self.events[since:] if e["event"] == "boot"]
