"""What an update does to the files of a device, told from two lists of paths."""

import pytest

from pico_ota.plan import differing, make_plan
from pico_ota.release.description import ListedFile


def listed(name):
    return ListedFile(f"0001-{name}", f"/{name}", name * 64, ord(name), 0)


def paths(files):
    return [file.path for file in files]


@pytest.fixture
def files():
    return [listed(name) for name in "abcd"]


def test_the_plan_tells_new_from_changed_and_unchanged(files):
    plan = make_plan(files, ["/a", "/b"], ["/b", "/x"], ["/old"])
    assert (paths(plan.new), paths(plan.changed)) == (["/a"], ["/b"])
    assert paths(plan.unchanged) == ["/c", "/d"]
    assert plan.summary() == "1 changed, 1 new, 2 unchanged, 1 to delete"
    assert plan.bytes_to_send == ord("a") + ord("b")
    assert not plan.empty


def test_a_plan_with_nothing_to_do_is_empty_but_one_that_deletes_is_not(files):
    assert make_plan(files, [], []).empty
    assert not make_plan(files, [], [], ["/old"]).empty


def test_differing_compares_digests(files):
    digests = {"/a": "a" * 64, "/b": "0" * 64, "/c": "c" * 64}
    assert differing(files, digests) == ["/b", "/d"]
