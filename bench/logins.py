"""What proving the password costs: requests a second by Digest and by Basic, in turn.

And how long it takes to be refused: nobody shall learn from it what was right.
"""

import re
import statistics
import sys
import time
from base64 import b64encode

import httpx

from bench import board, figures
from bench.figures import Data, Row
from pico_ota.digest import sha256

TITLE = "Logging in"
_ADDRESS = "/api/v1/progress"
_LEAST = 0.8  # of the requests a second that Basic allows
_REFUSALS = 2000
_MOST = 1.1  # of the fastest kind of a refusal by the same scheme


class Digest(httpx.Auth):
    """Signs each request beforehand, as a client does that knows the nonce already."""

    def __init__(self, user: str = "admin", password: str = board.PASSWORD) -> None:
        self._user, self._password = user, password
        self._nonce = ""
        self._count = 0

    def value(self, method: str, uri: str, nonce: str) -> str:
        """Return credentials for a request, with a nonce of the device or another."""
        self._nonce = nonce
        request = httpx.Request(method, "http://pico" + uri)
        return self._sign(request)

    def auth_flow(self, request: httpx.Request):  # type: ignore[no-untyped-def]
        """Sign *request*; once more where the device wants another nonce."""
        while True:
            if self._nonce:
                request.headers["Authorization"] = self._sign(request)
            response = yield request
            if response.status_code != 401:
                return
            found = re.search(r'nonce="(\w+)"', response.headers["WWW-Authenticate"])
            assert found
            self._nonce, self._count = found[1], 0

    def _sign(self, request: httpx.Request) -> str:
        self._count += 1
        uri = request.url.raw_path.decode()
        tail = f"{self._nonce}:{self._count:08x}:0a4f113b:auth"
        about = sha256(f"{request.method}:{uri}")
        secret = sha256(f"{self._user}:pico-ota:{self._password}")
        proof = sha256(f"{secret}:{tail}:{about}")
        return (
            f'Digest username="{self._user}", realm="pico-ota", nonce="{self._nonce}", '
            f'uri="{uri}", '
            f'algorithm=SHA-256, qop=auth, nc={self._count:08x}, cnonce="0a4f113b", '
            f'response="{proof}"'
        )


def measure(quick: bool = False) -> Data:
    """Measure the seconds of each round, both ways in turn."""
    rounds, count = (2, 20) if quick else (20, 200)
    found: Data = {"count": count, "basic": [], "digest": []}
    with board.started() as pico, board.client(pico) as basic, board.client(pico) as digest:
        digest.auth = Digest()
        for web in (basic, digest):
            web.get(_ADDRESS).raise_for_status()
        for _ in range(rounds):
            for name, web in (("basic", basic), ("digest", digest)):
                start = time.perf_counter()
                for _ in range(count):
                    web.get(_ADDRESS).raise_for_status()
                found[name].append(time.perf_counter() - start)
        found["refusals"] = refusals(basic, 120 if quick else _REFUSALS)
    return found


def refusals(web: httpx.Client, count: int) -> Data:
    """Return the seconds of each of *count* refusals, of six kinds in turn: kind -> list."""
    challenge = web.get(_ADDRESS, auth=lambda request: request).headers["WWW-Authenticate"]
    match = re.search(r'nonce="(\w+)"', challenge)
    assert match
    nonce, forged = match[1], "0" * 48

    def basic(user: str, password: str) -> str:
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode()

    def digest(user: str, password: str, nonce: str) -> str:
        return Digest(user, password).value("GET", _ADDRESS, nonce)

    kinds = {
        "Basic, wrong user": basic("nobod", board.PASSWORD),
        "Basic, wrong password": basic("admin", "wrong12"),
        "Basic, malformed": "Basic !" + "A" * 16,
        "Digest, wrong response": digest("admin", "wrong12", nonce),
        "Digest, wrong nonce": digest("admin", "wrong12", forged),
        "Digest, unknown user": digest("nobod", board.PASSWORD, nonce),
    }
    found: Data = {kind: [] for kind in kinds}
    for number in range(count):
        kind = list(kinds)[(number + number // len(kinds)) % len(kinds)]
        request = web.build_request("GET", _ADDRESS, headers={"Authorization": kinds[kind]})
        start = time.perf_counter()
        answer = web.send(request, auth=lambda request: request)
        found[kind].append(time.perf_counter() - start)
        assert answer.status_code == 401, answer.text
        if number % len(kinds) == len(kinds) - 1:  # else it is refused for the wrong tries alone
            web.get(_ADDRESS).raise_for_status()
    return found


def spread(data: Data) -> float:
    """Return how long the slowest kind of refusal of a scheme takes, of the fastest.

    The first decile of each counts, which others on this machine have disturbed least.
    """
    worst = 1.0
    for scheme in ("Basic", "Digest"):
        of_scheme = [
            statistics.quantiles(times, n=10)[0]
            for kind, times in data.items()
            if kind.startswith(scheme)
        ]
        worst = max(worst, max(of_scheme) / min(of_scheme))
    return worst


def ratio(data: Data) -> float:
    """Return the requests a second by Digest, of those by Basic."""
    return float(min(data["basic"]) / min(data["digest"]))


def rows(data: Data) -> list[Row]:
    """Compare with the limit."""
    each = [data["count"] / min(data[name]) for name in ("digest", "basic")]
    share = ratio(data)
    unequal = spread(data["refusals"])
    count = sum(map(len, data["refusals"].values()))
    return [
        Row(
            f"requests a second of `GET {_ADDRESS}` by Digest, of those by Basic",
            f"{share:.2f}x",
            f"≥ {_LEAST:.2f}x",
            share >= _LEAST,
            timed=True,
        ),
        Row("… that is", f"{each[0]:.0f} and {each[1]:.0f} a second"),
        Row(
            f"{count} refusals of six kinds: the slowest kind of Basic or Digest, of the fastest",
            f"{unequal:.2f}x",
            f"≤ {_MOST:.2f}x",
            unequal <= _MOST,
            timed=True,
        ),
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
