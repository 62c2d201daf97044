"""Stand-ins for boards: the part of docs/http.md that an update needs, with an outcome to choose.

A description is read and every file is checked against it as a board does it; a restart takes no
time, and the trial is as long as `looks_on_trial` looks.
"""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from pico_ota.digest import secret_of, sha256
from pico_ota.release.description import Parser

CONFIRM, REVERT, REFUSE, SILENT, OFF, LOCKED = (
    "confirm",
    "revert",
    "refuse",
    "silent",
    "off",
    "401",
)
BREAKS = (REVERT, SILENT)
SECRET = secret_of("admin", "otapico")
CHALLENGE = 'Digest realm="pico-ota", qop="auth,auth-int", algorithm=SHA-256, nonce="n0"'


class StubBoard:
    """One board at a free port of this computer."""

    def __init__(self, name):
        self.name = name
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client may hang up in mid-answer
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.reset()

    def reset(self, outcome=CONFIRM, version="1.0.0", looks_on_trial=0):
        self.outcome = outcome
        self.looks_on_trial = looks_on_trial
        self.version = version
        self.previous = None
        self.state = "idle"
        self.boots = 1
        self.history = []
        self.commits = 0
        self.gone = False
        self.listed = None
        self.missing = set()
        self.files = {}
        self.gate = None  # an Event that a transfer waits for

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def status(self):
        if self.state == "trial":
            if self.looks_on_trial:
                self.looks_on_trial -= 1
            else:
                self._settle()
        return {
            "version": self.version,
            "state": self.state,
            "mode": "normal",
            "boot_id": f"b{self.boots}",
            "name": self.name,
            "board": "Raspberry Pi Pico W with RP2040",
            "micropython": "1.28.0",
            "mpy": 4870,
            "uptime_s": 7,
            "previous": self.previous,
            "trial": {"attempt": 1, "attempts": 3, "remaining_s": 3}
            if self.state == "trial"
            else None,
            "last": self.history[0] if self.history else None,
            "history": self.history,
        }

    def begin(self, head):
        text = _description(head)
        self.listed = Parser(text, signed=b"sw-description.sig" in head).finish()
        self.missing = {
            file.path for file in self.listed.files if self.files.get(file.path) != file.sha256
        }
        self.state = "staging"
        self.previous = None
        return {
            "id": hashlib.sha256(text).hexdigest(),
            "version": self.listed.version,
            "signer": None,
            "state": "staging",
            "need": sorted(self.missing),
            "bytes": sum(file.size for file in self.listed.files if file.path in self.missing),
        }

    def take(self, path, data):
        if self.gate is not None:
            self.gate.wait(10)
        (file,) = [file for file in self.listed.files if file.path == path]
        assert hashlib.sha256(data).hexdigest() == file.sha256
        self.missing.discard(path)

    def commit(self):
        assert not self.missing
        self.commits += 1
        answer = {"state": "committed", "boot_id": f"b{self.boots}", "restart_ms": 0}
        self.previous, self.version = self.version, self.listed.version
        self.boots += 1
        self.state = "trial"
        self.gone = self.outcome == SILENT
        return answer

    def rollback(self):
        answer = {"state": "reverting", "boot_id": f"b{self.boots}", "restart_ms": 0}
        self._back("asked for")
        self.boots += 1
        return answer

    def _settle(self):
        self.state = "idle"
        if self.outcome == REVERT:
            self._back("the application ended in an exception: ImportError")
            return
        self.files.update({file.path: file.sha256 for file in self.listed.files})
        self.history.insert(0, {"version": self.version, "outcome": "confirmed", "reason": None})

    def _back(self, reason):
        entry = {"version": self.version, "outcome": "reverted", "reason": reason}
        self.history.insert(0, entry)
        self.version, self.previous = self.previous, None


def _description(head):
    """The first entry of a cpio archive."""
    size, name_size = int(head[54:62], 16), int(head[94:102], 16)
    start = (110 + name_size + 3) // 4 * 4
    assert head[110 : 110 + name_size] == b"sw-description\0"
    return head[start : start + size]


def _handler(board):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *arguments):
            pass

        def signed(self, data):
            """Whether the request is logged in by Digest, its body included."""
            head = self.headers.get("Authorization", "")
            fields = dict(re.findall(r'(\w+)="?([^",]*)', head.removeprefix("Digest ")))
            if fields.get("uri") != self.path:
                return False
            about = sha256(f"{self.command}:{self.path}:{hashlib.sha256(data).hexdigest()}")
            given = ":".join(fields[name] for name in ("nonce", "nc", "cnonce"))
            return fields["response"] == sha256(f"{SECRET}:{given}:auth-int:{about}")

        def answer(self, status, document, challenge=None):
            body = json.dumps(document).encode()
            self.send_response(status)
            if challenge:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle_one(self):
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if board.outcome == OFF or board.gone:
                self.close_connection = True
                return
            path = unquote(self.path)
            if path == "/api/v1/info":
                info = {"service": "pico-ota", "api": 1, "name": board.name, "release": "0.2.0"}
                self.answer(200, info | {"boot_id": f"b{board.boots}"})
                return
            if board.outcome == LOCKED or not self.signed(data):
                self.answer(401, {"error": "unauthorized", "message": "Log in."}, CHALLENGE)
                return
            self.route(f"{self.command} {path}", data)

        def route(self, request, data):
            if request == "GET /api/v1/status":
                self.answer(200, board.status())
            elif request == "POST /api/v1/update" and board.outcome == REFUSE:
                self.answer(409, {"error": "wrong_board", "message": "For another board."})
            elif request == "POST /api/v1/update":
                self.answer(201, board.begin(data))
            elif request.startswith("PUT /api/v1/update/files/"):
                board.take(request.removeprefix("PUT /api/v1/update/files"), data)
                self.answer(201, {})
            elif request == "POST /api/v1/update/commit":
                self.answer(202, board.commit())
            elif request == "DELETE /api/v1/update":
                board.state = "idle"
                self.answer(200, {})
            elif request == "POST /api/v1/rollback" and board.previous is None:
                self.answer(409, {"error": "no_previous", "message": "Nothing to go back to."})
            elif request == "POST /api/v1/rollback":
                self.answer(202, board.rollback())
            elif request.startswith("GET /fs/"):
                self.answer(200, {"files": [], "total": 1000, "free": 1000, "block_size": 1})
            else:
                self.answer(404, {"error": "not_found", "message": request})

        do_GET = do_PUT = do_POST = do_DELETE = handle_one

    return Handler
