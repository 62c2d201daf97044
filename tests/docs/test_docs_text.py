"""What holds for all documents: links lead somewhere, and no path of a computer is in them."""

import re
from pathlib import Path

import pytest
from fences import ROOT, anchors, blocks, documents, links, prose

from pico_ota import __version__

ALL = documents()
# Of which a test types every command: test_docs_commands.py.
TYPED = {
    "docs/http.md",
    "docs/quickstart-developer.md",
    "docs/quickstart-fleet.md",
    "docs/signing.md",
    "docs/simulator.md",
}
PROMISED = {
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/cli.md",
    "docs/design.md",
    "docs/format.md",
    "docs/home-assistant.md",
    "docs/http.md",
    "docs/losing-contact.md",
    "docs/measured.md",
    "docs/python.md",
    "docs/quickstart-developer.md",
    "docs/quickstart-fleet.md",
    "docs/quickstart-hobbyist.md",
    "docs/signing.md",
    "docs/simulator.md",
    "docs/troubleshooting.md",
}


def test_every_document_is_there():
    assert set(ALL) >= PROMISED


@pytest.mark.parametrize("name", ALL)
def test_links_lead_somewhere(name):
    for target in links(ALL[name]):
        path, _, anchor = target.partition("#")
        if "://" in path:
            assert path.startswith("https://"), target
            continue
        place = (ROOT / name).parent / path if path else ROOT / name
        assert place.exists(), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(place.read_text("utf-8")), f"{name}: {target}"


def test_every_document_can_be_reached_from_the_readme():
    reached, left = set(), ["README.md"]
    while left:
        name = left.pop()
        reached.add(name)
        for target in links(ALL[name]):
            path = ((ROOT / name).parent / target.partition("#")[0]).resolve()
            if path.suffix == ".md" and path.exists():
                found = path.relative_to(ROOT).as_posix()
                if found in ALL and found not in reached:
                    left.append(found)
    assert set(ALL) <= reached


@pytest.mark.parametrize("name", ALL)
def test_every_command_is_typed_by_a_test_or_says_why_not(name):
    if name in TYPED or name == "README.md":
        return
    for block in blocks(name):
        if block.language in ("console", "sh", "bash"):
            assert re.match(r"not run: \w", block.mark), f"{block.place} is never run"


@pytest.mark.parametrize("name", ALL)
def test_no_path_of_a_computer_is_in_it(name):
    text = ALL[name]
    for path in re.findall(r"(?<![\w.:/~$}])/(?:home|root|work|tmp|usr|var)/[\w./-]*", text):
        raise AssertionError(f"{name} names {path}")
    assert str(Path.home()) == "/" or str(Path.home()) not in text


@pytest.mark.parametrize("name", ALL)
def test_fences_are_closed(name):
    assert "```" not in prose(ALL[name])


@pytest.mark.parametrize("name", sorted(set(ALL) - {"CHANGELOG.md"}))
def test_one_thing_has_one_name(name):
    """The words that the first edition used for what is called otherwise now."""
    for word in (
        r"rooms?\.pack",
        r"kept (set|version)",
        r"set (that )?is kept",
        r"`(nothing_)?kept",
        r"reception",
        r"manifest",
        r"arrivals",
        r"\bdraft",
        r"\blets? go\b",
        r"update/release",
    ):
        found = re.search(word, ALL[name], re.IGNORECASE)
        assert found is None, f"{name}: {found.group()!r}"


def test_the_changelog_knows_this_version():
    assert f"\n## [{__version__}] - " in ALL["CHANGELOG.md"]
