"""Versions: the order of semver.org, the same on host and device."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pico_ota.release import ReleaseError, Version

sys.path.append(str(Path(__file__).parents[2] / "device"))
from ota import version as on_device

# Ascending, from semver.org, section 11, and around it.
ORDER = ["0.0.0-0", "0.0.0", "0.0.1", "0.1.0", "1.0.0-0", "1.0.0-9", "1.0.0-10", "1.0.0-alpha",
         "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
         "1.0.0-beta.11.0", "1.0.0-rc.1", "1.0.0-rc.1.a", "1.0.0", "1.0.1", "1.9.0", "1.10.0",
         "2.0.0--", "2.0.0-A", "2.0.0-a", "2.0.0", "9.0.0", "10.0.0", "2024.12.31",
         "4294967296.0.0", "99999999999999999999.0.0"]  # fmt: skip
BAD = ["", "1", "1.0", "1.0.0.0", "v1.0.0", "1.0.0 ", " 1.0.0", "01.0.0", "1.00.0", "1.0.0-",
       "1.0.0-01", "1.0.0-a..b", "1.0.0+", "1.0.0+a..b", "1.0.0-ä", "1.0.0-a_b", "-1.0.0",
       "+1.0.0",
       "1.0.x", "1.0.0\n", "1.0.0-\n", "\u0661.0.0", "1.0.0-\u0661", "1.0.0-" + "x" * 35,
       "1..0", ".1.0", "1.0.", "1.0.0+a+b", "1e1.0.0"]  # fmt: skip


def accepts(parse, text):
    try:
        parse(text)
    except (ReleaseError, ValueError):
        return False
    return True


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_version(text):
    with pytest.raises(ReleaseError) as caught:
        Version.parse(text)
    assert caught.value.word == "bad_version"
    with pytest.raises(ValueError, match="got"):
        on_device.parse(text)


def test_the_order_on_host_and_device(device):
    versions = [Version.parse(text) for text in ORDER]
    assert versions == sorted(versions, key=lambda v: v)
    for i, one in enumerate(ORDER):
        for j, other in enumerate(ORDER):
            sign = (i > j) - (i < j)
            assert on_device.compare(one, other) == sign, (one, other)
            assert (versions[i] > versions[j]) - (versions[i] < versions[j]) == sign
    # The same module where it belongs.
    for one, other in pairwise(ORDER):
        assert device.ask("compare", one=one, other=other) == {"sign": -1}
        assert device.ask("compare", one=other, other=one) == {"sign": 1}
    for text in BAD:
        assert "value_error" in device.ask("compare", one=text, other="1.0.0"), text


def test_build_parts_do_not_count():
    assert Version.parse("1.0.0+a") == Version.parse("1.0.0+b")
    assert on_device.compare("1.0.0+a", "1.0.0+0.b") == 0


@given(st.text("0123456789.-+aAzZ_ é", max_size=44))
def test_both_accept_the_same(text):
    assert accepts(Version.parse, text) == accepts(on_device.parse, text)


_part = st.from_regex(r"[0-9A-Za-z-]{1,4}", fullmatch=True)
_text = st.builds(
    lambda core, pre: ".".join(map(str, core)) + ("-" + ".".join(pre) if pre else ""),
    st.tuples(*[st.integers(0, 11)] * 3),
    st.lists(_part, max_size=3),
).filter(lambda text: accepts(Version.parse, text))


@given(_text, _text)
def test_both_order_the_same(one, other):
    left, right = Version.parse(one), Version.parse(other)
    assert on_device.compare(one, other) == (left > right) - (left < right)
    assert on_device.compare(other, one) == -on_device.compare(one, other)


def test_the_floor():
    allows = on_device.floor_allows
    assert allows("1.0.0", None)
    assert allows("1.0.0", "1.0.0")
    assert allows("1.0.1", "1.0.0")
    assert not allows("1.0.0-rc.1", "1.0.0")
