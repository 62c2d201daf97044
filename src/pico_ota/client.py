"""The HTTP client: one kept connection, credentials, retries, and errors in our own words.

    with Client(Target("pico-kitchen.local"), password=lambda: "…") as client:
        print(client.json("GET", "/api/v1/status")["version"])

The contract it codes against is docs/http.md.
"""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from . import target as targets
from .advice import ADVICE
from .digest import Login, secret_of
from .errors import (
    AnswerError,
    CredentialsError,
    RefusedError,
    UnreachableError,
)
from .shape import Shape, flaw
from .target import Target

DEFAULT_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0

# A device that restarts in the middle of a push is back on Wi-Fi after 5 to 10 s; these are 20 s.
BACK_OFF_S = (0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0)

# The kernel would swallow megabytes at once, and a bar would show what the socket took instead of
# what the device has. The window of a Pico is 6400 bytes; this is enough to keep it full.
_SEND_BUFFER = 16 * 1024

# The device closes a connection that was idle for 7 s; a request at that moment would be lost.
_KEPT_S = 4.0

# What a device can say is small: a listing of 800 names has 80 KB.
_MAX_ANSWER = 1 << 20
# From head to end; a device that dribbles would keep us for ever otherwise.
_ANSWER_S = 120.0
_MAX_MESSAGE = 1000

# No single pause is longer than this, whatever the device asks for.
_LONGEST_PAUSE_S = 10.0

