import subprocess

import pytest

from pico_ota.versions import default_version

DIGEST = "0123456789ab"


@pytest.fixture
def git(here):
    def run(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=here, check=True, capture_output=True)

    run("init", "-q")
    (here / "app").mkdir()
    (here / "app/main.py").write_text("1\n")
    run("add", ".")
    run("commit", "-q", "-m", "one")
    return run


def test_outside_of_git_it_is_the_content(here):
    assert default_version([here], DIGEST) == "files-0123456789ab"


def test_a_tag_is_the_version(git, here):
    git("tag", "v1.4.0")
    assert default_version([here / "app"], DIGEST) == "1.4.0"
    assert default_version([here / "app/main.py"], DIGEST) == "1.4.0"


def test_what_is_not_committed_shows(git, here):
    git("tag", "v1.4.0")
    (here / "app/main.py").write_text("2\n")
    assert default_version([here / "app"], DIGEST) == "1.4.0+01234567"


def test_changes_elsewhere_do_not_count(git, here):
    git("tag", "v1.4.0")
    (here / "README").write_text("2\n")
    assert default_version([here / "app"], DIGEST) == "1.4.0"


@pytest.mark.parametrize("tag", ["x" * 41, "größer"])
def test_a_word_that_a_device_would_refuse_is_not_used(git, here, tag):
    git("tag", tag)
    assert default_version([here / "app"], DIGEST) == "files-0123456789ab"


def test_sources_of_several_places_are_no_one_version(git, here, tmp_path):
    assert default_version([here / "app", tmp_path], DIGEST) == "files-0123456789ab"


def test_without_git_it_works_too(here, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert default_version([here], DIGEST) == "files-0123456789ab"
