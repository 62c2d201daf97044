"""Page and command line go by one list of what is never sent and never deleted."""

import random
from pathlib import PurePosixPath

from pico_ota import never
from pico_ota.ignore import Ignore

ASK = """
    const { junkOf, isSpared, isUpdater } = page;
    return input.map((path) => [!!junkOf(path.slice(1)), isSpared(path), isUpdater(path)]);
"""
NEAR = """
    /main.py /lib/x.py /git /.gitx /x.git /a/.git/config /.git /lib/__pycache__/x.pyc
    /x.pyc.py /app.swu /a/app.swu /x.pem /pem /pico-ota.toml /lib/pico-ota.toml
    /pyproject.toml /a/pyproject.toml /.DS_Store /._x /a/._x/b /_x /x~ /x~y /.#x /#x# /#x
    /a.b.swp /.x.swp /.x.swz /.swap /venv/x /lib/venv /node_modules/a/b /boot.py /boot.pyc
    /lib/boot.py /ota_boot.py /ota_boot.mpy /ota_boot /ota_bootx /ota_boot/x
    /lib/ota_boot.py /service_ota.mpy /service_ota /manager_wifi.py /manager_wifi/a /ota
    /ota/x /otax /.ota/state /.otax /settings.py /settings.py.bak /lib/settings.py
    /settings.pyx /lib/microdot.mpy /lib/microdot.py /Thumbs.db /thumbs.db /desktop.ini
    /xdesktopxini
"""


def ignored(path):
    """Whether the walker of the command line would leave *path* out."""
    rules = Ignore()
    rel = PurePosixPath(path.lstrip("/"))
    folders = [str(parent) for parent in rel.parents if str(parent) != "."]
    return rules.ignored(str(rel)) or any(rules.ignored(f, directory=True) for f in folders)


def some_paths():
    rng = random.Random(3)
    names = [path.rpartition("/")[2] for path in NEAR.split()] + ["a", "data", "x.py"]
    names += [pattern.strip("/").replace("*", "q").replace("[a-p]", "m") for pattern in never.JUNK]
    return [
        "/" + "/".join(rng.choice(names) for _ in range(rng.randrange(1, 4))) for _ in range(500)
    ]


def test_page_and_command_line_judge_each_path_alike(page_js):
    paths = NEAR.split() + some_paths()
    expected = [[ignored(path), never.stays(path)] for path in paths]
    for path, wanted, found in zip(paths, expected, page_js(ASK, paths), strict=True):
        assert found[:2] == wanted, path
    for column in (0, 1):
        assert {row[column] for row in expected} == {True, False}


def test_each_pattern_of_the_list_counts(page_js):
    names = [pattern.replace("*", "q").replace("[a-p]", "m") for pattern in never.JUNK]
    junk = ["/" + name.lstrip("/") for name in names]
    assert [row[0] for row in page_js(ASK, junk)] == [True] * len(junk)
    updater = [pattern.replace("*", "py") for pattern in never._LISTS["updater"]]
    assert [row[1:] for row in page_js(ASK, updater)] == [[True, True]] * len(updater)
    settings = never._LISTS["settings"]
    assert [row[1:] for row in page_js(ASK, settings)] == [[True, False]] * len(settings)
