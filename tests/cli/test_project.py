import pytest

from pico_ota import project
from pico_ota.errors import UsageError

FULL = """
host = "pico-kitchen.local"
user = "me"
source = "app"
target = "/"
version = "1.4.0"
ignore = ["*.md"]
protected = ["/data/"]
mpy = true
key = "keys/private.pem"
"""


def test_all_entries_are_read_and_paths_belong_to_its_folder(here):
    (here / "pico-ota.toml").write_text(FULL)
    found = project.load(project.find(here))
    assert found.host == "pico-kitchen.local"
    assert found.user == "me"
    assert found.source == here / "app"
    assert found.key == here / "keys/private.pem"
    assert found.version == "1.4.0"
    assert found.ignore == ("*.md",)
    assert found.protected == ("/data/",)
    assert found.mpy is True


def test_it_is_found_upwards_and_the_nearest_wins(here):
    deep = here / "a/b"
    deep.mkdir(parents=True)
    (here / "pico-ota.toml").write_text('host = "far"')
    assert project.load(project.find(deep)).host == "far"
    (here / "a/pico-ota.toml").write_text('host = "near"')
    assert project.load(project.find(deep)).host == "near"


def test_without_a_file_there_are_defaults():
    assert project.load(None) == project.Project()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("host = ", "is not TOML"),
        ('hots = "x"', "unknown entry 'hots'. Known are host, user"),
        ("host = 1", "'host' is a text in quotes, got 1"),
        ('host = ""', "'host' is a text"),
        ('ignore = "*.md"', "'ignore' is a list of texts"),
        ("ignore = [1]", "'ignore' is a list of texts"),
        ('mpy = "yes"', "'mpy' is true or false, got 'yes'"),
        ('password = "secret"', "Set PICO_OTA_PASSWORD"),
        ('wifi_Password = "secret"', "does not belong in a project file"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(here, text, reason):
    path = here / "pico-ota.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        project.load(path)
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_documented_example_is_valid(here):
    lines = [line[4:] for line in project.__doc__.splitlines() if line.startswith("    ")]
    path = here / "pico-ota.toml"
    path.write_text("\n".join(lines))
    found = project.load(path)
    assert found.protected == ("/data/",)
    assert found.mpy is True
