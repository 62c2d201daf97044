"""Versions: the order of semver.org, the same on host and device."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pico_ota.release import ReleaseError, Version

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


# The device keeps nothing of a comparison.
once = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def accepts(text):
    try:
        Version.parse(text)
    except ReleaseError:
        return False
    return True


def sign_on(device, one, other):
    """Return -1, 0 or 1 as the device orders them; None when one is no version."""
    return device.ask("compare", one=one, other=other).get("sign")


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_version(device, text):
    with pytest.raises(ReleaseError) as caught:
        Version.parse(text)
    assert caught.value.word == "bad_version"
    assert sign_on(device, text, "1.0.0") is None
    assert sign_on(device, "1.0.0", text) is None


def test_the_order_on_host_and_device(device):
    versions = [Version.parse(text) for text in ORDER]
    assert versions == sorted(versions, key=lambda v: v)
    for i, one in enumerate(ORDER):
        for j, other in enumerate(ORDER):
            sign = (i > j) - (i < j)
            assert (versions[i] > versions[j]) - (versions[i] < versions[j]) == sign
            assert sign_on(device, one, other) == sign, (one, other)


def test_build_parts_do_not_count(device):
    assert Version.parse("1.0.0+a") == Version.parse("1.0.0+b")
    assert sign_on(device, "1.0.0+a", "1.0.0+0.b") == 0


@once
@given(st.text("0123456789.-+aAzZ_ é", max_size=44))
def test_both_accept_the_same(device, text):
    assert accepts(text) == (sign_on(device, text, "1.0.0") is not None)


_part = st.from_regex(r"[0-9A-Za-z-]{1,4}", fullmatch=True)
_text = st.builds(
    lambda core, pre: ".".join(map(str, core)) + ("-" + ".".join(pre) if pre else ""),
    st.tuples(*[st.integers(0, 11)] * 3),
    st.lists(_part, max_size=3),
).filter(accepts)


@once
@given(_text, _text)
def test_both_order_the_same(device, one, other):
    left, right = Version.parse(one), Version.parse(other)
    assert sign_on(device, one, other) == (left > right) - (left < right)
    assert sign_on(device, other, one) == -sign_on(device, one, other)


def test_a_word_is_never_older():
    floor = Version.parse("1.0.0")
    assert Version.is_older("1.0.0-rc.1", floor)
    assert not Version.is_older("1.0.0", floor)
    assert not Version.is_older("0.9", floor)
    assert not Version.is_older("files-0123", floor)
