"""The page's own SHA-256, run in the browser."""

import hashlib
import random
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "page"


@pytest.fixture(scope="module")
def hasher(chromium):
    page = chromium.new_page()
    text = (PAGE / "sha256.js").read_text() + (PAGE / "description.js").read_text()
    text = re.sub(r"^(export |import .*)", "", text, flags=re.MULTILINE)
    page.add_script_tag(content=text + "\nwindow.Sha256 = Sha256; window.measure = measure;")

    def digest(data, piece):
        return page.evaluate(
            """([values, piece]) => {
                const data = Uint8Array.from(values);
                const sha = new Sha256();
                for (let at = 0; at < data.length; at += piece) {
                    sha.update(data.subarray(at, at + piece));
                }
                return sha.hex();
            }""",
            [list(data), piece],
        )

    digest.page = page
    yield digest
    page.close()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        b"a" * 1000,
    ],
)
def test_vectors_of_the_standard(hasher, data):
    assert hasher(data, 64) == hashlib.sha256(data).hexdigest()


def test_random_sizes_in_random_pieces(hasher):
    rng = random.Random(7)
    for size in [*range(53, 68), *range(117, 131), *(rng.randrange(5000) for _ in range(20))]:
        data = rng.randbytes(size)
        assert hasher(data, rng.randrange(1, 200)) == hashlib.sha256(data).hexdigest(), size


def test_a_big_file_does_not_freeze_the_page(hasher):
    ticks, sha, total = hasher.page.evaluate(
        """async () => {
            let ticks = 0;
            const timer = setInterval(() => ticks++, 1);
            const file = new Blob([new Uint8Array(8_000_000).fill(7)]);
            const { sha, sum } = await measure(file, new AbortController().signal);
            clearInterval(timer);
            return [ticks, sha, sum];
        }"""
    )
    assert sha == hashlib.sha256(b"\x07" * 8_000_000).hexdigest()
    assert total == 56_000_000
    assert ticks > 10
