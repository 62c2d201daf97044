"""An update server that does as it is told: DDI as gooseBit and hawkBit speak it, and lies."""

import hashlib
import json
import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLEEP = "00:00:01"


class Ddi:
    """The server, on a free port of the loopback; everything it has been asked is kept.

    Attributes that a test sets: `links` (of the answer to a poll, beside the offer), `answers`
    ({path ending: function of the handler}, which replace the usual answer), `token`, `ranges`
    (whether downloads can be asked for in pieces), `date` (its clock), `cut` (a function of the
    number of the download that returns after how many bytes to cut it, or None).
    """

    def __init__(self, tls=None):
        self.requests = []
        self.feedback = []
        self.config = []
        self.downloads = []  # (first, last) asked for, None for all of it
        self.served = []  # (first, after the last byte) that was sent
        self.sent = 0  # bytes of all answers, heads and all
        self.links = {}
        self.answers = {}
        self.token = None
        self.ranges = True
        self.cut = lambda number: None
        self.offered = None
        self.sleep = SLEEP
        self.date = None  # what its clock says, in the form of HTTP
        self.changed = threading.Condition()
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                write = self.wfile.write

                def counted(data):
                    ours.sent += len(data)
                    return write(data)

                self.wfile.write = counted

            def log_message(self, *_):
                pass

            def date_time_string(self, timestamp=None):
                return ours.date or super().date_time_string(timestamp)

            def do_GET(self):
                ours.handle(self)

            do_POST = do_PUT = do_GET

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
            self.http.socket = self.tls.wrap_socket(
                self.http.socket, server_side=True, do_handshake_on_connect=False
            )
            self.url = self.url.replace("http", "https")
        self._thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self._thread.join()

    # What is offered

    def offer(self, archive, version="2.0.0", action="1", name="app.swu", **said):
        """Offer *archive* (bytes); *said* replaces what is said of it: size, href, update."""
        self.offered = {
            "archive": archive,
            "version": version,
            "action": action,
            "name": name,
            "etag": f'"{hashlib.md5(archive).hexdigest()}"',
            **said,
        }

    def withdraw(self):
        self.offered = None

    # What it was told

    def wait(self, test, timeout=60):
        """Wait until *test*, a function, returns something true, and return that."""
        until = time.monotonic() + timeout
        with self.changed:
            while True:
                found = test()
                if found:
                    return found
                left = until - time.monotonic()
                assert left > 0, (self.feedback, [r[:2] for r in self.requests][-12:])
                self.changed.wait(min(left, 0.2))

    def told(self, execution, finished="none", timeout=60):
        """Wait for such feedback and return its details as one text."""
        return self.wait(
            lambda: next(
                (
                    " ".join(d) or "-"
                    for _, e, f, d in self.feedback
                    if (e, f) == (execution, finished)
                ),
                None,
            ),
            timeout,
        )

    def polls(self):
        return sum(
            re.search(r"/controller/v1/[^/]+$", path) is not None for _, path, _ in self.requests
        )

    def more_polls(self, count=1, timeout=60):
        before = self.polls()
        self.wait(lambda: self.polls() >= before + count, timeout)

    # Answers

    def handle(self, handler):
        length = int(handler.headers.get("Content-Length", 0))
        body = json.loads(handler.rfile.read(length)) if length else None
        with self.changed:
            self.requests.append((handler.command, handler.path, dict(handler.headers)))
            self.changed.notify_all()
        if self.token and handler.headers.get("Authorization") != self.token:
            self.say(handler, {"detail": "token"}, 401)
            return
        for ending, answer in list(self.answers.items()):
            if re.search(ending, handler.path):
                answer(handler)
                return
        with self.changed:
            self._route(handler, handler.path.split("?")[0], body)
            self.changed.notify_all()

    def _route(self, handler, path, body):
        base = f"{self.url}{re.match('(/.*/controller/v1/[^/]+)', path)[1]}"
        offered = self.offered
        if path.endswith("/configData"):
            self.config.append(body["data"])
            self.say(handler, {"success": True})
        elif path.endswith("/feedback"):
            self._feedback(handler, path, body)
        elif path.endswith("/download"):
            self.download(handler)
        elif "/deploymentBase/" in path and offered:
            self.say(handler, self.deployment(base))
        elif path.endswith(base.removeprefix(self.url)):
            links = {}
            if offered:
                href = f"{base}/deploymentBase/{offered['action']}?c=-21"
                links["deploymentBase"] = {"href": offered.get("link", href)}
            links.update({k: {"href": v.format(base=base)} for k, v in self.links.items()})
            self.say(handler, {"config": {"polling": {"sleep": self.sleep}}, "_links": links})
        else:
            self.say(handler, {"detail": "Not Found"}, 404)

    def _feedback(self, handler, path, body):
        if "confirmation" in body:
            self.feedback.append((path.split("/")[-2], "confirmation", body["confirmation"], []))
        else:
            status = body["status"]
            row = (status["execution"], status["result"]["finished"], status.get("details", []))
            self.feedback.append((path.split("/")[-2], *row))
        self.say(handler, {"id": "1"})

    def deployment(self, base):
        offered = self.offered
        artifact = {
            "filename": offered["name"],
            "hashes": {"sha1": hashlib.sha1(offered["archive"]).hexdigest()},
            "size": offered.get("size", len(offered["archive"])),
            "_links": {"download": {"href": offered.get("href", f"{base}/download")}},
        }
        chunk = {"part": "os", "version": offered["version"], "name": "app"}
        how = {"download": "forced", "update": offered.get("update", "forced")}
        return {
            "id": offered["action"],
            "deployment": {**how, "chunks": [{**chunk, "artifacts": [artifact]}]},
        }

    def download(self, handler):
        archive, etag = self.offered["archive"], self.offered["etag"]
        first, after, status = 0, len(archive), 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", ""))
        fits = handler.headers.get("If-Range") in (None, etag)
        self.downloads.append(wanted and (int(wanted[1]), int(wanted[2])))
        if wanted and self.ranges and fits:
            first, status = int(wanted[1]), 206
            after = min(int(wanted[2]) + 1, after)
        handler.send_response(status)
        handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(after - first))
        if status == 206:
            handler.send_header("Content-Range", f"bytes {first}-{after - 1}/{len(archive)}")
        handler.end_headers()
        cut = self.cut(len(self.downloads))
        if cut is not None:
            after = min(after, first + cut)
            handler.close_connection = True
        self.served.append((first, after))
        with suppress(OSError):
            handler.wfile.write(archive[first:after])
            handler.wfile.flush()
        if cut is not None:
            handler.connection.close()

    @staticmethod
    def say(handler, value, status=200, **headers):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        handler.send_response(status)
        for name, text in headers.items():
            handler.send_header(name.replace("_", "-"), text)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        with suppress(OSError):
            handler.wfile.write(data)
