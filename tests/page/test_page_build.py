"""The page as it is committed: made from its sources, small, and on its own."""

import base64
import gzip
import hashlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKED = ROOT / "device" / "ota" / "page.html.gz"
HEADERS = ROOT / "device" / "ota" / "page.txt"


@pytest.fixture(scope="module")
def html():
    return gzip.decompress(PACKED.read_bytes()).decode()


@pytest.fixture(scope="module")
def policy():
    return HEADERS.read_text().splitlines()[1]


def test_committed_page_is_what_the_sources_make(html):
    sys.path.insert(0, str(ROOT / "tools"))
    import build_page

    built, policy = build_page.build()
    assert html == built, "run tools/build_page.py"
    assert HEADERS.read_text() == build_page.headers(built, policy)
    # Another zopfli may pack the same page into other bytes, so these are compared unpacked.
    assert gzip.decompress(build_page.compress(built)).decode() == html


def test_page_is_small():
    assert PACKED.stat().st_size <= 20 * 1024


def test_etag_is_another_one_for_another_page(html):
    etag, _ = HEADERS.read_text().splitlines()
    assert etag == f'"{hashlib.sha256(html.encode()).hexdigest()[:16]}"'


def test_gzip_has_no_time_and_no_name():
    head = PACKED.read_bytes()[:8]
    assert head == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def test_page_needs_nothing_from_elsewhere(html):
    assert set(re.findall(r"https?://[\w./]+", html)) == {"http://www.w3.org/2000/svg"}


def test_policy_allows_the_two_blocks_and_no_other(html, policy):
    blocks = re.findall(r"<(script|style)[^>]*>(.*?)</\1>", html, re.DOTALL)
    assert [tag for tag, _ in blocks] == ["style", "script"]
    for tag, text in blocks:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"<[^>]+ (style|on\w+)=", html)


def test_text_never_becomes_markup():
    for source in (ROOT / "page").glob("*.js"):
        text = source.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
        assert not re.search(r"\b(alert|confirm|prompt)\(", text), source.name