# A longer body is not sent before the device has said with which nonce it will be taken.
_UNSIGNED = 4096
# How often one request is sent again only because the device wants another nonce.
_CHALLENGES = 3


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        method: the HTTP verb.
        path: percent-encoded path with its query.
        json: sent as the body.
        body: makes the body, afresh for each try; `length` is its length.
        length: see `body`.
        sha256: of the body (64 hex); computed from `json`.
        headers: more headers.
        accept: statuses above 399 that are returned, not raised.
        retry: try again after a broken connection. Off where a second time would not be the same
            as the first.
        auth: send the credentials.
    """

    method: str
    path: str
    json: object = None
    body: Callable[[], Iterator[bytes]] | None = None
    length: int = 0
    sha256: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: tuple[int, ...] = ()
    retry: bool = True
    auth: bool = True


class Client:
    """Talks to one device.

    Args:
        target: where it listens.
        user: the user name.
        password: called once, when a request first needs it.
        basic: log in by Basic, which sends the password in clear, and not by Digest.
        timeout_s: how long the device may be silent within one request.
        retries: how often a broken connection is tried again.
        on_retry: told before each new try, with the reason and the pause in seconds.
        on_answer: told of each answer, in one line.
        transport: stands in for the network in tests.
        sleep: stands in for `time.sleep` in tests.
    """

    def __init__(
        self,
        target: Target,
        user: str = "admin",
        password: Callable[[], str] | None = None,
        *,
        basic: bool = False,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: int = len(BACK_OFF_S),
        on_retry: Callable[[str, float], None] | None = None,
        on_answer: Callable[[str], None] | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.target = target
        self.user = user
        self.retries = retries
        self.sleep = sleep
        #: Whether this client has had an answer yet. Before it, one more try is all there is: a
        #: wrong address should not keep anybody waiting.
        self.reached = False
        self._password = password
        self._known: str | None = None
        self._basic = basic
        self._login = Login(user)
        # Whether a request was taken without credentials: there is nothing to ask for then.
        self._unguarded = False
        self._on_retry = on_retry or (lambda reason, pause: None)
        self._on_answer = on_answer or (lambda line: None)
        self._given_transport = transport
        self._address: str | None = None
        # A device always answers to its address; behind a forwarded port only to the name that
        # its application allows.
        self._by_name = False
        self._timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
        self._http = self._open()

    def _open(self) -> httpx.Client:
        transport = self._given_transport
        if transport is None:
            import socket
            import ssl

            transport = httpx.HTTPTransport(
                # Plain http only. Without an empty context httpx loads all CAs first: 50 ms.
                verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                limits=httpx.Limits(
                    max_connections=1,
                    max_keepalive_connections=1,
                    keepalive_expiry=_KEPT_S,
                ),
                socket_options=[(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)],
            )
        # trust_env off: a device on the LAN is not behind the proxy of the environment, and its
        # password does not come from ~/.netrc.
        client = httpx.Client(transport=transport, timeout=self._timeout, trust_env=False)
        # Fifty requests of a push carry only what is needed: every header counts on the air.
        client.headers.clear()
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def drop_connection(self) -> None:
        """Forget the kept connection, as after a restart of the device."""
        self._http.close()
        self._http = self._open()

    def use_password(self, password: str) -> None:
        """From now on give *password*."""
        self._password, self._known = (lambda: password), None

    def back_off(self, tries: int, reason: str) -> None:
        """Pause before another try, the longer the more *tries* there were before."""
        self._pause(BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)], reason)

    def _pause(self, seconds: float, reason: str) -> None:
        self._on_retry(reason, seconds)
        self.sleep(seconds)

    # --- one request -------------------------------------------------------------------------

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request and read its whole answer.

        *options* are the fields of `Call`.

        Raises:
            UnreachableError: no answer, after all tries.
            CredentialsError: 401 or 429.
            RefusedError: any other refusal.
            AnswerError: not an answer of this contract.
        """
        with self.stream(method, path, **options) as response:
            self._read(response)
            return response

    def json(
        self, method: str, path: str, shape: Shape | None = None, **options: Any
    ) -> dict[str, Any]:
        """A request whose answer is a JSON object, and of *shape*."""
        response = self.request(method, path, **options)
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise AnswerError(
                f"{self.target} answered {method} {path} with something that is not a JSON "
                f"object: that is not pico-ota. {ADVICE['other_service']}"
            )
        wrong = flaw(answer, shape or {})
        if wrong:
            raise AnswerError(
                f"{self.target} answered {method} {path} in an unknown form: {wrong}. "
                f"{ADVICE['other_version']}"
            )
        return answer

    @contextmanager
    def stream(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        """Like `request`, with the body of the answer left to be read."""
        call = Call(method, path, **options)
        response = self._answer(call)
        try:
            if response.is_redirect:
                # Not followed: a device knows no other place, and the password is for it alone.
                place = response.headers.get("Location", "nowhere")[:80]
                raise AnswerError(
                    f"{self.target} answered {method} {path} with a redirect to {place}: that is "
                    f"not pico-ota. {ADVICE['other_service']}"
                )
            if response.status_code >= 400:
                self._read(response)
                refusal = self._refusal(response)
                # What is accepted has to be the device's own no, too. HEAD has no body to tell.
                foreign = isinstance(refusal, AnswerError) and method != "HEAD"
                if response.status_code not in call.accept or foreign:
                    raise refusal
            elif response.status_code == 200 and method in ("PUT", "DELETE", "MOVE"):
                raise AnswerError(
                    f"{self.target} answered {method} {path} with 200, which a device never does: "
                    f"that is not pico-ota. {ADVICE['other_service']}"
                )
            yield response
        except httpx.DecodingError as error:
            raise AnswerError(
                f"{self.target} answered {method} {path} with damaged data ({error})."
            ) from error
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        finally:
            response.close()

    def _read(self, response: httpx.Response) -> None:
        """Read the body of *response*, as far as an answer of this contract can go."""
        end = time.monotonic() + _ANSWER_S
        pieces, size = [], 0
        for piece in response.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > _MAX_ANSWER or time.monotonic() > end:
                raise AnswerError(
                    f"{self.target} answered without an end (more than {_MAX_ANSWER} bytes or "
                    f"{_ANSWER_S:.0f} s): that is not pico-ota. {ADVICE['other_service']}"
                )
        # What httpx's own read() does; it has no limit.
        response._content = b"".join(pieces)

    def _answer(self, call: Call) -> httpx.Response:
        tries = challenges = 0
        while True:
            try:
                if self._wants_challenge(call):
                    self._ask_for_challenge()
                response = self._send(call)
                if response.status_code == 401:
                    self._read(response)  # else the connection would not be kept
            except httpx.TransportError as error:
                self._address = None  # after a restart it may have another one
                allowed = self.retries if self.reached else min(1, self.retries)
                if not call.retry or tries >= allowed:
                    raise self._unreachable(error) from error
                self.back_off(tries, _reason(error))
            else:
                self.reached = True
                self._on_answer(f"{call.method} {call.path}: {response.status_code}")
                if response.status_code == 421 and not self._by_name:
                    response.close()
                    self._by_name = True
                    continue
                if call.auth and response.status_code != 401 and not self._login.known:
                    self._unguarded = True
                if response.status_code == 401 and challenges < _CHALLENGES:
                    challenges += 1
                    if self._learn(response) in ("first", "stale"):
                        response.close()
                        continue
                if not _asks_for_patience(response) or not call.retry or tries >= self.retries:
                    return response
                response.close()
                self._pause(min(_retry_after(response), _LONGEST_PAUSE_S), "the device is busy")
            tries += 1

    def _send(self, call: Call) -> httpx.Response:
        headers = {}
        content: bytes | Iterator[bytes] | None = None
        sha256 = call.sha256
        if call.json is not None:
            content = _compact(call.json)
            sha256 = hashlib.sha256(content).hexdigest()
            headers["Content-Type"] = "application/json"
        elif call.body is not None:
            content = call.body()
            headers["Content-Length"] = str(call.length)
        elif call.method in ("PUT", "POST"):
            content = b""
        if call.method not in ("GET", "HEAD"):
            headers["X-Requested-With"] = "pico-ota"
        headers.update(call.headers)
        request = self._request(call.method, call.path, content, headers)
        if call.auth:
            self._word()  # without one the device is left alone
        if call.auth and self._basic:
            pair = f"{self.user}:{self._word()}".encode()
            request.headers["Authorization"] = "Basic " + b64encode(pair).decode()
        elif call.auth and self._login.known:
            if sha256:
                request.headers["X-Content-SHA256"] = sha256
            request.headers["Authorization"] = self._login.sign(
                self.secret(),
                call.method,
                request.url.raw_path.decode(),
                sha256 or hashlib.sha256().hexdigest(),
            )
        return self._http.send(request, stream=True)

    def _request(
        self,
        method: str,
        path: str,
        content: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        if self._address is None:
            self._address = self._resolve()
        place = str(Target(self._address, self.target.port))
        host = {"Host": str(self.target) if self._by_name else place}
        return self._http.build_request(
            method, f"http://{place}{path}", content=content, headers=host | dict(headers or {})
        )

    # --- logging in --------------------------------------------------------------------------

    def _wants_challenge(self, call: Call) -> bool:
        if not call.auth or self._basic or self._unguarded:
            return False
        return call.length > _UNSIGNED and not self._login.fresh

    def _ask_for_challenge(self) -> None:
        """Get a nonce by a short request without credentials."""
        self._word()
        response = self._http.send(self._request("GET", "/api/v1/progress"), stream=True)
        try:
            if response.status_code == 401:
                self._learn(response)
            self._read(response)
        finally:
            response.close()

    def _learn(self, response: httpx.Response) -> str | None:
        if self._basic:
            return None
        return self._login.learn(response.headers.get_list("WWW-Authenticate"))

    def _offers_less(self, response: httpx.Response) -> bool:
        """Whether a 401 offers something, but nothing that this client answers."""
        offers = response.headers.get_list("WWW-Authenticate")
        return bool(offers) and not self._basic and Login(self.user).learn(offers) is None

    def _word(self) -> str:
        if self._known is None:
            self._known = self._password() if self._password else ""
        return self._known

    def secret(self) -> str:
        """What the device keeps of the password that is in use."""
        return secret_of(self.user, self._word())

    def _resolve(self) -> str:
        return self.target.host if self._given_transport else targets.resolve(self.target)

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        reason = _reason(error)
        if self.reached:
            return UnreachableError(
                f"the connection to {self.target} broke and did not come back ({reason}). "
                f"{ADVICE['lost']}",
                reason,
            )
        return UnreachableError(
            f"{self.target} does not answer ({reason}). {ADVICE['silent']}",
            reason,
        )

    def _refusal(self, response: httpx.Response) -> Exception:
        answer = _json_object(response)
        word, message = answer.pop("error", None), answer.pop("message", None)
        status = response.status_code
        if status == 401 and self._offers_less(response):
            return CredentialsError(
                f"{self.target} does not offer Digest, so '{self.user}' would have to log in with "
                f"the password in clear. {ADVICE['basic']}"
            )
        if status == 401:
            return CredentialsError(
                f"{self.target} does not take this password for '{self.user}'. "
                f"{ADVICE['unauthorized']}"
            )
        if status == 429:
            wait = int(_retry_after(response))
            return CredentialsError(
                f"{self.target} has had too many wrong passwords and waits for {wait} s. "
                f"{ADVICE['too_many_tries']}"
            )
        if not isinstance(word, str) or not isinstance(message, str):
            return AnswerError(
                f"{self.target} answered {status} to {response.request.method} "
                f"{response.request.url.path} without a reason: that is not pico-ota, or another "
                f"version of it. {ADVICE['other_service']}"
            )
        return RefusedError(status, word, message[:_MAX_MESSAGE], answer)


def quoted(path: str) -> str:
    """*path* of the device as part of a URL."""
    return quote(path, safe="/")


def _compact(value: object) -> bytes:
    import json

    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _asks_for_patience(response: httpx.Response) -> bool:
    # 409 with a pause: the device has not noticed yet that our last connection is broken.
    status = response.status_code
    return status == 503 or (status == 409 and "Retry-After" in response.headers)


def _retry_after(response: httpx.Response) -> float:
    try:
        wait = float(response.headers.get("Retry-After", "1"))
        return min(max(0.0, wait), 86400.0) if wait == wait else 1.0
    except ValueError:
        return 1.0


def _reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "nothing there within the time limit"
    if isinstance(error, httpx.TimeoutException):
        return "silent for too long"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the connection was closed in mid-answer"
    text = str(error)
    for word, plain in (("111", "connection refused"), ("113", "no route to it")):
        if f"Errno {word}" in text:
            return plain
    return text or type(error).__name__
