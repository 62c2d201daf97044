import pytest

from pico_ota.errors import UsageError
from pico_ota.ignore import Ignore


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("*.md", "README.md", True),
        ("*.md", "docs/a/b.md", True),
        ("*.md", "README.mdx", False),
        ("/README.md", "README.md", True),
        ("/README.md", "docs/README.md", False),
        ("docs/*.txt", "docs/a.txt", True),
        ("docs/*.txt", "docs/sub/a.txt", False),
        ("docs/**/*.txt", "docs/sub/deep/a.txt", True),
        ("docs/**/*.txt", "docs/a.txt", True),
        ("**/tmp", "a/b/tmp", True),
        ("**/tmp", "tmp", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].py", "a.py", True),
        ("[!ab].py", "a.py", False),
        ("[!ab].py", "c.py", True),
        ("a[b", "a[b", True),
        ("a.b", "axb", False),
        ("(x)+", "(x)+", True),
        ("lib", "lib", True),
        ("lib", "mylib", False),
    ],
)
def test_patterns_match_as_in_gitignore(pattern, path, ignored):
    assert Ignore([pattern], defaults=()).ignored(path) is ignored


def test_a_slash_at_the_end_means_folders_only():
    rules = Ignore(["build/"], defaults=())
    assert rules.ignored("build", directory=True)
    assert rules.ignored("a/build", directory=True)
    assert not rules.ignored("build", directory=False)


def test_the_last_match_decides():
    rules = Ignore(["*.log", "!keep.log"], defaults=())
    assert rules.ignored("a.log")
    assert not rules.ignored("logs/keep.log")


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        "lib/__pycache__",
        "x.pyc",
        ".venv",
        "pico-ota.toml",
        ".main.py.swp",
        "main.py~",
        "a/.DS_Store",
        "app.swu",
        "keys/private.pem",
    ],
)
def test_what_no_board_wants_is_ignored_by_default(path):
    assert Ignore().ignored(path, directory=True)


def test_a_default_can_be_taken_back():
    assert not Ignore(["!*.pem"]).ignored("keys/ca.pem")


def test_a_project_file_deeper_down_is_content():
    assert not Ignore().ignored("data/pico-ota.toml")


@pytest.mark.parametrize("pattern", ["/", "!", "!/"])
def test_a_pattern_that_names_nothing_is_refused(pattern):
    with pytest.raises(UsageError, match="names nothing"):
        Ignore([pattern])


def test_brackets_the_wrong_way_round_are_refused_with_the_pattern():
    with pytest.raises(UsageError, match=r"\[z-a\]"):
        Ignore(["[z-a]"])
