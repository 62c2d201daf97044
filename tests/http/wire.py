"""HTTP as bytes: requests that no client library would send, and answers taken apart.

`ask(board, "GET", "/fs/")` is one request over its own connection. `request()` gives its bytes,
`Wire` is the connection where a test needs to send pieces, stop in the middle or hang up.
"""

from __future__ import annotations

import json
import select
import socket
import time
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

USER, PASSWORD = "admin", "otapico"

Header = str | bytes | None | Iterable[str]


def basic(user: str = USER, password: str = PASSWORD) -> str:
    """Return the value of Authorization for these credentials."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def address_of(board: Any) -> tuple[str, int]:
    """Return (host, port) of a simulated Pico."""
    parts = urlsplit(board.url)
    return parts.hostname, parts.port


def digest(data: bytes) -> str:
    """Return the SHA-256 as the device writes it."""
    return sha256(data).hexdigest()


def request(
    board: Any, method: str, target: str, body: bytes | None = None, **headers: Header
) -> bytes:
    """Return the bytes of a request that is let in, with *headers* changed.

    A header is named with underscores (`x_requested_with`); None leaves it out, a list sends it
    several times. *body* adds its Content-Length.
    """
    host, port = address_of(board)
    fields: dict[str, Header] = {
        "host": f"{host}:{port}",
        "authorization": basic(),
        "x_requested_with": "tests",
        "content_length": None if body is None else str(len(body)),
    }
    fields.update(headers)
    lines = [f"{method} {target} HTTP/1.1".encode()]
    for name, value in fields.items():
        if value is None:
            continue
        for one in [value] if isinstance(value, str | bytes) else value:
            raw = one if isinstance(one, bytes) else one.encode()
            lines.append(name.replace("_", "-").encode() + b": " + raw)
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


class Answer:
    """A response: `status`, `headers` (lower case names), `body`."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json"), self
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


class Wire:
    """One TCP connection to a board, as a context manager."""

    def __init__(self, board: Any, timeout: float = 15, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(address_of(board))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Wire:
        """Send all of *data*."""
        self.socket.sendall(data)
        return self

    def hang_up(self) -> None:
        """Reset the connection, as a client that dies does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def quiet(self, seconds: float) -> bool:
        """Return True when nothing comes and nothing closes for so long."""
        return not self._got and not select.select([self.socket], [], [], seconds)[0]

    def rest(self) -> bytes:
        """Return all that still comes, up to the end of the stream."""
        pieces = [self._got]
        self._got = b""
        while True:
            piece = self.socket.recv(65536)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    def closed(self, within: float) -> bool:
        """Return True when the board closes the connection in time, having sent nothing more."""
        if not select.select([self.socket], [], [], within)[0]:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def answer(self, method: str = "GET", interim: bool = True) -> Answer:
        """Read one answer; those with 1xx are skipped where *interim*."""
        while True:
            answer = self._answer(method)
            if not interim or answer.status >= 200:
                return answer

    def _answer(self, method: str) -> Answer:
        head = self._until(b"\r\n\r\n").decode("ascii")
        first, *lines = head[:-4].split("\r\n")
        version, status, _ = (first + " ").split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), first  # 1.0: an own Microdot server
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            name = name.lower()
            if name == "www-authenticate" and name in headers:  # one for each scheme
                value = f"{headers[name]}, {value}"
            else:
                assert name not in headers, f"{name} came twice: {head}"
            headers[name] = value
        return Answer(int(status), headers, self._body(method, int(status), headers))

    def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status in (204, 304) or status < 200:
            return b""
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        return self.rest()

    def _chunk(self) -> bytes:
        size = int(self._until(b"\r\n"), 16)
        data = self._exactly(size)
        assert self._exactly(2) == b"\r\n"
        return data

    def _until(self, end: bytes) -> bytes:
        while end not in self._got:
            self._more()
        found, _, self._got = self._got.partition(end)
        return found + end

    def _exactly(self, count: int) -> bytes:
        while len(self._got) < count:
            self._more()
        found, self._got = self._got[:count], self._got[count:]
        return found

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError(f"the board closed the connection after {self._got[:200]!r}")
        self._got += piece


def ask(
    board: Any, method: str, target: str, body: bytes | None = None, **headers: Header
) -> Answer:
    """Send one request over a connection of its own and return the answer."""
    with Wire(board) as wire:
        wire.send(request(board, method, target, body, **headers))
        return wire.answer(method)


def refused(answer: Answer, status: int, word: str) -> dict[str, Any]:
    """Assert that *answer* is this refusal, with a reason that helps; return its JSON."""
    assert answer.status == status, answer
    reason = answer.json
    assert reason["error"] == word, answer
    assert len(reason["message"]) > 15, answer
    return reason


def put(board: Any, path: str, data: bytes, **headers: Header) -> None:
    """Write a file, or fail."""
    answer = ask(board, "PUT", "/fs" + path, data, **headers)
    assert answer.status in (201, 204), answer


def read(board: Any, path: str) -> bytes | None:
    """Return the content of a file on the device, None when there is none."""
    answer = ask(board, "GET", "/fs" + path)
    if answer.status == 404:
        return None
    assert answer.status == 200, answer
    return answer.body


def until(ready: Any, seconds: float = 10, step: float = 0.05) -> Any:
    """Call *ready* until it gives something true, and return that; fail after *seconds*."""
    end = time.monotonic() + seconds
    while True:
        value = ready()
        if value or time.monotonic() > end:
            assert value, f"not within {seconds} s"
            return value
        time.sleep(step)
