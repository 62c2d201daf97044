"""What proving the password costs: requests a second by Digest and by Basic, in turn."""

import re
import sys
import time

import httpx

from bench import board, figures
from bench.figures import Data, Row
from pico_ota.digest import sha256

TITLE = "Logging in"
_ADDRESS = "/api/v1/progress"
_LEAST = 0.8  # of the requests a second that Basic allows


class Digest(httpx.Auth):
    """Signs each request beforehand, as a client does that knows the nonce already."""

    def __init__(self) -> None:
        self._nonce = ""
        self._count = 0

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
        proof = sha256(f"{sha256(f'admin:pico-ota:{board.PASSWORD}')}:{tail}:{about}")
        return (
            f'Digest username="admin", realm="pico-ota", nonce="{self._nonce}", uri="{uri}", '
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
    return found


def ratio(data: Data) -> float:
    """Return the requests a second by Digest, of those by Basic."""
    return float(min(data["basic"]) / min(data["digest"]))


def rows(data: Data) -> list[Row]:
    """Compare with the limit."""
    each = [data["count"] / min(data[name]) for name in ("digest", "basic")]
    share = ratio(data)
    return [
        Row(
            f"requests a second of `GET {_ADDRESS}` by Digest, of those by Basic",
            f"{share:.2f}x",
            f"≥ {_LEAST:.2f}x",
            share >= _LEAST,
            timed=True,
        ),
        Row("… that is", f"{each[0]:.0f} and {each[1]:.0f} a second"),
    ]


if __name__ == "__main__":
    sys.exit(figures.run(__name__))
