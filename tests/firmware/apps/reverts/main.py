# An update without a network: staged, committed, on trial, dead, and undone by the guard.
import asyncio
import hashlib
import json
import machine
from binascii import hexlify

import ota
from service_ota import OTAUpdateService

NEW = b"raise ValueError('the new program is broken')\n"


class Wifi:
    ip = "127.0.0.1"

    def is_connected(self):
        return False


class Source:
    """The body of a request, all of it here."""

    def __init__(self, data):
        self._data = data

    def take(self, view):
        return 0

    async def readinto(self, view):
        count = min(len(view), len(self._data))
        view[:count], self._data = self._data[:count], self._data[count:]
        return count


def ask(method, path, data):
    """Let the handler of a route answer, as the server would."""
    server, request = ota.load("server"), ota.load("request")
    head = request.Head(method, path, 1)
    head.length = len(data)
    head.source = Source(data)
    service = OTAUpdateService(Wifi(), trial_deadline_s=20)
    return asyncio.run(server.respond(service, head))[0]


def entry(name, text):
    """Return a description as the one entry of an archive."""
    form = "07070200000000000081A4%016d00000001%08d%08X%032d%08X%08X%s\0"
    fields = (0, 0, len(text), 0, len(name) + 1, sum(text) & 0xFFFFFFFF, name)
    head = (form % fields).encode()
    return head + bytes(-len(head) % 4) + text + bytes(-len(text) % 4)


DESCRIPTION = """\
software =
{
version = "2.0.0";
pico-ota = {
format = 1;
micropython = "1.25.0";
trial = true;
files = 1;
bytes = %d;
deletes = 0;
delete = (
);
};
files = (
{ filename = "0001-main.py"; path = "/main.py"; sha256 = "%s"; size = %d; chksum = "%08X"; }
);
};
"""

status = ota.load("transaction").status()
if status["last"]:
    print("OUTCOME", status["last"]["outcome"], status["last"]["reason"])
    print("STATE", status["state"], status["version"])
else:
    sha = hexlify(hashlib.sha256(NEW).digest()).decode()
    text = (DESCRIPTION % (len(NEW), sha, len(NEW), sum(NEW))).encode()
    assert ask("POST", "/api/v1/update", entry("sw-description", text)) == 201
    assert ask("PUT", "/api/v1/update/files/main.py", NEW) == 201
    assert ask("POST", "/api/v1/update/commit", json.dumps({"restart": False}).encode()) == 202
    print("COMMITTED")
    machine.reset()
